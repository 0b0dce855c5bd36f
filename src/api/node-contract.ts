// Nodes, their boots, what happened to them.
import Type, { type Static } from "typebox";
import { NODE_STATES } from "../fleet/lifecycle-table.ts";
import { BootDetail, BootView } from "./boot-contract.ts";
import { DISK_SETTINGS, SETTINGS_PATCH } from "./disk-settings-contract.ts";
import { EventView } from "./event-contract.ts";
import { LIFE_FIELDS } from "./life-contract.ts";
import { MODEL_FACTS, MODEL_PATCH } from "./model-contract.ts";
import { type CommandsOf, route } from "./route.ts";
import { args, LIMIT, MS, NAME, NODE, oneOf, orNull, view } from "./schema.ts";
import { SupervisionSight } from "./supervise-contract.ts";

export const NodeView = view("NodeView", {
  id: Type.String({
    description: "the serial that it was first heard with, else its MAC with dashes; never changes",
  }),
  name: Type.String(),
  state: oneOf(...NODE_STATES),
  ...LIFE_FIELDS,
  serial: Type.Optional(Type.String()),
  mac: Type.Optional(Type.String()),
  model: Type.Optional(Type.String()),
  revision: Type.Optional(Type.Integer()),
  profile: Type.String(),
  image: Type.Optional(Type.String()),
  root: Type.String(),
  firmware: Type.Optional(Type.String()),
  address: Type.Optional(Type.String()),
  user: Type.Optional(Type.String()),
  hasPassword: Type.Boolean({ description: "a password is set; what it is, nobody is told" }),
  sshKeys: Type.Integer(),
  own: Type.Array(Type.String(), { description: "settings that are the node's own, not its profile's" }),
  firstSeenMs: MS,
  lastSeenMs: MS,
  boot: Type.Optional(BootView),
  line: Type.Optional(Type.Integer({ description: "its place among those that wait to boot; 1: next" })),
  supervision: Type.Optional(SupervisionSight),
  ...DISK_SETTINGS,
  ...MODEL_FACTS,
});
export type NodeView = Static<typeof NodeView>;

const NodeSettingsPatch = args({
  ...SETTINGS_PATCH,
  name: Type.Optional(NAME),
  profile: Type.Optional(NAME),
  address: Type.Optional(orNull(NAME)),
  ...MODEL_PATCH,
});
export type NodeSettingsPatch = Static<typeof NodeSettingsPatch>;

const Origin = Type.Union([
  Type.Object({ from: Type.Literal("clone") }),
  Type.Object({ from: Type.Literal("firmware"), name: Type.String() }),
  Type.Object({ from: Type.Literal("generated"), why: Type.String() }),
]);
const TreeView = view("TreeView", {
  node: Type.String(),
  model: Type.String(),
  image: Type.String(),
  files: Type.Array(
    Type.Object({
      path: Type.String(),
      why: Type.String(),
      size: Type.Optional(Type.Integer()),
      origin: Type.Optional(Origin),
      needed: Type.Boolean(),
    }),
  ),
  others: Type.Array(Type.Object({ path: Type.String(), size: Type.Integer(), origin: Type.String() })),
  kernel: Type.Optional(Type.String()),
  missing: Type.Array(Type.String()),
  changes: Type.Array(Type.String()),
  notes: Type.Array(
    Type.Object({ line: Type.Integer(), text: Type.String(), why: Type.String(), file: Type.String() }),
  ),
});
export type TreeView = Static<typeof TreeView>;

const Forgotten = view("Forgotten", { name: Type.String(), volumes: Type.Array(Type.String()) });
const ExplainView = view("ExplainView", {
  node: NodeView,
  boot: Type.Optional(BootDetail),
  events: Type.Array(EventView),
});

export const NODE_ROUTES = {
  nodes: route({
    method: "GET",
    path: "/nodes",
    summary: "Nodes by name; `select` takes a selector (rack=3,model in (4B,5)) or a hostlist (pi[01-30])",
    role: "viewer",
    tenant: "filtered",
    cursor: "name",
    whole: true,
    args: args({
      select: Type.Optional(Type.String({ maxLength: 4096 })),
      limit: Type.Optional(LIMIT),
      after: Type.Optional(Type.String({ maxLength: 255, description: "go on after the node of this name" })),
    }),
    result: Type.Array(NodeView),
  }),
  node: route({
    method: "GET",
    path: "/nodes/:node",
    summary: "One node",
    role: "viewer",
    args: args({ node: NODE }),
    result: NodeView,
  }),
  setNode: route({
    method: "PATCH",
    path: "/nodes/:node",
    summary: "Change a node's settings; null takes one back to its profile's",
    role: "operator",
    args: args({ node: NODE, patch: NodeSettingsPatch }),
    result: NodeView,
  }),
  enrolNode: route({
    method: "POST",
    path: "/nodes/:node/enrol",
    summary: "Let a discovered node boot",
    role: "operator",
    args: args({ node: NODE }),
    result: NodeView,
  }),
  forgetNode: route({
    method: "DELETE",
    path: "/nodes/:node",
    summary: "Forget a node and its clone; its volumes are detached and stay",
    role: "operator",
    args: args({ node: NODE }),
    result: Forgotten,
  }),
  nodeTree: route({
    method: "GET",
    path: "/nodes/:node/tree",
    summary: "What this node, or another model in its place, would get to boot from",
    role: "viewer",
    args: args({ node: NODE, model: Type.Optional(NAME) }),
    result: TreeView,
  }),
  nodeFile: route({
    method: "GET",
    path: "/nodes/:node/file",
    summary: "One file of its boot tree",
    role: "operator",
    args: args({ node: NODE, path: Type.String({ minLength: 1, maxLength: 1024 }) }),
    result: view("NodeFile", { base64: Type.String(), origin: Type.String() }),
  }),
  explain: route({
    method: "GET",
    path: "/nodes/:node/explain",
    summary: "Its last boot, step by step, with the verdict, and its latest events",
    role: "viewer",
    args: args({ node: NODE }),
    result: ExplainView,
  }),
};
export type NodeCommands = CommandsOf<typeof NODE_ROUTES>;
