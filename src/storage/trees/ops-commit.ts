// Unstable writes: in the data file at once, in the log when the data is on the disk (COMMIT, RFC 1813 3.3.21).
import { STATUS } from "../../wire/nfs/status.ts";
import { type Change, FILE_KIND, type Ino, type Soon } from "../../wire/nfs/tree.ts";
import type { Inode } from "./changes.ts";
import { whenWarm } from "./cold.ts";
import type { Ground } from "./ops-ground.ts";
import type { Flight, Pending } from "./upper.ts";
import { Blocks } from "./upper-blocks.ts";

/** Notes that blocks are being written and are not in the log: before they are mapped. */
export function pend({ upper }: Ground, inode: Inode, from: number, to: number): void {
  const { ino } = inode;
  let pending = upper.pending.get(ino);
  if (!pending) {
    pending = { size: inode.size, blocks: new Blocks(), dirty: true, flights: [] };
    upper.pending.set(ino, pending);
  }
  pending.dirty = true;
  const map = upper.maps.get(ino);
  if (!map) {
    pending.blocks.add(from, to);
    return;
  }
  for (let at = from; at < to; ) {
    const stop = Math.min(to, map.turn(at));
    if (!map.has(at)) pending.blocks.add(at, stop);
    at = stop;
  }
}

export function commit(ground: Ground, ino: Ino): Soon<Change> {
  const inode = ground.inode(ino);
  if (!inode) return STATUS.STALE;
  if (inode.kind !== FILE_KIND.file) return STATUS.INVAL;
  if (!ground.upper.pending.has(ino)) {
    const answer = { before: inode, after: inode };
    return ground.keep.data.lasting(ino)?.then(() => answer) ?? answer;
  }
  return flush(ground, ino).then(() => {
    const after = ground.inode(ino);
    return after ? { before: inode, after } : STATUS.STALE;
  });
}

/** All that is pending of a file, or of all files, is in the log when it ends: to be settled then. */
export async function flush(ground: Ground, ino?: Ino): Promise<void> {
  const inos = ino === undefined ? [...ground.upper.pending.keys()] : [ino];
  await Promise.all(inos.map((one) => flushOne(ground, one)));
}

function flushOne(ground: Ground, ino: Ino): Promise<void> | undefined {
  const pending = ground.upper.pending.get(ino);
  const inode = ground.inode(ino);
  if (!pending || !inode) return undefined;
  const last = pending.flights.at(-1);
  if (!pending.dirty && last) return last.ended;
  const flight: Flight = {
    size: inode.size,
    blocks: new Blocks(pending.blocks),
    ended: Promise.resolve(),
  };
  pending.dirty = false;
  pending.flights.push(flight);
  flight.ended = fly(ground, ino, pending, flight);
  return flight.ended;
}

async function fly(ground: Ground, ino: Ino, pending: Pending, flight: Flight): Promise<void> {
  const { upper, keep } = ground;
  const land = () => {
    const at = pending.flights.indexOf(flight);
    if (at >= 0) pending.flights.splice(at, 1);
  };
  try {
    await keep.data.sync(ino);
    await whenWarm(() => {
      keep.ready();
      const inode = upper.inodes.get(ino);
      // Removed meanwhile: nothing of it is to be kept.
      if (!inode) return;
      land();
      pending.blocks.removeAll(flight.blocks);
      pending.size = Math.max(pending.size, flight.size);
      if (!pending.dirty && pending.flights.length === 0) upper.pending.delete(ino);
      keep.log({ kind: "inode", inode: upper.logged(inode) });
      for (const [from, to] of flight.blocks.runs()) keep.log({ kind: "mapped", ino, from, to });
    });
  } catch (error) {
    land();
    pending.dirty = true;
    throw error;
  }
}
