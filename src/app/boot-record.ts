import type { Boot, Do } from "../fleet/boots.ts";
import type { Node } from "../fleet/node.ts";
import type { Journal } from "./journal.ts";
import type { Registry } from "./registry.ts";

export interface RecordOptions {
  journal: Journal;
  registry: Registry;
  now(): number;
  say(words: string): void;
  /** A boot has come to its end. */
  closed(boot: Boot): void;
}

/** Puts what `Boots` orders into the book: boots, their steps, how they ended. */
export function bootRecord({ journal, registry, now, say, closed }: RecordOptions) {
  function open(boot: Boot): void {
    const node = registry.byId(boot.nodeId);
    journal.boot({
      id: boot.id,
      nodeId: boot.nodeId,
      startedMs: boot.startedMs,
      endedMs: null,
      stage: boot.stage,
      outcome: null,
      verdict: null,
      root: null,
      image: null,
      address: null,
      tokenHash: null,
      server: null,
      tries: boot.tries ?? null,
      reached: JSON.stringify(boot.reached),
      model: node?.model ?? null,
      switch: boot.switch ?? null,
    });
  }

  function step(
    boot: Boot,
    { atMs, kind, words, fact, path, result, bytes, tookMs, origin }: Boot["steps"][number],
  ) {
    journal.step({
      bootId: boot.id,
      seq: boot.steps.length,
      atMs,
      kind,
      words,
      path: path ?? null,
      result: result ?? null,
      bytes: bytes ?? null,
      tookMs: tookMs ?? null,
      origin: origin ?? null,
      fact: fact ?? null,
    });
    journal.bootUpdate(boot.id, { stage: boot.stage, reached: JSON.stringify(boot.reached) });
  }

  function close(boot: Boot): void {
    const { endedMs = now(), outcome = "failed", verdict: words = "" } = boot;
    journal.bootUpdate(boot.id, {
      endedMs,
      outcome,
      verdict: words,
      stage: boot.stage,
      cause: boot.cause ?? null,
      todo: boot.todo ?? null,
      silences: JSON.stringify(boot.silences),
    });
    closed(boot);
    const node: Node | undefined = registry.byId(boot.nodeId);
    journal.event("boot", node?.id, `boot ${outcome}: ${words}`);
    say(`${node?.name ?? boot.nodeId}: ${outcome}. ${words}`);
  }

  function reopen(boot: Boot): void {
    const none = { endedMs: null, outcome: null, verdict: null, cause: null, todo: null };
    journal.bootUpdate(boot.id, none);
  }

  return (order: Do): void => {
    if (order.do === "open") open(order.boot);
    else if (order.do === "step") step(order.boot, order.step);
    else if (order.do === "close") close(order.boot);
    else reopen(order.boot);
  };
}
