// Until when a state may last: kept with the node, so that a restart of ours forgets none.

import type { LifeEvent } from "../../fleet/lifecycle-table.ts";
import { STATES } from "../../fleet/lifecycle-table.ts";
import type { Node, NodeLife } from "../../fleet/node.ts";
import type { Registry } from "../registry.ts";

export interface DeadlineOptions {
  now(): number;
  registry: Registry;
  bound(nodeId: string): boolean;
  /** One more try. */
  again(node: Node, words: string): Promise<void>;
  /** No try is left, or there is none: this happens. */
  over(node: Node, event: LifeEvent, words: string): Promise<void>;
  failed(error: Error): void;
}

/** Where only a person can switch a board on, we wait this long to hear of it. */
const FOR_A_PERSON_MS = 24 * 3600_000;

export function deadlines({ now, registry, bound, again, over, failed }: DeadlineOptions) {
  const due = new Map<string, number>();
  const under = new Set<string>();

  /** Of a try that begins now. */
  function until(state: NodeLife["state"], nodeId: string): Pick<NodeLife, "deadlineMs"> {
    const { timeoutS, waitsForBoard } = STATES[state];
    if (timeoutS === undefined) return {};
    return { deadlineMs: now() + (waitsForBoard && !bound(nodeId) ? FOR_A_PERSON_MS : timeoutS * 1000) };
  }

  async function pass(nodeId: string): Promise<void> {
    const node = registry.byId(nodeId);
    if (!node) due.delete(nodeId); // it was forgotten
    if (node?.deadlineMs === undefined || node.deadlineMs > now() || node.maintenance !== undefined) return;
    const { kind, onTimeout, timeoutS = 0, retries = 0, waitsForBoard } = STATES[node.state];
    if (!onTimeout) return;
    const last = `after ${timeoutS} s as ${node.state}`;
    if (kind === "busy" && node.attempt <= retries && (!waitsForBoard || bound(nodeId)))
      await again(node, `no end ${last}: try ${node.attempt + 1} of ${retries + 1}`);
    else await over(node, onTimeout, `no end ${last}${node.attempt > 1 ? `, ${node.attempt} tries` : ""}`);
  }

  return {
    until,
    /** What a state has that is entered now. */
    begun: (state: NodeLife["state"], nodeId: string): Pick<NodeLife, "deadlineMs" | "attempt"> => ({
      attempt: STATES[state].kind === "busy" ? 1 : 0,
      ...until(state, nodeId),
    }),
    /** The node has changed. */
    set({ id, deadlineMs }: Node): void {
      if (deadlineMs === undefined) due.delete(id);
      else due.set(id, deadlineMs);
    },
    /** It is here: what waited for a person need not wait any more. Written with the node's next change; after a restart it is heard again. */
    heard(node: Node): void {
      const { timeoutS = 0, retries = 0, waitsForBoard } = STATES[node.state];
      if (!waitsForBoard || node.deadlineMs === undefined || bound(node.id)) return;
      const soon = now() + timeoutS * (retries + 1) * 1000;
      if (node.deadlineMs <= soon) return;
      node.deadlineMs = soon;
      due.set(node.id, soon);
    },
    tick(): void {
      const at = now();
      for (const [nodeId, ms] of due) {
        if (ms > at || under.has(nodeId)) continue;
        under.add(nodeId);
        pass(nodeId)
          .catch((error: Error & { code?: string }) => {
            if (error.code !== "NODE_CHANGED") failed(error); // it went on just in time
          })
          .finally(() => under.delete(nodeId));
      }
    },
  };
}
