// Which nodes, where they stand, what they share: labels, groups, places, addresses.
import Type, { type Static } from "typebox";
import { SETTINGS_PATCH } from "./disk-settings-contract.ts";
import { type CommandsOf, route } from "./route.ts";
import { args, CHOSEN, NAME, NamedView, NO_ARGS, NODE, oneOf, orNull, view } from "./schema.ts";

const optional = Type.Optional;
const WORD = Type.String({ minLength: 1, maxLength: 63 });
export const SELECT = Type.String({
  minLength: 1,
  maxLength: 64 * 1024,
  description: "a selector (rack=3,model in (4B,5),!broken) or a hostlist (pi[01-30,40])",
});

const PLACE = {
  site: optional(WORD),
  rack: optional(WORD),
  unit: optional(WORD),
  slot: optional(WORD),
  switch: optional(WORD),
  port: optional(WORD),
};
/** Where a board stands, and the switch port that it hangs on. */
export const Place = args(PLACE);
const PlacePatch = args({
  site: optional(orNull(WORD)),
  rack: optional(orNull(WORD)),
  unit: optional(orNull(WORD)),
  slot: optional(orNull(WORD)),
  switch: optional(orNull(WORD)),
  port: optional(orNull(WORD)),
});
const MAC = Type.String({ pattern: "^[0-9A-Fa-f]{2}([:-][0-9A-Fa-f]{2}){5}$" });
const IP = Type.String({ pattern: "^[0-9]{1,3}(\\.[0-9]{1,3}){3}$" });

/** What a node's view has of this area. */
export const MODEL_FACTS = {
  labels: Type.Record(Type.String(), Type.String()),
  group: optional(Type.String()),
  place: Place,
  /** `node`, or `pool NAME`. */
  addressFrom: optional(Type.String({ description: "who said its address: node, or pool NAME" })),
  management: optional(Type.String({ description: "the address of its second way in, such as a BMC" })),
  managementMac: optional(Type.String()),
};
/** What a patch of a node has of this area. */
export const MODEL_PATCH = {
  labels: optional(Type.Record(Type.String(), orNull(Type.String()), { description: "null takes one away" })),
  group: optional(orNull(NAME)),
  place: optional(orNull(PlacePatch)),
  management: optional(orNull(IP)),
  managementMac: optional(orNull(MAC)),
  values: optional(
    Type.Record(Type.String(), orNull(Type.String()), { description: "value.NAME in templates" }),
  ),
};

const SettingView = view("SettingView", {
  name: Type.String(),
  value: Type.Unknown(),
  from: Type.String({ description: "node, group NAME, profile NAME, or bramble" }),
  over: Type.Array(Type.Object({ value: Type.Unknown(), from: Type.String() }), {
    description: "what it stands before, the nearest first",
  }),
});
const NodeSettingsView = view("NodeSettingsView", {
  node: Type.String(),
  profile: Type.String(),
  group: optional(Type.String()),
  settings: Type.Array(SettingView),
});
export type NodeSettingsView = Static<typeof NodeSettingsView>;

const NodesView = view("NodesView", { nodes: Type.Array(Type.String()) });

const { passwordHash: _, ...SHOWN } = SETTINGS_PATCH;
const GroupView = view("GroupView", {
  name: Type.String(),
  about: optional(Type.String()),
  nodes: Type.Array(Type.String()),
  settings: Type.Object(SHOWN, { description: "what it says itself" }),
  hasPassword: Type.Boolean(),
  values: Type.Record(Type.String(), Type.String()),
  version: Type.Integer(),
});
export type GroupView = Static<typeof GroupView>;
const GroupPatch = args({
  ...SETTINGS_PATCH,
  about: optional(orNull(Type.String({ maxLength: 200 }))),
  values: MODEL_PATCH.values,
});

const PlaceRow = view("PlaceRow", {
  node: Type.String(),
  id: Type.String(),
  state: Type.String(),
  group: optional(Type.String()),
  labels: Type.Record(Type.String(), Type.String()),
  place: Place,
});
export type PlaceRow = Static<typeof PlaceRow>;
const ImportView = view("ImportView", {
  dryRun: Type.Boolean(),
  changed: Type.Integer({ description: "nodes that are, or would be, changed" }),
  same: Type.Integer(),
  refused: Type.Array(
    Type.Object({
      line: Type.Integer(),
      column: Type.Integer({ description: "number of the cell, from 1" }),
      field: Type.String(),
      why: Type.String(),
    }),
  ),
  refusedRows: Type.Integer({ description: "also those that are not listed" }),
});
export type ImportView = Static<typeof ImportView>;

const PoolView = view("AddressPoolView", {
  name: Type.String(),
  kind: oneOf("client", "management"),
  from: Type.String(),
  to: Type.String(),
  for: Type.String({ description: "selector of the nodes that it is for; empty: all" }),
  size: Type.Integer(),
  used: Type.Integer(),
});
export type PoolView = Static<typeof PoolView>;
const AddressRow = Type.Object({
  node: Type.String(),
  mac: optional(Type.String()),
  client: optional(Type.String()),
  clientFrom: optional(Type.String()),
  management: optional(Type.String()),
  managementFrom: optional(Type.String()),
  managementMac: optional(Type.String()),
});
const AddressesView = view("AddressesView", {
  rows: Type.Array(AddressRow),
  trouble: Type.Array(Type.Object({ node: Type.String(), kind: Type.String(), why: Type.String() })),
  notes: Type.Array(Type.String(), { description: "what Bramble cannot do in its DHCP mode" }),
});
export type AddressesView = Static<typeof AddressesView>;

const operator = { role: "operator" } as const;
const viewer = { role: "viewer", tenant: "filtered" } as const;
const GROUP_ARG = args({ group: NAME });
const RANGE = { from: IP, to: IP, for: optional(Type.String({ maxLength: 4096 })) };

export const MODEL_ROUTES = {
  nodeSettings: route({
    role: "viewer",
    method: "GET",
    path: "/nodes/:node/settings",
    summary: "What a node is set to, and whether that comes from its profile, its group or itself",
    args: args({ node: NODE }),
    result: NodeSettingsView,
  }),
  labelNodes: route({
    ...operator,
    method: "POST",
    path: "/labels",
    summary: "Set and take away labels of many nodes; null takes one away",
    args: args({ ...CHOSEN, labels: Type.Record(Type.String(), orNull(Type.String())) }),
    result: NodesView,
  }),
  groups: route({
    ...viewer,
    role: "operator",
    method: "GET",
    path: "/groups",
    summary: "Groups by name",
    args: NO_ARGS,
    result: Type.Array(GroupView),
  }),
  group: route({
    ...operator,
    method: "GET",
    path: "/groups/:group",
    summary: "One group with its nodes",
    args: GROUP_ARG,
    result: GroupView,
  }),
  addGroup: route({
    ...operator,
    method: "POST",
    path: "/groups",
    summary: "A new group",
    args: args({ group: NAME, patch: optional(GroupPatch) }),
    result: GroupView,
  }),
  setGroup: route({
    ...operator,
    method: "PATCH",
    path: "/groups/:group",
    summary: "Change what a group gives its nodes from their next boot on; null takes a setting back",
    args: args({ group: NAME, patch: GroupPatch }),
    result: GroupView,
  }),
  removeGroup: route({
    ...operator,
    method: "DELETE",
    path: "/groups/:group",
    summary: "Remove a group that no node is in",
    args: GROUP_ARG,
    result: NamedView,
  }),
  joinGroup: route({
    ...operator,
    method: "POST",
    path: "/groups/:group/nodes",
    summary: "Put nodes into a group, out of the one that they were in",
    args: args({ group: NAME, ...CHOSEN }),
    result: NodesView,
  }),
  leaveGroup: route({
    ...operator,
    method: "POST",
    path: "/groups/:group/leave",
    summary: "Take nodes out of a group",
    args: args({ group: NAME, ...CHOSEN }),
    result: NodesView,
  }),
  places: route({
    ...viewer,
    method: "GET",
    path: "/places",
    summary: "Where nodes stand, in the order of sites, racks, units and slots",
    args: args({ select: optional(SELECT) }),
    result: Type.Array(PlaceRow),
  }),
  exportPlaces: route({
    ...operator,
    method: "GET",
    path: "/places/csv",
    summary: "The same as CSV, as import takes it",
    args: args({ select: optional(SELECT) }),
    result: view("CsvView", { csv: Type.String() }),
  }),
  importPlaces: route({
    ...operator,
    method: "POST",
    path: "/places/csv",
    bodyBytes: 11 << 20,
    summary:
      "Places, groups, labels and addresses from CSV; rows that are refused are left out, or with `strict` refuse all",
    args: args({
      csv: Type.String({ maxLength: 10 << 20 }),
      dryRun: optional(Type.Boolean()),
      strict: optional(Type.Boolean()),
    }),
    result: ImportView,
  }),
  addressPools: route({
    ...operator,
    method: "GET",
    path: "/address-pools",
    summary: "Address pools by name",
    args: NO_ARGS,
    result: Type.Array(PoolView),
  }),
  addAddressPool: route({
    ...operator,
    method: "POST",
    path: "/address-pools",
    summary: "A pool of addresses for the nodes of a selector",
    args: args({ pool: NAME, ...RANGE, kind: optional(oneOf("client", "management")) }),
    result: PoolView,
  }),
  setAddressPool: route({
    ...operator,
    method: "PATCH",
    path: "/address-pools/:pool",
    summary: "Change a pool; nodes whose addresses lie outside of it then are given others",
    args: args({ pool: NAME, from: optional(IP), to: optional(IP), for: RANGE.for }),
    result: PoolView,
  }),
  removeAddressPool: route({
    ...operator,
    method: "DELETE",
    path: "/address-pools/:pool",
    summary: "Remove a pool and take its addresses back",
    args: args({ pool: NAME }),
    result: NamedView,
  }),
  addresses: route({
    ...operator,
    method: "GET",
    path: "/addresses",
    summary: "Each node's client and management address, and who said so",
    args: args({ select: optional(SELECT) }),
    result: AddressesView,
  }),
};
export type ModelCommands = CommandsOf<typeof MODEL_ROUTES>;
