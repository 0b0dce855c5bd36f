// Where a file's blocks lie: extent trees, and the block maps of ext2 and ext3. Decoders of one block, without waiting.
import { BrambleError } from "../../base/errors.ts";
import { u16, u32 } from "../fields.ts";

/** `count` neighbouring blocks from the one asked for. `physical` is 0 for a hole (also: allocated but never written). */
export interface Run {
  physical: number;
  count: number;
}

/** A run, or the block of the tree to look at next. What lies there ends before logical block `end`. */
export type Step = ({ step: "run" } & Run) | { step: "down"; block: number; depth: number; end: number };

const MAGIC = 0xf30a;
/** ext4 itself builds no deeper tree. */
const MAX_DEPTH = 5;
/** Longer extents are allocated but unwritten, by their length less this. */
const UNWRITTEN = 32768;
export const END_OF_FILE = 2 ** 32;

/**
 * Looks for `logical` in one node of an extent tree: i_block (60 bytes) or a whole block.
 * `depth`: what the parent promised, undefined at the root. `end`: the first logical block that is not under this node.
 * FORMAT_VALUE for a damaged node.
 */
export function findExtent(node: Uint8Array, logical: number, end: number, depth: number | undefined): Step {
  const entries = u16(node, 2);
  const own = u16(node, 6);
  if (u16(node, 0) !== MAGIC) throw bad("a node without its magic number");
  if (entries > u16(node, 4) || 12 + entries * 12 > node.length) throw bad(`a node of ${entries} extents`);
  if (depth === undefined ? own > MAX_DEPTH : own !== depth) throw bad(`a tree of depth ${own}`);
  // The last entry that does not start after the block.
  let low = 0;
  let high = entries;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (u32(node, 12 + middle * 12) <= logical) low = middle + 1;
    else high = middle;
  }
  const next = low < entries ? Math.min(u32(node, 12 + low * 12), end) : end;
  if (next <= logical) throw bad("extents out of order");
  if (low === 0) return { step: "run", physical: 0, count: next - logical };
  const at = low * 12;
  if (own > 0) {
    const block = u16(node, at + 8) * 2 ** 32 + u32(node, at + 4);
    return { step: "down", block, depth: own - 1, end: next };
  }
  const first = u32(node, at);
  const raw = u16(node, at + 4);
  const length = raw > UNWRITTEN ? raw - UNWRITTEN : raw;
  const inside = logical - first;
  if (length === 0) throw bad("an extent of no blocks");
  if (inside >= length) return { step: "run", physical: 0, count: next - logical };
  const count = Math.min(length - inside, next - logical);
  const start = u16(node, at + 6) * 2 ** 32 + u32(node, at + 8);
  return { step: "run", physical: raw > UNWRITTEN ? 0 : start + inside, count };
}

const bad = (why: string): BrambleError => new BrambleError("FORMAT_VALUE", `ext4: extents: ${why}`);

/** The slots of i_block, or of an indirect block, that lead to `logical`, first to last; undefined beyond what a map can hold. */
export function mapPath(logical: number, blockSize: number): number[] | undefined {
  const perBlock = blockSize / 4;
  if (logical < 12) return [logical];
  let rest = logical - 12;
  for (let level = 1, span = perBlock; level <= 3; level++, span *= perBlock) {
    if (rest < span) {
      const path = [11 + level];
      for (let unit = span / perBlock; unit >= 1; unit /= perBlock)
        path.push(Math.floor(rest / unit) % perBlock);
      return path;
    }
    rest -= span;
  }
  return undefined;
}

/** Neighbours in a block of pointers, from `slot` on and before `slots`. */
export function pointerRun(pointers: Uint8Array, slot: number, slots: number): Run {
  const physical = u32(pointers, slot * 4);
  let count = 1;
  while (slot + count < slots && u32(pointers, (slot + count) * 4) === (physical ? physical + count : 0))
    count += 1;
  return { physical, count };
}
