// What may be asked about what is seen: consoles of nodes, webhooks, retention, the inventory, findings, the support bundle.
import Type, { type Static } from "typebox";
import { type CommandsOf, route } from "./route.ts";
import { args, BYTES, LIMIT, MS, NAME, NamedView, NO_ARGS, NODE, oneOf, view } from "./schema.ts";

const ConsoleLine = view("ConsoleLine", {
  /** Its number within the boot. */
  seq: Type.Integer(),
  /** When it reached us. */
  atMs: MS,
  source: oneOf("netconsole", "syslog", "bramble"),
  /** 0 emergency … 7 debug, where the sender says it. */
  severity: Type.Optional(Type.Integer()),
  app: Type.Optional(Type.String()),
  text: Type.String(),
});
export type ConsoleLine = Static<typeof ConsoleLine>;

const ConsoleView = view("ConsoleView", {
  node: Type.String(),
  /** "" for what it printed before its first boot. */
  boot: Type.String(),
  lines: Type.Array(ConsoleLine),
  /** Number of the last line here: what to give as `after`. */
  last: Type.Integer(),
});
export type ConsoleView = Static<typeof ConsoleView>;

const WebhookView = view("WebhookView", {
  name: Type.String(),
  url: Type.String(),
  /** Kinds of events that are sent; empty: all. */
  kinds: Type.Array(Type.String()),
  waiting: Type.Integer(),
  dead: Type.Integer(),
  /** Events that were gone from the book before they could be sent. */
  missed: Type.Integer(),
  /** What the other side answered the last time that something could not be delivered. */
  error: Type.Optional(Type.String()),
  createdMs: MS,
});
export type WebhookView = Static<typeof WebhookView>;

const DeadLetter = view("DeadLetter", {
  id: Type.Integer(),
  event: Type.Integer(),
  kind: Type.String(),
  attempts: Type.Integer(),
  error: Type.String(),
  createdMs: MS,
});

const DAYS = Type.Integer({ minimum: 1, maximum: 3650 });
const RetentionView = view("RetentionView", {
  eventDays: DAYS,
  bootDays: DAYS,
  consoleDays: DAYS,
});
export type RetentionView = Static<typeof RetentionView>;

const PrunedView = view("PrunedView", {
  events: Type.Integer(),
  boots: Type.Integer(),
  consoles: Type.Integer(),
  /** Bytes that the file system has back. */
  bytes: BYTES,
});
export type PrunedView = Static<typeof PrunedView>;

const FindingView = view("FindingView", {
  what: Type.String(),
  state: oneOf("ok", "warning", "problem"),
  words: Type.String(),
  hint: Type.Optional(Type.String()),
  /** The node that it concerns. */
  node: Type.Optional(Type.String()),
});
export type FindingView = Static<typeof FindingView>;

const InventoryHost = view("InventoryHost", {
  name: Type.String(),
  /** Where it was last heard. */
  address: Type.Optional(Type.String()),
  user: Type.Optional(Type.String()),
  /** Groups that it is in: profile_default, model_4b, state_deployed … */
  groups: Type.Array(Type.String()),
  facts: Type.Record(Type.String(), Type.Union([Type.String(), Type.Number(), Type.Boolean()])),
});
export type InventoryHost = Static<typeof InventoryHost>;

const SupportView = view("SupportView", {
  name: Type.String(),
  /** A tar.gz. */
  base64: Type.String(),
  files: Type.Array(Type.String()),
  /** Places where a secret stood and was taken out. */
  removed: Type.Integer(),
});
export type SupportView = Static<typeof SupportView>;

const node = NODE;
const webhook = NAME;
const limit = Type.Optional(LIMIT);

export const OBSERVE_ROUTES = {
  nodeConsole: route({
    method: "GET",
    path: "/nodes/:node/console",
    summary: "What a node printed in a boot: netconsole and syslog, oldest first",
    role: "tenant",
    args: args({
      node,
      boot: Type.Optional(NAME),
      after: Type.Optional(Type.Integer({ minimum: 0 })),
      limit,
    }),
    result: ConsoleView,
  }),
  doctor: route({
    method: "GET",
    path: "/doctor",
    summary: "What may keep boards from booting, as far as it can be seen without changing anything",
    role: "viewer",
    args: args({ node: Type.Optional(NODE) }),
    result: Type.Array(FindingView),
  }),
  inventory: route({
    method: "GET",
    path: "/inventory",
    summary: "The nodes as other tools want them: where they are reached, and in which groups",
    role: "viewer",
    args: NO_ARGS,
    result: Type.Array(InventoryHost),
  }),
  webhooks: route({
    method: "GET",
    path: "/webhooks",
    summary: "Who is told of events",
    role: "operator",
    args: NO_ARGS,
    result: Type.Array(WebhookView),
  }),
  addWebhook: route({
    method: "POST",
    path: "/webhooks",
    summary: "Tells a web server of events from now on; the answer has the secret, this once",
    role: "admin",
    args: args({
      name: Type.String({ minLength: 1, maxLength: 63 }),
      url: Type.String({ maxLength: 2_000 }),
      kinds: Type.Optional(Type.Array(Type.String({ maxLength: 63 }), { maxItems: 64 })),
      secret: Type.Optional(Type.String({ minLength: 24, maxLength: 100 })),
    }),
    result: view("NewWebhook", { name: Type.String(), secret: Type.String() }),
  }),
  removeWebhook: route({
    method: "DELETE",
    path: "/webhooks/:webhook",
    summary: "Tells it no more, and forgets what it was not told yet",
    role: "admin",
    args: args({ webhook }),
    result: NamedView,
  }),
  testWebhook: route({
    method: "POST",
    path: "/webhooks/:webhook/test",
    summary: "Sends one event of kind test at once, and says what the other side answered",
    role: "operator",
    args: args({ webhook }),
    result: view("WebhookTest", { delivered: Type.Boolean(), answer: Type.String(), tookMs: Type.Integer() }),
  }),
  deadLetters: route({
    method: "GET",
    path: "/webhooks/:webhook/dead",
    summary: "Events that could not be delivered, newest first",
    role: "operator",
    args: args({ webhook, limit }),
    result: Type.Array(DeadLetter),
  }),
  replayWebhook: route({
    method: "POST",
    path: "/webhooks/:webhook/replay",
    summary: "Tries dead letters again: one of them, or all",
    role: "operator",
    args: args({ webhook, letter: Type.Optional(Type.Integer()) }),
    result: view("Replayed", { replayed: Type.Integer() }),
  }),
  retention: route({
    method: "GET",
    path: "/retention",
    summary: "How long events, boots and consoles are kept",
    role: "viewer",
    args: NO_ARGS,
    result: RetentionView,
  }),
  setRetention: route({
    method: "PATCH",
    path: "/retention",
    summary: "Changes how long events, boots and consoles are kept",
    role: "admin",
    args: args({
      eventDays: Type.Optional(DAYS),
      bootDays: Type.Optional(DAYS),
      consoleDays: Type.Optional(DAYS),
    }),
    result: RetentionView,
  }),
  prune: route({
    method: "POST",
    path: "/retention/apply",
    summary: "Deletes what is older than it is to be kept, and gives its space back",
    role: "admin",
    args: NO_ARGS,
    result: PrunedView,
  }),
  support: route({
    method: "POST",
    path: "/support",
    summary: "Everything that helps to find out what is wrong, without any secret, as a tar.gz",
    role: "admin",
    args: NO_ARGS,
    result: SupportView,
  }),
};

export type ObserveCommands = CommandsOf<typeof OBSERVE_ROUTES>;
