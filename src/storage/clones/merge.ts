import { BrambleError } from "../../base/errors.ts";
import { DATA, HOLE } from "./mapping.ts";
import type { QcowLayer } from "./open-layers.ts";
import type { Writing } from "./writing.ts";

/** Read and written in one go, without letting anybody in between. */
const PIECE = 256 * 1024;
/** After so much, or so many looks, others have their turn. */
const STEP_BYTES = 1 << 20;
const STEP_LOOKS = 512;
const CLUSTERS = 64;

/** Where a merge writes to. */
export interface Sink {
  /** False: not now; wait() and look again. */
  fill(act: (writing: Writing) => void): boolean;
  wait(): Promise<void>;
}

export interface MergeOptions {
  signal: AbortSignal;
  /** Bytes of the disk that were looked at, and how many there are. */
  onStep?: (done: number, total: number) => void;
}

/**
 * Copies what `from` holds, data and zeros, to where `into`, which stands on it, says nothing: then `into` reads the same
 * without it. In steps, while both are read and `into` is written to. CANCELLED: what was copied may stay.
 */
export const pull = (into: QcowLayer, from: QcowLayer, sink: Sink, options: MergeOptions): Promise<void> =>
  copy(from, sink, options, (at, length) => {
    const n = into.mapping.run(at, at + length);
    return { length: n, needed: into.mapping.kind === HOLE };
  });

/**
 * Copies what `from` holds into the layer below it: then that one reads as `from` does. At any moment in between `from` reads
 * as ever, for it hides what changes below; the layer below is nobody else's.
 */
export const push = (from: QcowLayer, sink: Sink, options: MergeOptions): Promise<void> =>
  copy(from, sink, options, (_at, length) => ({ length, needed: true }));

async function copy(
  from: QcowLayer,
  sink: Sink,
  { signal, onStep }: MergeOptions,
  look: (at: number, length: number) => { length: number; needed: boolean },
): Promise<void> {
  const scratch = new Uint8Array(PIECE);
  let warmedAt = -1;
  for (let at = 0, bytes = 0, looks = 0; at < from.size; ) {
    if (signal.aborted) throw new BrambleError("CANCELLED", "the merge was stopped");
    if (bytes >= STEP_BYTES || looks >= STEP_LOOKS) {
      onStep?.(at, from.size);
      await new Promise((resolve) => setImmediate(resolve));
      [bytes, looks] = [0, 0];
      continue; // others may have written meanwhile
    }
    looks += 1;
    const here = at;
    const run = from.mapping.run(here, from.size);
    const { kind } = from.mapping;
    if (kind === HOLE) {
      at += run;
      continue;
    }
    const { length, needed } = look(here, run);
    if (!needed) {
      at += length;
      continue;
    }
    if (kind === DATA) {
      const piece = Math.min(length, PIECE);
      if (warmedAt !== here && !from.isWarm(here, piece)) {
        await from.warm(here, piece);
        warmedAt = here;
        continue;
      }
      const part = scratch.subarray(0, piece);
      from.readNow(part, here);
      if (sink.fill((writing) => writing.write(part, here))) at += piece;
      else await sink.wait();
      bytes += piece;
    } else {
      const end = here + length;
      const how = { keep: false, trim: false, most: CLUSTERS };
      const filled = sink.fill((writing) => {
        at = writing.zero(here, end, how);
      });
      if (!filled) await sink.wait();
      bytes += 4096;
    }
  }
  onStep?.(from.size, from.size);
}
