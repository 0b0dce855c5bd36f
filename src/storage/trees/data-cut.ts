import type { TreeFile } from "./host.ts";
import { Ranges } from "./ranges.ts";

/** How much of a file is looked at in one go, so that nobody else waits. */
const PIECE = 4 << 20;

/**
 * A file that was truncated, whose bytes may not go yet: the truncation is not on the disk, and after a power cut the tree as it was would miss them.
 * Until then they read as zeros, but for what was written since.
 */
export class Cut {
  at: number;
  /** Written since, behind `at`. */
  readonly fresh: Ranges;
  /** The journal's batches with the first and the last truncation in it. */
  readonly first: number;
  sequence: number;

  constructor(at: number, sequence: number, fresh = new Ranges()) {
    this.at = at;
    this.first = sequence;
    this.sequence = sequence;
    this.fresh = fresh;
  }

  again(at: number, sequence: number): void {
    this.at = Math.min(this.at, at);
    this.fresh.remove(at, Number.MAX_SAFE_INTEGER);
    this.sequence = sequence;
  }

  wrote(from: number, to: number): void {
    this.fresh.add(Math.max(from, this.at), to);
  }

  /** `bytes` were read at `offset`: what is gone becomes zeros. */
  blank(bytes: Uint8Array, offset: number): void {
    const end = offset + bytes.length;
    for (const gap of this.fresh.gaps(Math.max(this.at, offset), end))
      if (gap.from < gap.to) bytes.fill(0, gap.from - offset, gap.to - offset);
  }

  /** Takes the bytes off the file, a piece of them; true: all are gone. What it has done it knows: the next call goes on. */
  perform(file: TreeFile): boolean {
    const size = file.size();
    const end = Math.min(Math.max(this.fresh.end, this.at), size);
    let budget = PIECE;
    for (const gap of this.fresh.gaps(this.at, end)) {
      const to = Math.min(gap.to, gap.from + budget);
      zero(file, gap.from, to);
      this.fresh.add(gap.from, to);
      budget -= to - gap.from;
      if (budget <= 0) return false;
    }
    if (size > end) file.truncate(end);
    return true;
  }

  copy(): Cut {
    return new Cut(this.at, this.sequence, this.fresh.copy());
  }
}

const SMALL = 64 * 1024;
const ZEROS = new Uint8Array(SMALL);
const scratch = new Uint8Array(SMALL);

/** Holes stay holes. */
function zero(file: TreeFile, from: number, to: number): void {
  for (let at = from; at < to; at += SMALL) {
    const piece = scratch.subarray(0, Math.min(SMALL, to - at));
    file.read(piece, at);
    if (piece.some((byte) => byte !== 0)) file.write(ZEROS.subarray(0, piece.length), at);
  }
}
