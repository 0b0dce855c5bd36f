import { type ResourceLimits, workerData } from "node:worker_threads";
import type { Handlers } from "./rpc.ts";

/**
 * Ways for a plane to die, for tests. They exist only where BRAMBLE_TEST_PLANE_FAULTS is set in the environment of the
 * process, and are reached by a message of this process's own control side: no command, route or packet leads to them.
 * `loop` has each thread that takes another's place die at once.
 */
export function faults(): Handlers {
  const wish = process.env["BRAMBLE_TEST_PLANE_FAULTS"];
  if (!wish) return {};
  const throwLater = () => {
    setImmediate(throwFault);
  };
  if (wish === "loop" && (workerData as { ended: number[] }).ended.length > 0) throwLater();
  return {
    fault({ how }: { how: "throw" | "heap" }) {
      if (how === "throw") return throwLater();
      const hoard: unknown[] = [];
      for (;;) hoard.push({ number: hoard.length });
    },
    /** Never answers: a call that is open when the thread dies. */
    hang: () => new Promise<never>(() => {}),
  };
}

/** A small heap, so that its end comes soon: where tests ask for it only. */
export const faultLimits = (): ResourceLimits =>
  process.env["BRAMBLE_TEST_PLANE_FAULTS"] ? { maxOldGenerationSizeMb: 96 } : {};

function throwFault(): never {
  throw new Error("a fault that a test asked for");
}
