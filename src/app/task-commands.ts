import { ROUTES } from "../api/contract.ts";
import type { Context } from "../api/route.ts";
import type { ActionsView, TaskCommands, TaskView } from "../api/task-contract.ts";
import { BrambleError } from "../base/errors.ts";
import type { Actor } from "../fleet/actor.ts";
import { actionNamed } from "./access/bulk.ts";
import type { Perform } from "./access/gate.ts";
import { chosen } from "./chosen.ts";
import type { Core } from "./core.ts";

const AT_ONCE = 16;
const WAIT_MS = 20_000;
const LAST_VERSION = 1_000_000;

/** Tasks, and one verb for many nodes. `perform` looks at each node's call as if it had come alone. */
export function taskCommands(
  { tasks, registry }: Pick<Core, "tasks" | "registry">,
  perform: Perform,
): TaskCommands {
  const mayLook = (by: Actor, task: TaskView) =>
    by.kind === "admin" || by.kind === "operator" || task.by === by.name;
  async function own(id: string, by: Actor): Promise<TaskView> {
    const found = await tasks.find(id);
    if (mayLook(by, found)) return found;
    throw new BrambleError("TASK_UNKNOWN", `there is no task ${id}`);
  }

  return {
    async nodesAction({ select, nodes: named, action, args = {} }, context) {
      const verb = actionNamed(action);
      const meant = { ...(select !== undefined && { select }), ...(named && { nodes: named }) };
      const nodes = chosen(registry, meant, context.by).map(({ name, id }) => ({ name, id }));
      const { checkArgs } = await import("../api/check.ts"); // its compiler is no other command's to load
      for (const { id } of nodes.slice(0, 1)) checkArgs(ROUTES[verb], { ...args, node: id });
      return onEach(nodes, context, (node) =>
        perform(verb, { ...args, node }, { ...context, progress() {} }),
      );
    },
    tasks: async ({ limit = 50 }, { by }) => (await tasks.list(limit)).filter((task) => mayLook(by, task)),
    async task({ task, seen }, { by }) {
      await own(task, by);
      return tasks.find(task, seen ?? LAST_VERSION, seen === undefined ? 0 : WAIT_MS);
    },
    async cancelTask({ task }, { by }) {
      await own(task, by);
      return tasks.cancel(task);
    },
  };
}

/** A few at a time; one that fails does not stop the others. */
async function onEach(
  nodes: { id: string; name: string }[],
  { progress, signal, by: _ }: Context,
  act: (node: string) => Promise<unknown>,
): Promise<ActionsView> {
  const results: ActionsView["nodes"] = [];
  const rest = [...nodes];
  async function worker(): Promise<void> {
    for (let node = rest.shift(); node; node = rest.shift()) {
      if (signal.aborted) throw new BrambleError("CANCELLED", `it was stopped after ${results.length} nodes`);
      const { name } = node;
      await act(node.id).then(
        () => results.push({ node: name, ok: true }),
        (thrown: Partial<BrambleError>) =>
          results.push({
            node: name,
            ok: false,
            error: {
              code: thrown.code ?? "INTERNAL",
              title: thrown.message ?? String(thrown),
              ...(thrown.hint !== undefined && { hint: thrown.hint }),
            },
          }),
      );
      progress({ phase: "nodes", bytes: results.length, total: nodes.length });
    }
  }
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, rest.length) }, worker));
  const done = results.filter(({ ok }) => ok).length;
  return { done, failed: results.length - done, nodes: results };
}
