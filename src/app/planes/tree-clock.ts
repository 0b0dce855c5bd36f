import type { Time } from "../../wire/nfs/tree.ts";

/** A clock that never tells the same time twice: a client's cache sees every change by its time alone. */
export function treeClock(nowMs: () => number): () => Time {
  let last: Time = { s: 0, ns: 0 };
  return () => {
    const ms = nowMs();
    const s = Math.floor(ms / 1000);
    const ns = Math.floor((ms - s * 1000) * 1e6);
    if (s > last.s || (s === last.s && ns > last.ns)) last = { s, ns };
    else last = last.ns < 999_999_999 ? { s: last.s, ns: last.ns + 1 } : { s: last.s + 1, ns: 0 };
    return last;
  };
}
