// Tasks: what takes long, and one verb for many nodes.
import Type, { type Static } from "typebox";
import { type CommandsOf, route } from "./route.ts";
import { args, CHOSEN, LIMIT, MS, NAME, oneOf, view } from "./schema.ts";

const Problem = view("TaskError", {
  code: Type.String(),
  title: Type.String(),
  hint: Type.Optional(Type.String()),
});

export const TaskView = view("TaskView", {
  id: Type.String(),
  verb: Type.String(),
  target: Type.Optional(Type.String()),
  by: Type.String(),
  state: oneOf("running", "done", "failed", "cancelled", "interrupted"),
  progress: Type.Optional(
    Type.Object({
      phase: Type.String(),
      bytes: Type.Number({ description: "how far; nodes where many are acted on" }),
      total: Type.Optional(Type.Number()),
    }),
  ),
  /** Counts what was told of it; `seen` of task waits for more. */
  version: Type.Integer(),
  result: Type.Optional(Type.Unknown({ description: "what the verb answers" })),
  error: Type.Optional(Problem),
  startedMs: MS,
  endedMs: Type.Optional(MS),
});
export type TaskView = Static<typeof TaskView>;

const ActionsView = view("ActionsView", {
  done: Type.Integer(),
  failed: Type.Integer(),
  nodes: Type.Array(Type.Object({ node: Type.String(), ok: Type.Boolean(), error: Type.Optional(Problem) })),
});
export type ActionsView = Static<typeof ActionsView>;

export const TASK_ROUTES = {
  nodesAction: route({
    method: "POST",
    path: "/nodes/actions",
    summary:
      "One verb for many nodes: any that changes something and takes a node, by its name in this document",
    role: "tenant",
    tenant: "shared",
    long: true,
    args: args({
      ...CHOSEN,
      action: NAME,
      args: Type.Optional(
        Type.Record(Type.String(), Type.Unknown(), { description: "its arguments beside the node" }),
      ),
    }),
    result: ActionsView,
  }),
  tasks: route({
    method: "GET",
    path: "/tasks",
    summary: "Tasks, newest first; one's own unless an admin or operator asks",
    role: "viewer",
    tenant: "shared",
    args: args({ limit: Type.Optional(LIMIT) }),
    result: Type.Array(TaskView),
  }),
  task: route({
    method: "GET",
    path: "/tasks/:task",
    summary: "One task; with `seen` the answer waits up to 20 s for something newer than that version",
    role: "viewer",
    tenant: "shared",
    args: args({ task: NAME, seen: Type.Optional(Type.Integer()) }),
    result: TaskView,
  }),
  cancelTask: route({
    method: "DELETE",
    path: "/tasks/:task",
    summary: "Stop a task that runs",
    role: "viewer",
    tenant: "shared",
    args: args({ task: NAME }),
    result: TaskView,
  }),
};
export type TaskCommands = CommandsOf<typeof TASK_ROUTES>;
