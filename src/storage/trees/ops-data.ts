// READ and WRITE, and what becomes of the data when a file's size changes (RFC 1813 3.3.6, 3.3.7).
import { STATUS, type StatusCode } from "../../wire/nfs/status.ts";
import {
  type Answer,
  type Change,
  type Credentials,
  FILE_KIND,
  type Ino,
  type Soon,
  STABLE,
  type Stable,
} from "../../wire/nfs/tree.ts";
import { BLOCK, copyOf, type Inode } from "./changes.ts";
import { flush, pend } from "./ops-commit.ts";
import { copyBlock } from "./ops-copy.ts";
import type { Ground } from "./ops-ground.ts";
import * as posix from "./posix.ts";

/** As ext4 with 4 KiB blocks: 16 TiB. */
export const MAX_SIZE = 2 ** 44;
/** Stable writes of up to this many bytes go into the journal with their data: one sync for both. */
const IN_JOURNAL = 131072;

interface Read {
  count: number;
  eof: boolean;
  attributes: Inode;
}

export function read(
  ground: Ground,
  who: Credentials,
  ino: Ino,
  offset: number,
  into: Uint8Array,
): Soon<Read> {
  const inode = ground.inode(ino);
  if (!inode) return STATUS.STALE;
  if (inode.kind !== FILE_KIND.file) return notFile(inode);
  if (!posix.mayReadData(who, inode)) return STATUS.ACCES;
  const count = Math.max(0, Math.min(into.length, inode.size - offset));
  const answer = { count, eof: offset + count >= inode.size, attributes: inode };
  if (count === 0) return answer;
  const job = readData(ground, inode, count === into.length ? into : into.subarray(0, count), offset);
  return job ? job.then(() => answer) : answer;
}

const notFile = (inode: Inode): StatusCode =>
  inode.kind === FILE_KIND.directory ? STATUS.ISDIR : STATUS.INVAL;

/** Bytes before the end: own blocks, else the image's up to its limit, else zeros. */
export function readData(
  ground: Ground,
  inode: Inode,
  into: Uint8Array,
  offset: number,
): void | Promise<void> {
  const { ino, limit } = inode;
  const map = ground.upper.maps.get(ino);
  const end = offset + into.length;
  if (!map && end <= limit) return ground.lower.read(ino, into, offset);
  let jobs: Promise<void>[] | undefined;
  for (let at = offset; at < end; ) {
    const block = Math.floor(at / BLOCK);
    const own = map?.has(block) ?? false;
    let stop = Math.min(end, map ? map.turn(block) * BLOCK : end);
    if (!own && at < limit) stop = Math.min(stop, limit);
    const part = at === offset && stop === end ? into : into.subarray(at - offset, stop - offset);
    const job = own
      ? ground.keep.data.read(ino, part, at)
      : at < limit
        ? ground.lower.read(ino, part, at)
        : zeros(part);
    if (job) {
      jobs ??= [];
      jobs.push(job);
    }
    at = stop;
  }
  return jobs ? Promise.all(jobs).then(() => {}) : undefined;
}

function zeros(part: Uint8Array): undefined {
  part.fill(0);
}

interface Written {
  count: number;
  committed: Stable;
  change: Change;
}

export function write(
  ground: Ground,
  who: Credentials,
  ino: Ino,
  offset: number,
  data: Uint8Array,
  stable: Stable,
): Soon<Written> {
  const inode = ground.inode(ino);
  if (!inode) return STATUS.STALE;
  if (inode.kind !== FILE_KIND.file) return notFile(inode);
  if (!posix.mayWriteData(who, inode)) return STATUS.ACCES;
  const end = offset + data.length;
  if (end > MAX_SIZE) return STATUS.FBIG;
  if (data.length === 0) return { count: 0, committed: stable, change: { before: inode, after: inode } };
  const { upper, keep } = ground;
  const journalled =
    stable !== STABLE.unstable &&
    data.length <= IN_JOURNAL &&
    !upper.pending.has(ino) &&
    !keep.data.unsynced(ino);
  const after = place(ground, who, inode, offset, data, journalled);
  if (typeof after === "number") return after;
  const change = { before: inode, after };
  if (journalled) return { count: data.length, committed: STABLE.fileSync, change };
  if (stable === STABLE.unstable) return { count: data.length, committed: STABLE.unstable, change };
  return flush(ground, ino).then(() => ({ count: data.length, committed: STABLE.fileSync, change }));
}

/** Puts bytes into the own data file, and into the journal too, or notes that they are pending. DQUOT; else the inode as it is then. */
function place(
  ground: Ground,
  who: Credentials,
  inode: Inode,
  offset: number,
  data: Uint8Array,
  journalled: boolean,
): Answer<Inode> {
  const { upper, keep } = ground;
  const { ino } = inode;
  const end = offset + data.length;
  const first = Math.floor(offset / BLOCK);
  const last = Math.ceil(end / BLOCK);
  const map = upper.maps.get(ino);
  const fresh = last - first - (map ? map.within(first, last) : 0);
  if (fresh > 0 && upper.ownBytes + fresh * BLOCK > keep.quota.limit) return STATUS.DQUOT;
  const pieces = fresh > 0 ? piecesOf(ground, inode, offset, data) : undefined;
  keep.ready({ bytes: journalled ? data.length + 2 * BLOCK : 0, writes: ino });
  try {
    if (end > inode.size && inode.blocks > 0 && ground.mayHoldRestsBehind(ino)) {
      keep.data.truncate(ino, inode.size);
      ground.trimmed(ino);
    }
    if (!pieces) keep.data.write(ino, data, offset);
    else for (const piece of pieces) keep.data.write(ino, piece.bytes, piece.offset);
  } catch (error) {
    ground.writeFailed(ino);
    throw error;
  }
  if (journalled) {
    if (!pieces) keep.log({ kind: "data", ino, offset, bytes: data });
    else for (const piece of pieces) keep.log({ kind: "data", ino, ...piece });
  } else pend(ground, inode, first, last);
  if (fresh > 0) upper.map(ino, first, last);
  const after = copyOf(inode);
  after.mode = posix.modeAfterWrite(who, inode.mode);
  after.size = Math.max(inode.size, end);
  after.mtime = after.ctime = ground.now();
  if (fresh > 0) upper.count(after);
  if (!journalled) {
    upper.set(after);
    return after;
  }
  ground.put(after);
  if (fresh > 0) keep.log({ kind: "mapped", ino, from: first, to: last });
  return after;
}

interface Piece {
  bytes: Uint8Array;
  offset: number;
}

/**
 * The bytes with the rest of the blocks at both ends, where those are not own blocks yet and something is to be seen in that rest; undefined: there
 * is nothing to add. Throws Cold.
 */
function piecesOf(ground: Ground, inode: Inode, offset: number, data: Uint8Array): Piece[] | undefined {
  const end = offset + data.length;
  const first = Math.floor(offset / BLOCK) * BLOCK;
  const last = Math.floor((end - 1) / BLOCK) * BLOCK;
  const map = ground.upper.maps.get(inode.ino);
  const rests = ground.mayHoldRests(inode.ino);
  const lead = offset > first && (rests || first < inode.limit) && !map?.has(first / BLOCK);
  const trail = end < last + BLOCK && (rests || end < inode.limit) && !map?.has(last / BLOCK);
  if (!lead && !trail) return undefined;
  // Both are fetched before either is used: the second may throw Cold.
  const head = lead || (trail && first === last) ? copyBlock(ground, inode, first) : undefined;
  const tail = trail && first !== last ? copyBlock(ground, inode, last) : undefined;
  const pieces: Piece[] = [];
  const from = head ? Math.min(first + BLOCK, end) : offset;
  const to = tail ? last : end;
  if (head) {
    head.set(data.subarray(0, from - offset), offset - first);
    pieces.push({ bytes: head, offset: first });
  }
  if (to > from) pieces.push({ bytes: data.subarray(from - offset, to - offset), offset: from });
  if (tail) {
    tail.set(data.subarray(last - offset));
    pieces.push({ bytes: tail, offset: last });
  }
  return pieces;
}

/**
 * A new size, after ready(): what lies behind it goes, what is new reads as zeros. What is pending behind the end is forgotten. `after`: the
 * inode's copy, which is told; the caller puts it.
 */
export function resize(ground: Ground, inode: Inode, size: number, after: ReturnType<typeof copyOf>): void {
  const { upper, keep } = ground;
  const { ino } = inode;
  const shrinks = size < inode.size;
  // Also where it grows over what a kill or a failed write has left behind the end.
  if (inode.blocks > 0 && (shrinks || (size > inode.size && ground.mayHoldRestsBehind(ino)))) {
    keep.data.truncate(ino, Math.min(size, inode.size));
    ground.trimmed(ino);
  }
  after.size = size;
  after.limit = Math.min(inode.limit, size);
  if (shrinks) upper.cut(ino, Math.ceil(size / BLOCK));
  const pending = upper.pending.get(ino);
  if (pending) {
    pending.size = size;
    for (const flight of pending.flights) flight.size = Math.min(flight.size, size);
  }
  upper.count(after);
}
