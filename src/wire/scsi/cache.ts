// PRE-FETCH and SYNCHRONIZE CACHE (SBC-3 5.7, 5.8, 5.26, 5.27).

import { outOfRange } from "./blocks.ts";
import { blocks, lba } from "./cdb.ts";
import { type DiskOrder, GOOD, type Outcome, type State, type Task } from "./state.ts";

/** The host's page cache fetches by itself: nothing is held ready, which GOOD says (CONDITION MET would promise it). */
export const preFetch = (state: State, { cdb }: Task): Outcome =>
  outOfRange(state, lba(cdb), blocks(cdb)) ?? GOOD;

/** All of the cache, whatever range is meant. IMMED would allow an earlier answer: nobody gains by it. */
export const synchronize = (state: State, { cdb }: Task): Outcome | DiskOrder =>
  outOfRange(state, lba(cdb), blocks(cdb)) ?? { do: "flush", handle: 0 };
