// What is done about boots that fail: power cycles with back-off, so many and no more, then `failed`. Facts in, orders out.
import type { Outcome } from "./boots.ts";
import { LOOP } from "./diagnosis-system.ts";

/**
 * `booting`: a try is under way. `resting`: one has failed, a power cycle is due. `cycling`: its power is being cut. `waiting`: nothing of
 * ours can cut its power. `failed`: it is given up, until it comes up or a person says "again".
 */
export type Phase = "booting" | "resting" | "cycling" | "waiting" | "failed";

/** A node that is not up yet: from its first try to the one that succeeds. Nodes that are up have none. */
export interface Watch {
  nodeId: string;
  phase: Phase;
  sinceMs: number;
  /** Boots that have begun, the one under way included. */
  tries: number;
  /** Power cycles of ours. */
  cycles: number;
  /** Boots in a row that the board broke off by starting anew. */
  restarts: number;
  /** Given up: no more power cycles, also when the board goes on trying by itself. */
  gaveUp: boolean;
  /** When its power is to be cut. */
  dueMs?: number;
  /** Of the last try that failed. */
  cause?: string;
  words?: string;
}

export interface SupervisionRules {
  /** Power cycles that a node gets. */
  powerCycles: number;
  /** Before the first, second … power cycle; the last one counts for all after it. */
  backOffMs: readonly number[];
}

export type WatchFact =
  | { fact: "began" }
  | { fact: "ended"; outcome: Outcome; words: string; cause?: string }
  /** A boot that was given up has reported. */
  | { fact: "revived" }
  /** The power is on again; its boot begins. */
  | { fact: "cycled" }
  | { fact: "cycle-failed" }
  /** It is to be off: nobody expects it. */
  | { fact: "off" }
  /** A person wants it tried anew. */
  | { fact: "again" };

/** What a fact makes of a node's watch; undefined: there is nothing to watch any more. */
export function hear(
  watch: Watch | undefined,
  nodeId: string,
  fact: WatchFact,
  rules: SupervisionRules,
  now: number,
): Watch | undefined {
  const fresh: Watch = {
    nodeId,
    phase: "booting",
    sinceMs: now,
    tries: 0,
    cycles: 0,
    restarts: 0,
    gaveUp: false,
  };
  switch (fact.fact) {
    case "began": {
      const before = watch ?? fresh;
      const tries = before.tries + 1;
      // it tries by itself while its power is about to be cut: the power cycle goes on
      return before.phase === "cycling"
        ? { ...before, tries }
        : { ...before, phase: "booting", sinceMs: now, tries };
    }
    case "ended":
      return ended(watch ?? { ...fresh, tries: 1 }, fact, rules, now);
    case "revived":
      return { ...without(watch ?? fresh), phase: "booting", sinceMs: now };
    case "cycled":
      return watch && { ...without(watch), phase: "booting", sinceMs: now };
    case "cycle-failed":
      return (
        watch && {
          ...watch,
          phase: "resting",
          sinceMs: now,
          cycles: Math.max(0, watch.cycles - 1),
          dueMs: now + restMs(watch.cycles, rules),
        }
      );
    case "off":
      return undefined;
    case "again":
      return { ...fresh, phase: "resting", dueMs: now };
  }
}

function ended(
  watch: Watch,
  { outcome, words, cause }: Extract<WatchFact, { fact: "ended" }>,
  rules: SupervisionRules,
  now: number,
): Watch | undefined {
  if (outcome === "booted" || outcome === "switched-root" || outcome === "stopped") return undefined;
  const restarts = outcome === "superseded" ? watch.restarts + 1 : 0;
  const next: Watch = { ...watch, restarts, words, ...(cause && { cause }) };
  // a board that starts anew is trying by itself: it may, a few times
  if (outcome === "superseded" && restarts < LOOP) return next;
  if (watch.phase === "cycling") return { ...next, restarts: 0 };
  if (watch.gaveUp || watch.cycles >= rules.powerCycles)
    return { ...without(next), phase: "failed", gaveUp: true, sinceMs: now };
  const dueMs = watch.dueMs ?? now + restMs(watch.cycles, rules);
  return outcome === "superseded" ? { ...next, dueMs } : { ...next, dueMs, phase: "resting", sinceMs: now };
}

const restMs = (cycles: number, { backOffMs }: SupervisionRules): number =>
  backOffMs[Math.min(cycles, backOffMs.length - 1)] ?? 0;

function without({ dueMs: _, ...watch }: Watch): Watch {
  return { ...watch, restarts: 0 };
}

export type SupervisionOrder = { order: "cycle"; watch: Watch } | { order: "wait"; watch: Watch };

export interface Surroundings {
  /** Something of ours can switch this node's power. */
  canCycle(nodeId: string): boolean;
  /** A person has taken it out of supervision. */
  paused(nodeId: string): boolean;
  /** Places among those that may boot at once; Infinity where there is no limit. */
  free: number;
}

/** What is due now, longest due first. A boot that is under way is not cut off, unless its board starts anew and anew. */
export function supervise(watches: Iterable<Watch>, now: number, around: Surroundings): SupervisionOrder[] {
  const due = [...watches]
    .filter(
      ({ nodeId, dueMs, phase, restarts }) =>
        dueMs !== undefined &&
        dueMs <= now &&
        (phase !== "booting" || restarts >= LOOP) &&
        phase !== "cycling" &&
        !around.paused(nodeId),
    )
    .sort((a, b) => (a.dueMs ?? 0) - (b.dueMs ?? 0));
  const orders: SupervisionOrder[] = [];
  let { free } = around;
  for (const watch of due) {
    if (!around.canCycle(watch.nodeId)) {
      if (watch.phase === "resting")
        orders.push({ order: "wait", watch: { ...watch, phase: "waiting", sinceMs: now } });
      continue;
    }
    if (free < 1) continue;
    free -= 1;
    orders.push({
      order: "cycle",
      watch: { ...watch, phase: "cycling", sinceMs: now, cycles: watch.cycles + 1 },
    });
  }
  return orders;
}
