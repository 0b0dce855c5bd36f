// Power of nodes, and the switches, PDUs and plugs that switch it.
import Type, { type Static } from "typebox";
import { POWER_DRIVERS } from "../base/power.ts";
import { SELECT } from "./model-contract.ts";
import { type CommandsOf, route } from "./route.ts";
import { args, MS, NAME, NamedView, NO_ARGS, NODE, oneOf, orNull, view } from "./schema.ts";

const optional = Type.Optional;
const SWITCH = Type.String({ minLength: 1, maxLength: 255, description: "a switch's name" });
const PORT = Type.String({
  minLength: 1,
  maxLength: 255,
  description: "a port's name on the switch, or the number by which it gives power",
});
const TEXT = Type.String({ minLength: 1, maxLength: 2048 });
const ARGV = Type.Array(Type.String({ maxLength: 4096 }), { minItems: 1, maxItems: 64 });

const PowerView = view("PowerView", {
  node: Type.String(),
  desired: optional(oneOf("on", "off")),
  actual: Type.Unsafe<"on" | "off" | "searching" | "fault" | "unknown">(
    Type.Enum(["on", "off", "searching", "fault", "unknown"], {
      description: "what its port was last seen to be",
    }),
  ),
  driver: Type.String(),
  switch: Type.String(),
  port: Type.String(),
  proof: Type.String({ description: "how it is known: hand, fdb, circuit, power-toggle, place" }),
  watts: optional(Type.Number()),
  detail: optional(Type.String({ description: "the switch's own word" })),
  atMs: MS,
  error: optional(Type.String()),
  alarm: optional(Type.String({ description: "power.stuck_off, node.moved" })),
  busy: Type.Boolean({ description: "an operation is under way" }),
});
export type PowerView = Static<typeof PowerView>;

const PowerSwitchOptions = args({
  every: optional(
    Type.Number({ minimum: 0.1, maximum: 86_400, description: "seconds between two readings; 120" }),
  ),
  offSeconds: optional(Type.Number({ minimum: 0, maximum: 60, description: "between off and on; 5" })),
  reserveWatts: optional(Type.Number({ minimum: 0, maximum: 200, description: "what a board may take" })),
  user: optional(TEXT),
  authProtocol: optional(oneOf("md5", "sha", "sha224", "sha256", "sha384", "sha512")),
  privacyProtocol: optional(oneOf("des", "aes", "aes256b", "aes256r")),
  context: optional(TEXT),
  timeoutMs: optional(Type.Integer({ minimum: 10, maximum: 60_000 })),
  vlans: optional(Type.Array(Type.Integer({ minimum: 1, maximum: 4094 }), { maxItems: 4094 })),
  switchBy: optional(ARGV),
  family: optional(oneOf("rpdu", "rpdu2", "masterswitch")),
  mac: optional(Type.String({ pattern: "^[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){5}$" })),
  site: optional(Type.String({ pattern: "^[A-Za-z0-9_-]{1,64}$" })),
  unifiOs: optional(Type.Boolean()),
  insecure: optional(Type.Boolean({ description: "take any certificate" })),
  onUrl: optional(TEXT),
  offUrl: optional(TEXT),
  queryUrl: optional(TEXT),
  onPattern: optional(TEXT),
  offPattern: optional(TEXT),
  argv: optional(ARGV),
  reads: optional(Type.Boolean()),
  generation: optional(Type.Integer({ minimum: 1, maximum: 4 })),
});
export type PowerSwitchOptions = Static<typeof PowerSwitchOptions>;

/** Write-only: no view shows them. */
const PowerSecrets = args({
  community: optional(TEXT),
  authKey: optional(TEXT),
  privacyKey: optional(TEXT),
  password: optional(TEXT),
  secret: optional(TEXT),
  token: optional(TEXT),
});
export type PowerSecrets = Static<typeof PowerSecrets>;

const SwitchView = view("SwitchView", {
  id: Type.String(),
  name: Type.String(),
  driver: Type.String(),
  address: optional(Type.String()),
  options: PowerSwitchOptions,
  secrets: Type.Array(Type.String(), {
    description: "names of those that are set; what they are, nobody is told",
  }),
  ports: Type.Integer(),
  nodes: Type.Array(Type.String()),
  addedMs: MS,
  scannedMs: optional(MS),
  upTimeMs: optional(Type.Integer()),
  error: optional(Type.String({ description: "why it does not answer" })),
});
export type SwitchView = Static<typeof SwitchView>;

const SwitchPortView = view("SwitchPortView", {
  switch: Type.String(),
  name: Type.String(),
  port: optional(Type.String({ description: "absent: it gives no power" })),
  alias: optional(Type.String()),
  up: optional(Type.Boolean()),
  macs: Type.Array(Type.String()),
  neighbour: optional(Type.String({ description: "who tells of itself there by LLDP" })),
  /** Bound to it. */
  node: optional(Type.String()),
  /** Learned there, and not bound to it. */
  seen: Type.Array(Type.String()),
  guard: optional(Type.String({ description: "why it is not switched" })),
  allowed: Type.Boolean({ description: "somebody said that it may be switched, whatever the rules say" }),
  power: optional(PowerView),
});
export type SwitchPortView = Static<typeof SwitchPortView>;

const FoundView = view("FoundView", {
  node: Type.String(),
  switch: Type.String(),
  port: Type.String(),
  name: Type.String(),
  bound: Type.Boolean({ description: "it was bound now" }),
});

const ShutdownView = view("ShutdownView", {
  argv: Type.Array(Type.String(), { description: "with {address}, {name} and {serial}; no shell reads it" }),
  standard: Type.Boolean({ description: "nobody has set another" }),
});

const bindingArgs = { node: NODE, switch: SWITCH, port: PORT };

export const POWER_ROUTES = {
  powers: route({
    method: "GET",
    path: "/power",
    summary: "Power of all nodes that something of ours can switch",
    role: "viewer",
    tenant: "filtered",
    args: args({ select: optional(SELECT) }),
    result: Type.Array(PowerView),
  }),
  power: route({
    method: "GET",
    path: "/nodes/:node/power",
    summary: "Power of a node, asked of its switch now",
    role: "viewer",
    args: args({ node: NODE }),
    result: PowerView,
  }),
  setPower: route({
    method: "POST",
    path: "/nodes/:node/power",
    summary: "Switch a node on or off, or off and on; ends when it was seen to be so",
    role: "tenant",
    long: true,
    args: args({
      node: NODE,
      want: oneOf("on", "off", "cycle"),
      soft: optional(Type.Boolean({ description: "ask its system to shut down first" })),
    }),
    result: PowerView,
  }),
  bindPower: route({
    method: "PUT",
    path: "/nodes/:node/power",
    summary: "Say which port gives a node its power",
    role: "operator",
    args: args(bindingArgs),
    result: PowerView,
  }),
  unbindPower: route({
    method: "DELETE",
    path: "/nodes/:node/power",
    summary: "Forget which port gives a node its power",
    role: "operator",
    args: args({ node: NODE }),
    result: NamedView,
  }),
  shutdown: route({
    method: "GET",
    path: "/settings/shutdown",
    summary: "The program that asks a node's system to shut down",
    role: "operator",
    args: NO_ARGS,
    result: ShutdownView,
  }),
  setShutdown: route({
    method: "PUT",
    path: "/settings/shutdown",
    summary: "Say which program asks a node's system to shut down; null: ssh",
    role: "admin",
    args: args({ argv: orNull(ARGV) }),
    result: ShutdownView,
  }),
  switches: route({
    method: "GET",
    path: "/switches",
    summary: "Switches, PDUs and plugs",
    role: "viewer",
    args: NO_ARGS,
    result: Type.Array(SwitchView),
  }),
  switch: route({
    method: "GET",
    path: "/switches/:switch",
    summary: "One switch",
    role: "viewer",
    args: args({ switch: SWITCH }),
    result: SwitchView,
  }),
  addSwitch: route({
    method: "POST",
    path: "/switches",
    summary: "Add a switch, PDU or plug; it must answer",
    role: "admin",
    args: args({
      name: Type.String({ pattern: "^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$" }),
      driver: oneOf(...POWER_DRIVERS),
      address: optional(TEXT),
      options: optional(PowerSwitchOptions),
      secrets: optional(PowerSecrets),
      unseen: optional(Type.Boolean({ description: "also where it does not answer now" })),
    }),
    result: SwitchView,
  }),
  setSwitch: route({
    method: "PATCH",
    path: "/switches/:switch",
    summary: "Change a switch's address, options or secrets",
    role: "admin",
    args: args({
      switch: SWITCH,
      address: optional(TEXT),
      options: optional(PowerSwitchOptions),
      drop: optional(
        Type.Array(NAME, { description: "options that go back to what they are by themselves" }),
      ),
      secrets: optional(PowerSecrets),
    }),
    result: SwitchView,
  }),
  removeSwitch: route({
    method: "DELETE",
    path: "/switches/:switch",
    summary: "Remove a switch; no node may be bound to it",
    role: "admin",
    args: args({ switch: SWITCH }),
    result: NamedView,
  }),
  scanSwitch: route({
    method: "POST",
    path: "/switches/:switch/scan",
    summary: "Look at what hangs on a switch's ports",
    role: "operator",
    args: args({
      switch: SWITCH,
      bind: optional(Type.Boolean({ description: "bind the nodes that are found" })),
    }),
    result: Type.Array(FoundView),
  }),
  switchPorts: route({
    method: "GET",
    path: "/switches/:switch/ports",
    summary: "A switch's ports as they were seen last, with power and nodes",
    role: "viewer",
    args: args({ switch: SWITCH }),
    result: Type.Array(SwitchPortView),
  }),
  guardPort: route({
    method: "PUT",
    path: "/switches/:switch/ports/:port/guard",
    summary: "Say whether a port may be switched: allow, refuse, or null for the rules",
    role: "admin",
    args: args({ switch: SWITCH, port: PORT, guard: orNull(oneOf("allow", "refuse")) }),
    result: SwitchPortView,
  }),
  provePort: route({
    method: "POST",
    path: "/switches/:switch/ports/:port/prove",
    summary: "Take a port's power and give it back, and bind the node that then asks for an address",
    role: "operator",
    long: true,
    args: args({ switch: SWITCH, port: PORT }),
    result: PowerView,
  }),
};
export type PowerCommands = CommandsOf<typeof POWER_ROUTES>;
