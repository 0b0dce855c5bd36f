// Boots: one attempt of one node, step by step.
import Type, { type Static } from "typebox";
import type { BootStage, Fact, Outcome, Step } from "../fleet/boots.ts";
import { type CommandsOf, route } from "./route.ts";
import { args, LIMIT, MS, NAME, NODE, oneOf, view } from "./schema.ts";

const BOOT = {
  id: Type.String(),
  node: Type.String(),
  startedMs: MS,
  endedMs: Type.Optional(MS),
  stage: Type.Unsafe<BootStage>(Type.String()),
  outcome: Type.Optional(Type.Unsafe<Outcome>(Type.String({ description: "absent: it is on its way" }))),
  verdict: Type.Optional(Type.String()),
  cause: Type.Optional(
    Type.String({ description: "code of the diagnosis, where it did not come up: docs/supervision.md" }),
  ),
  todo: Type.Optional(Type.String({ description: "what to do about it" })),
  tries: Type.Optional(Type.Integer({ description: "which try since the node was last up, from 1" })),
  address: Type.Optional(
    Type.String({ description: "the node's address in this boot, as far as it was heard" }),
  ),
  root: Type.Optional(Type.String()),
  image: Type.Optional(Type.String()),
  templates: Type.Optional(
    Type.Object(
      { profile: Type.String(), version: Type.Integer() },
      { description: "the version of its profile's templates that it was given" },
    ),
  ),
};
export const BootView = view("BootView", BOOT);
export type BootView = Static<typeof BootView>;

const StepView = view("Step", {
  atMs: MS,
  kind: Type.Unsafe<Step["kind"]>(Type.String()),
  words: Type.String(),
  path: Type.Optional(Type.String()),
  result: Type.Optional(oneOf("sent", "probed", "missing", "broken")),
  bytes: Type.Optional(Type.Integer()),
  tookMs: Type.Optional(Type.Number()),
  origin: Type.Optional(Type.String()),
  fact: Type.Optional(Type.Unsafe<Fact>(Type.String({ description: "what it proves" }))),
});
export const BootDetail = view("BootDetail", { ...BOOT, steps: Type.Array(StepView) });
export type BootDetail = Static<typeof BootDetail>;

export const BOOT_ROUTES = {
  boots: route({
    method: "GET",
    path: "/boots",
    summary: "Boots, newest first",
    role: "viewer",
    tenant: "filtered",
    cursor: "id",
    args: args({
      node: Type.Optional(NODE),
      limit: Type.Optional(LIMIT),
      after: Type.Optional(Type.String({ maxLength: 64, description: "go on after the boot of this id" })),
    }),
    result: Type.Array(BootView),
  }),
  boot: route({
    method: "GET",
    path: "/boots/:boot",
    summary: "One boot with its steps",
    role: "viewer",
    tenant: "filtered",
    args: args({ boot: NAME }),
    result: BootDetail,
  }),
};
export type BootCommands = CommandsOf<typeof BOOT_ROUTES>;
