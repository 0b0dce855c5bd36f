import type { Host, TreeFile } from "./host.ts";

const PIECE = 1 << 20;
const GRAIN = 4096;
/** fdatasyncs under way at once: others need the host's threads, too. */
const AT_ONCE = 2;

/** A copy of a file, on the disk when it ends; holes stay holes. */
export async function copyAside(
  host: Host,
  file: TreeFile,
  path: { from: string; to: string },
): Promise<void> {
  const isShared = await host.clone(path.from, path.to);
  const copy = host.open(path.to, isShared ? "write" : "create");
  try {
    if (!isShared) await copyBytes(file, copy);
    await copy.sync("contents");
  } finally {
    copy.close();
  }
}

async function copyBytes(from: TreeFile, to: TreeFile): Promise<void> {
  const size = from.size();
  const buffer = new Uint8Array(Math.min(PIECE, size));
  for (let at = 0; at < size; at += PIECE) {
    const piece = buffer.subarray(0, Math.min(PIECE, size - at));
    await from.fetch(piece, at);
    for (let grain = 0; grain < piece.length; grain += GRAIN) {
      const block = piece.subarray(grain, grain + GRAIN);
      if (block.some((byte) => byte !== 0)) to.write(block, at + grain);
    }
  }
  if (to.size() < size) to.truncate(size);
}

/** A few at a time; ends with the first error, when those under way have ended. */
export async function syncSome<T>(all: readonly T[], sync: (one: T) => Promise<void>): Promise<void> {
  const rest = [...all];
  const work = async () => {
    for (let one = rest.shift(); one !== undefined; one = rest.shift()) await sync(one);
  };
  const ends = await Promise.allSettled(Array.from({ length: AT_ONCE }, work));
  for (const end of ends) if (end.status === "rejected") throw end.reason;
}
