import { BLOCK, type Inode } from "./changes.ts";
import { Cold } from "./cold.ts";
import type { Ground } from "./ops-ground.ts";

/** Blocks that were read for operations that wait for them, until those come again for them. */
const fetched = new WeakMap<Ground, Map<string, Uint8Array>>();
/** Nobody may have come for the oldest of so many. */
const MAX_FETCHED = 64;

/** The image's bytes of a block, zeros from the limit on; the caller's own. Throws Cold. */
export function copyBlock(ground: Ground, inode: Inode, offset: number): Uint8Array {
  const length = Math.min(BLOCK, inode.limit - offset);
  const block = new Uint8Array(BLOCK);
  if (length <= 0) return block;
  const key = `${inode.ino}:${offset}`;
  const ready = fetched.get(ground)?.get(key);
  if (ready) {
    fetched.get(ground)?.delete(key);
    // Since it was read the limit may have shrunk.
    block.set(ready.subarray(0, length));
    return block;
  }
  const job = ground.lower.read(inode.ino, block.subarray(0, length), offset);
  if (!job) return block;
  throw new Cold(
    job.then(() => {
      const blocks = fetched.get(ground) ?? new Map<string, Uint8Array>();
      fetched.set(ground, blocks);
      blocks.set(key, block);
      const [oldest] = blocks.keys();
      if (blocks.size > MAX_FETCHED && oldest !== undefined) blocks.delete(oldest);
    }),
  );
}
