// Bramble itself, and settings that hold for all.
import Type, { type Static } from "typebox";
import { type CommandsOf, route } from "./route.ts";
import { args, MS, NO_ARGS, view } from "./schema.ts";

const StatusView = view("StatusView", {
  version: Type.String(),
  pid: Type.Integer(),
  data: Type.String(),
  startedMs: MS,
  listening: Type.Array(Type.String(), { description: "empty where no server runs" }),
  bootsInFlight: Type.Integer(),
  planes: Type.Array(
    Type.Object({
      name: Type.String(),
      restarts: Type.Integer(),
      lastMs: Type.Optional(MS),
      lastWhy: Type.Optional(Type.String()),
    }),
    {
      description: "threads of disks and boot files: how often each was started anew, and why the last time",
    },
  ),
  enrol: Type.String(),
  capabilities: Type.Array(Type.String()),
  rssBytes: Type.Integer(),
});
export type StatusView = Static<typeof StatusView>;

const Rule = { rule: Type.String({ maxLength: 4096 }) };

export const SYSTEM_ROUTES = {
  status: route({
    method: "GET",
    path: "/status",
    summary: "Is it running, where does it listen, how much memory",
    role: "viewer",
    tenant: "shared",
    args: NO_ARGS,
    result: StatusView,
  }),
  setEnrol: route({
    method: "PUT",
    path: "/enrol",
    summary: "Who may boot unasked: auto, ask or patterns",
    role: "operator",
    args: args(Rule),
    result: view("EnrolRule", Rule),
  }),
};
export type SystemCommands = CommandsOf<typeof SYSTEM_ROUTES>;
