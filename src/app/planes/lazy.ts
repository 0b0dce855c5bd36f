import type { Calls, Plane, PlaneState } from "./spawn.ts";

/** A plane whose thread starts with the first thing that is asked of it: many a server never has use for one. */
export function lazyPlane<C extends Calls<C>>(name: PlaneState["name"], start: () => Plane<C>): Plane<C> {
  let plane: Plane<C> | undefined;
  const begun = (): Plane<C> => {
    plane ??= start();
    return plane;
  };
  return {
    call: (what, args, progress) => begun().call(what, args, progress),
    state: () => plane?.state() ?? { name, restarts: 0 },
    end: async () => plane?.end(),
  };
}
