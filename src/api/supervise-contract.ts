// What is done about boots that fail, and how reliable boots are.
import Type, { type Static } from "typebox";
import { type CommandsOf, route } from "./route.ts";
import { args, LIMIT, MS, NO_ARGS, NODE, oneOf, view } from "./schema.ts";

/** A node that is not up yet, or is given up. */
export const SupervisionSight = view("SupervisionSight", {
  phase: oneOf("booting", "resting", "cycling", "waiting", "failed"),
  tries: Type.Integer({ description: "boots that have begun since the node was last up" }),
  powerCycles: Type.Integer(),
  nextMs: Type.Optional(MS),
  paused: Type.Boolean({ description: "by maintenance, or for all nodes: its power is left alone" }),
  words: Type.Optional(Type.String({ description: "why the last try failed" })),
});

const BootsAtOnce = Type.Union([
  Type.Literal("auto"),
  Type.Literal("off"),
  Type.Integer({ minimum: 1, maximum: 100_000 }),
]);
const SETTINGS = {
  bootsAtOnce: BootsAtOnce,
  powerCycles: Type.Integer({ minimum: 0, maximum: 100 }),
  backOffSeconds: Type.Array(Type.Number({ minimum: 0, maximum: 3600 }), { minItems: 1, maxItems: 20 }),
  deadlineScale: Type.Number({ minimum: 0.001, maximum: 100 }),
  paused: Type.Boolean(),
};
export const SupervisionView = view("SupervisionView", {
  ...SETTINGS,
  limit: Type.Optional(
    Type.Integer({ description: "boots that may fetch their files at once now; absent: no limit" }),
  ),
  fetching: Type.Integer({ description: "boots that fetch their files now" }),
  waiting: Type.Integer({ description: "nodes in line" }),
  nodes: Type.Array(
    Type.Object({
      node: Type.String(),
      line: Type.Optional(Type.Integer()),
      ...SupervisionSight.properties,
    }),
    { description: "nodes that are not up yet, or are given up" },
  ),
});
export type SupervisionView = Static<typeof SupervisionView>;

const QUANTILES = Type.Object({ p50: Type.Number(), p95: Type.Number() });
export const ReliabilityRow = view("ReliabilityRow", {
  of: Type.String({ description: "the node, model, image or switch" }),
  boots: Type.Integer({
    description: "ended well or were given up; a board that tried three times counts once",
  }),
  firstTry: Type.Number({ description: "part of them that came up at the first try, 0 to 1" }),
  failed: Type.Integer({ description: "tries that failed" }),
  givenUp: Type.Integer(),
  seconds: Type.Optional(QUANTILES),
  stages: Type.Array(Type.Object({ stage: Type.String(), p50: Type.Number(), p95: Type.Number() }), {
    description: "seconds from each stage to the next, of boots that came up",
  }),
  causes: Type.Array(Type.Object({ cause: Type.String(), times: Type.Integer() }), {
    description: "why tries failed, most frequent first",
  }),
  flaky: Type.Boolean({ description: "more than 2 failures in its last 20 tries" }),
});
export type ReliabilityRow = Static<typeof ReliabilityRow>;

export const SUPERVISE_ROUTES = {
  supervision: route({
    method: "GET",
    path: "/supervision",
    summary: "What is done about boots that fail, and for which nodes now",
    role: "viewer",
    args: NO_ARGS,
    result: SupervisionView,
  }),
  setSupervision: route({
    method: "PATCH",
    path: "/supervision",
    summary: "Change deadlines, power cycles and how many boots may run at once",
    role: "operator",
    args: args(
      Object.fromEntries(Object.entries(SETTINGS).map(([name, schema]) => [name, Type.Optional(schema)])) as {
        [K in keyof typeof SETTINGS]: ReturnType<typeof Type.Optional<(typeof SETTINGS)[K]>>;
      },
    ),
    result: SupervisionView,
  }),
  retryNode: route({
    method: "POST",
    path: "/nodes/:node/retry",
    summary: "Forget the tries that failed, cut the node's power and begin anew",
    role: "tenant",
    args: args({ node: NODE }),
    result: SupervisionSight,
  }),
  reliability: route({
    method: "GET",
    path: "/reliability",
    summary: "How reliably boards boot: first tries, times, reasons",
    role: "viewer",
    args: args({
      by: Type.Optional(oneOf("node", "model", "image", "switch")),
      days: Type.Optional(Type.Number({ minimum: 0.01, maximum: 400, description: "default 30" })),
      limit: Type.Optional(LIMIT),
    }),
    result: Type.Array(ReliabilityRow),
  }),
};
export type SuperviseCommands = CommandsOf<typeof SUPERVISE_ROUTES>;
