// The life cycle of nodes: what they are, what may be asked of them, what they boot next.
import Type, { type Static } from "typebox";
import { NODE_ACTIONS } from "../fleet/life-actions.ts";
import { NODE_STATES } from "../fleet/lifecycle-table.ts";
import { ROOT_MODES } from "../fleet/node.ts";
import { type CommandsOf, route } from "./route.ts";
import { args, LIMIT, MS, NAME, NO_ARGS, NODE, oneOf, orNull, view } from "./schema.ts";

const Reason = Type.String({ minLength: 1, maxLength: 200, description: "why, for the node's history" });
const Version = Type.Optional(
  Type.Integer({ minimum: 0, description: "the version that was read; another one is NODE_CHANGED" }),
);

const Action = view("NodeAction", {
  action: oneOf(...NODE_ACTIONS),
  allowed: Type.Boolean(),
  to: Type.Optional(oneOf(...NODE_STATES)),
  why: Type.Optional(Type.String({ description: "why it is not to be had now" })),
});

const Override = view("BootOverride", {
  boot: oneOf("rescue", "ram", "custom"),
  image: Type.Optional(Type.String()),
  profile: Type.Optional(Type.String()),
  disks: Type.Optional(Type.Boolean({ description: "rescue: the node's disks are opened to it, unmounted" })),
  once: Type.Boolean({ description: "gone with the boot that uses it" }),
  by: Type.String(),
  atMs: MS,
});

/** What every view of a node has of its life. */
export const LIFE_FIELDS = {
  version: Type.Integer({ description: "one more with each change of its life" }),
  owner: Type.Optional(Type.String({ description: "the tenant whose it is" })),
  maintenance: Type.Optional(Type.String({ description: "why nothing is done to it by itself" })),
  stateSinceMs: MS,
  deadlineMs: Type.Optional(MS),
  attempt: Type.Integer({ description: "tries that a busy state has had" }),
  override: Type.Optional(Override),
};

export const LifeView = view("LifeView", {
  node: Type.String(),
  id: Type.String(),
  state: oneOf(...NODE_STATES),
  kind: oneOf("rest", "busy", "fail"),
  ...LIFE_FIELDS,
  tries: Type.Integer({ description: "that the state may have" }),
  policy: oneOf("home", "hosting"),
  boots: view("BootAnswer", {
    tree: oneOf("deployed", "agent-inventory", "ram-rescue", "custom", "none"),
    root: Type.String(),
    why: Type.String(),
  }),
  actions: Type.Array(Action),
  todo: Type.Array(
    view("PendingWork", {
      work: Type.String(),
      sinceMs: MS,
      tries: Type.Integer(),
      error: Type.Optional(Type.String()),
    }),
    { description: "what is still to be done for it, in this order" },
  ),
});
export type LifeView = Static<typeof LifeView>;

const LifeEventView = view("LifeEventView", {
  version: Type.Integer(),
  atMs: MS,
  event: Type.String(),
  from: Type.String(),
  to: Type.String(),
  by: Type.String(),
  words: Type.String(),
  args: Type.Optional(Type.Unknown()),
});
export type LifeEventView = Static<typeof LifeEventView>;

const InventoryView = view("NodeInventory", {
  node: Type.String(),
  atMs: MS,
  inventory: Type.Unknown({ description: "as the board's agent told it" }),
});

export const PolicyView = view("PolicyView", {
  name: oneOf("home", "hosting"),
  firmware: oneOf("unchecked", "required"),
  localDisks: oneOf("leave", "refuse"),
  quarantineOnMove: Type.Boolean(),
});
export type PolicyView = Static<typeof PolicyView>;

export const LIFE_ROUTES = {
  life: route({
    method: "GET",
    path: "/nodes/:node/life",
    summary:
      "A node's state, what may be asked of it now and why not, what it boots next, what is still to be done.",
    role: "viewer",
    args: args({ node: NODE }),
    result: LifeView,
  }),
  lifeHistory: route({
    method: "GET",
    path: "/nodes/:node/life/history",
    summary: "Everything that ever happened to a node's state, newest first.",
    role: "viewer",
    args: args({ node: NODE, limit: Type.Optional(LIMIT) }),
    result: Type.Array(LifeEventView),
  }),
  nodeInventory: route({
    method: "GET",
    path: "/nodes/:node/inventory",
    summary: "What a board's agent told of it the last time.",
    role: "viewer",
    args: args({ node: NODE }),
    result: InventoryView,
  }),
  actNode: route({
    method: "POST",
    path: "/nodes/:node/actions",
    summary:
      "Takes a node on in its life. It is answered when that stands in the book; the work goes on behind it.",
    role: "tenant",
    args: args({
      node: NODE,
      action: oneOf(...NODE_ACTIONS),
      image: Type.Optional(NAME),
      profile: Type.Optional(NAME),
      root: Type.Optional(oneOf(...ROOT_MODES)),
      owner: Type.Optional(NAME),
      reason: Type.Optional(Reason),
      version: Version,
    }),
    result: LifeView,
  }),
  allocateNode: route({
    method: "POST",
    path: "/allocations",
    summary: "Reserves any node that is ready, for the tenant who asks, or for an owner.",
    role: "tenant",
    tenant: "shared",
    args: args({ select: Type.Optional(NAME), owner: Type.Optional(NAME), reason: Type.Optional(Reason) }),
    result: LifeView,
  }),
  setMaintenance: route({
    method: "PUT",
    path: "/nodes/:node/maintenance",
    summary: "Puts a node into maintenance, where nothing is done to it by itself; null ends it.",
    role: "operator",
    args: args({ node: NODE, reason: orNull(Reason), version: Version }),
    result: LifeView,
  }),
  setNextBoot: route({
    method: "PUT",
    path: "/nodes/:node/next-boot",
    summary: "What a node boots the next time instead of what its state says; null takes it back.",
    role: "tenant",
    args: args({
      node: NODE,
      boot: orNull(oneOf("rescue", "ram", "custom")),
      image: Type.Optional(NAME),
      profile: Type.Optional(NAME),
      disks: Type.Optional(
        Type.Boolean({
          description: "rescue: opens the node's clone and volumes to it over iSCSI, unmounted",
        }),
      ),
      always: Type.Optional(Type.Boolean({ description: "until it is taken back, not once" })),
      version: Version,
    }),
    result: LifeView,
  }),
  policy: route({
    method: "GET",
    path: "/policy",
    summary: "How strict the life cycle is: at home, or with tenants.",
    role: "viewer",
    tenant: "shared",
    args: NO_ARGS,
    result: PolicyView,
  }),
  setPolicy: route({
    method: "PUT",
    path: "/policy",
    summary: "Sets how strict the life cycle is; what is not named becomes the policy's own default.",
    role: "admin",
    args: args({
      name: Type.Optional(oneOf("home", "hosting")),
      firmware: Type.Optional(oneOf("unchecked", "required")),
      localDisks: Type.Optional(oneOf("leave", "refuse")),
      quarantineOnMove: Type.Optional(Type.Boolean()),
    }),
    result: PolicyView,
  }),
};
export type LifeCommands = CommandsOf<typeof LIFE_ROUTES>;
