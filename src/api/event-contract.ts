// Events: decisions and mishaps, each with its reason.
import Type, { type Static } from "typebox";
import { type CommandsOf, route } from "./route.ts";
import { args, LIMIT, MS, NODE, view } from "./schema.ts";

export const EventView = view("EventView", {
  id: Type.Integer(),
  atMs: MS,
  node: Type.Optional(Type.String()),
  kind: Type.String(),
  words: Type.String(),
});
export type EventView = Static<typeof EventView>;

export const EVENT_ROUTES = {
  events: route({
    method: "GET",
    path: "/events",
    summary:
      "The newest events in the order in which they happened; with `after` those that follow it, oldest first",
    role: "viewer",
    tenant: "filtered",
    args: args({
      node: Type.Optional(NODE),
      limit: Type.Optional(LIMIT),
      after: Type.Optional(
        Type.Integer({ minimum: 0, description: "the id of the last event that you have" }),
      ),
      before: Type.Optional(Type.Integer({ minimum: 0, description: "the newest that came before this id" })),
    }),
    result: Type.Array(EventView),
  }),
};
export type EventCommands = CommandsOf<typeof EVENT_ROUTES>;
