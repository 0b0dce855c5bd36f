import type { Boot, BootStage, Do } from "../../fleet/boots.ts";
import type { Node } from "../../fleet/node.ts";
import type { Metrics } from "./metrics.ts";

/** Which stage ends each of the times that operators compare (spec observability.md 7.3). */
const UNTIL: Partial<Record<BootStage, string>> = { kernel: "kernel", root: "root", booted: "ready" };

/** Counts boots from what `Boots` orders; nothing here is asked by a packet. */
export function bootCounts(
  metrics: Metrics,
  facts: { node(id: string): Node | undefined; imageOf(node: Node): string | undefined; now(): number },
): (order: Do) => void {
  /** Boots on their way: when each stage was reached, in this order. */
  const open = new Map<string, { stage: BootStage; atMs: number }[]>();

  function reached(boot: Boot, atMs: number): void {
    const stages = open.get(boot.id) ?? [{ stage: boot.stage, atMs: boot.startedMs }];
    open.set(boot.id, stages);
    if (stages.at(-1)?.stage !== boot.stage) stages.push({ stage: boot.stage, atMs });
  }

  function closed(boot: Boot): void {
    reached(boot, boot.endedMs ?? facts.now());
    const stages = open.get(boot.id) ?? [];
    open.delete(boot.id);
    const node = facts.node(boot.nodeId);
    const image = (node && facts.imageOf(node)) ?? "none";
    const result = boot.outcome ?? "failed";
    metrics.boots.inc({ result, image, model: node?.model ?? "unknown" });
    for (const [i, { stage, atMs }] of stages.entries()) {
      metrics.bootStage.inc({ stage });
      const next = stages[i + 1];
      if (next) metrics.bootStageSeconds.observe({ stage }, seconds(next.atMs - atMs));
      const to = UNTIL[stage];
      if (to) metrics.bootSeconds.observe({ to, image }, seconds(atMs - boot.startedMs));
    }
  }

  return (order) => {
    if (order.do === "step") reached(order.boot, order.step.atMs);
    else if (order.do === "close") closed(order.boot);
    else reached(order.boot, order.boot.startedMs);
  };
}

const seconds = (ms: number): number => Math.max(0, ms) / 1000;
