import type { Handlers } from "./rpc.ts";

/**
 * Ways for a plane to die, for tests. They exist only where BRAMBLE_TEST_PLANE_FAULTS is set in the environment of the
 * process, and are reached by a message of this process's own control side: no command, route or packet leads to them.
 * `start` has each thread die as soon as it has started.
 */
export function faults(): Handlers {
  const wish = process.env["BRAMBLE_TEST_PLANE_FAULTS"];
  if (!wish) return {};
  const throwLater = () => {
    setImmediate(throwFault);
  };
  if (wish === "start") throwLater();
  return {
    fault({ how }: { how: "throw" | "heap" }) {
      if (how === "throw") return throwLater();
      const hoard: unknown[] = [];
      for (;;) hoard.push(new Array(1000).fill(hoard.length));
    },
    /** Never answers: a call that is open when the thread dies. */
    hang: () => new Promise<never>(() => {}),
  };
}

function throwFault(): never {
  throw new Error("a fault that a test asked for");
}
