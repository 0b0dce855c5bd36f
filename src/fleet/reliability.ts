// How reliably boards boot, out of the boots that have ended: first tries, times, reasons (spec observability.md 7.1).
import { type Boot, type BootStage, type Outcome, STAGES } from "./boots.ts";
import { cameUpMs } from "./diagnosis.ts";

/** One try that has ended. */
export interface Try extends Pick<Boot, "startedMs" | "reached"> {
  outcome: Outcome;
  endedMs: number;
  /** Which try it was; 1: the first. */
  tries: number;
  gaveUp: boolean;
  cause?: string;
}

export interface Quantiles {
  /** Seconds. */
  p50: number;
  p95: number;
}

export interface Reliability {
  /** Ended well or were given up: a board that came up at its third try counts once. */
  boots: number;
  /** Part of them that came up at the first try, 0 to 1. */
  firstTry: number;
  /** Tries that failed. */
  failed: number;
  givenUp: number;
  /** From the first request to a system that is up. */
  seconds?: Quantiles;
  /** From each stage to the next. */
  stages: ({ stage: BootStage } & Quantiles)[];
  causes: { cause: string; times: number }[];
  flaky: boolean;
}

/** More than FLAKY failures in the last LAST tries. */
const FLAKY = 2;
const LAST = 20;

const isGood = ({ outcome }: Try): boolean => outcome === "booted" || outcome === "switched-root";
/** A board that starts anew is often told to; in a loop it is not. */
const isBad = ({ outcome, cause }: Try): boolean =>
  outcome === "failed" || (outcome === "superseded" && cause === "boot-loop");

/** Newest first. */
export function reliability(tries: readonly Try[]): Reliability {
  const good = tries.filter(isGood);
  const bad = tries.filter(isBad);
  const givenUp = tries.filter(({ gaveUp }) => gaveUp).length;
  const boots = good.length + givenUp;
  const first = good.filter((one) => one.tries <= 1).length;
  const causes = new Map<string, number>();
  for (const { cause = "unknown" } of bad) causes.set(cause, (causes.get(cause) ?? 0) + 1);
  const seconds = quantiles(good.map(cameUpMs));
  return {
    boots,
    firstTry: boots === 0 ? 0 : first / boots,
    failed: bad.length,
    givenUp,
    ...(seconds && { seconds }),
    stages: stageTimes(good),
    causes: [...causes].map(([cause, times]) => ({ cause, times })).sort((a, b) => b.times - a.times),
    flaky: tries.slice(0, LAST).filter(isBad).length > FLAKY,
  };
}

function stageTimes(good: readonly Try[]): Reliability["stages"] {
  const times = new Map<BootStage, number[]>();
  for (const { reached, endedMs } of good) {
    const seen = STAGES.flatMap((stage) => {
      const atMs = reached[stage];
      return atMs === undefined || stage === "booted" ? [] : [{ stage, atMs }];
    });
    for (const [i, { stage, atMs }] of seen.entries()) {
      const list = times.get(stage) ?? [];
      list.push((seen[i + 1]?.atMs ?? endedMs) - atMs);
      times.set(stage, list);
    }
  }
  return STAGES.flatMap((stage) => {
    const found = quantiles(times.get(stage) ?? []);
    return found ? [{ stage, ...found }] : [];
  });
}

/** Of times in ms; in seconds. Undefined where there are none. */
function quantiles(ms: readonly number[]): Quantiles | undefined {
  if (ms.length === 0) return undefined;
  const sorted = [...ms].sort((a, b) => a - b);
  const at = (part: number) =>
    (sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))] ?? 0) / 1000;
  return { p50: at(0.5), p95: at(0.95) };
}
