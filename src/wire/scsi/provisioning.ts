// Blocks that are not needed or all the same: UNMAP, WRITE SAME, GET LBA STATUS, SANITIZE (SBC-3 4.7, 4.11, 5.5, 5.22, 5.28, 5.43, 5.44).

import { Writer } from "../../base/bytes.ts";
import type { Extent } from "../../base/disk.ts";
import { outOfRange } from "./blocks.ts";
import { blocks, lba, u16, u32, u64 } from "./cdb.ts";
import { LIMITS } from "./inquiry.ts";
import { SENSE } from "./sense.ts";
import {
  badField,
  type DiskOrder,
  GOOD,
  give,
  type Outcome,
  refuse,
  type State,
  type Steps,
  type Task,
} from "./state.ts";

const CHUNK = 1 << 20;

/** All descriptors are judged before the first is obeyed. LBPRZ is promised, so that blocks become zeros: a trim might leave edges. */
export function unmap(state: State, { cdb, dataOut }: Task): Outcome | Steps {
  if ((cdb[1] as number) & 1) return badField(1); // ANCHOR
  const length = u16(cdb, 7);
  if (length === 0) return GOOD;
  const list = dataOut.subarray(0, length);
  if (list.length < 8) return refuse(SENSE.PARAMETER_LIST_LENGTH);
  const count = Math.floor(Math.min(u16(list, 2), list.length - 8) / 16);
  if (count > LIMITS.unmapDescriptors) return refuse(SENSE.INVALID_FIELD_IN_DATA, 2);
  const ranges: { from: number; count: number }[] = [];
  let sum = 0;
  for (let at = 8; at < 8 + count * 16; at += 16) {
    const range = { from: u64(list, at), count: u32(list, at + 8) };
    sum += range.count;
    if (range.from + range.count > state.blocks) return refuse(SENSE.LBA_OUT_OF_RANGE);
    if (range.count > 0) ranges.push(range);
  }
  if (sum > LIMITS.unmapBlocks) return refuse(SENSE.INVALID_FIELD_IN_DATA, 8);
  return zeroing(state, ranges);
}

function* zeroing(state: State, ranges: readonly { from: number; count: number }[]): Steps {
  const size = state.facts.blockSize;
  for (const { from, count } of ranges)
    yield { do: "zero", handle: 0, offset: from * size, length: count * size, keep: false };
  return GOOD;
}

const [NDOB, OBSOLETE, UNMAP, ANCHOR, PROTECT] = [0x01, 0x06, 0x08, 0x10, 0xe0];

export function writeSame(state: State, { cdb, dataOut }: Task): Outcome | DiskOrder | Steps {
  const [from, count, size] = [lba(cdb), blocks(cdb), state.facts.blockSize];
  const flags = cdb[1] as number;
  const none = cdb[0] === 0x93 && (flags & NDOB) !== 0;
  if (flags & (PROTECT | ANCHOR | OBSOLETE) || (!none && flags & NDOB)) return badField(1);
  if (count === 0 || count > LIMITS.sameBlocks) return badField(cdb[0] === 0x93 ? 10 : 7); // WSNZ
  const wrong = outOfRange(state, from, count);
  if (wrong) return wrong;
  if (!none && dataOut.length < size) return refuse(SENSE.INVALID_FIELD_IN_IU);
  const [offset, length] = [from * size, count * size];
  // What reads as zeros may be unmapped, other data must be written (SBC-3 4.7.3.4.3).
  if (none || dataOut.subarray(0, size).every((byte) => byte === 0))
    return { do: "zero", handle: 0, offset, length, keep: (flags & UNMAP) === 0 };
  return repeating(offset, length, dataOut.slice(0, size));
}

function* repeating(offset: number, length: number, pattern: Uint8Array): Steps {
  const bytes = new Uint8Array(Math.min(CHUNK, length));
  for (let at = 0; at < bytes.length; at += pattern.length) bytes.set(pattern, at);
  for (let at = 0; at < length; at += bytes.length) {
    const part = bytes.subarray(0, Math.min(bytes.length, length - at));
    yield { do: "write", handle: 0, offset: offset + at, bytes: part, flush: false };
  }
  return GOOD;
}

const [MAPPED, DEALLOCATED] = [0, 1];
/** What is asked of the disk at once, and most descriptors of one answer. */
const STATUS_SPAN = 1 << 28;
const MOST_SPANS = 256;
const MOST_DESCRIPTORS = 256;

/** The first descriptor begins at the LBA that was asked for; neighbours of one kind are one (SBC-3 5.5.2). */
export function lbaStatus(state: State, { cdb }: Task): Outcome | Steps {
  const from = lba(cdb);
  const most = u32(cdb, 10);
  if (from >= state.blocks) return refuse(SENSE.LBA_OUT_OF_RANGE);
  return asking(state, from, most);
}

function* asking(state: State, from: number, most: number): Steps {
  const size = state.facts.blockSize;
  const room = Math.min(MOST_DESCRIPTORS, Math.max(1, Math.floor((most - 8) / 16)));
  const runs: { from: number; count: number; kind: number }[] = [];
  let at = from * size;
  // An answer may end anywhere: the initiator asks again from there.
  for (let span = 0; span < MOST_SPANS && at < state.blocks * size && runs.length <= room; span++) {
    const length = Math.min(STATUS_SPAN, state.blocks * size - at);
    const { extents } = yield { do: "status", handle: 0, offset: at, length };
    for (const run of inBlocks(extents ?? [], { size, clone: state.facts.product === "CLONE" })) {
      const last = runs.at(-1);
      if (last && last.kind === run.kind && last.count + run.count <= 0xffff_ffff) last.count += run.count;
      else runs.push(run);
      if (runs.length > room) break;
    }
    at += length;
  }
  const told = runs.slice(0, room);
  const w = new Writer(8 + told.length * 16).u32(4 + told.length * 16).u32(0);
  for (const run of told) w.u64(BigInt(run.from)).u32(run.count).u8(run.kind).zeros(3);
  return give(w.done(), most);
}

/** Whole blocks: one that is not zero everywhere is mapped. A hole of a clone shows its image, a volume's is nothing. */
function* inBlocks(
  extents: readonly Extent[],
  { size, clone }: { size: number; clone: boolean },
): Generator<{ from: number; count: number; kind: number }> {
  let done = -1; // blocks below this one were told
  for (const { offset, length, kind } of extents) {
    const state = kind === "zero" || (kind === "hole" && !clone) ? DEALLOCATED : MAPPED;
    let from = state === MAPPED ? Math.floor(offset / size) : Math.ceil(offset / size);
    const to = state === MAPPED ? Math.ceil((offset + length) / size) : Math.floor((offset + length) / size);
    if (from < done) from = done;
    if (to > from) yield { from, count: to - from, kind: state };
    if (to > done) done = to;
  }
}

/** BLOCK ERASE: everything reads as zeros, and that is durable (SBC-3 5.22.2). */
export function blockErase(state: State, { cdb }: Task): Outcome | Steps {
  if ((cdb[1] as number) & 0x40) return badField(1);
  for (let at = 2; at < 9; at++) if (cdb[at] !== 0) return badField(at); // reserved, and there is no parameter list
  return erasing(state);
}

function* erasing(state: State): Steps {
  const size = state.facts.blockSize;
  const span = LIMITS.unmapBlocks;
  for (let from = 0; from < state.blocks; from += span) {
    const length = Math.min(span, state.blocks - from) * size;
    yield { do: "zero", handle: 0, offset: from * size, length, keep: false };
  }
  yield { do: "flush", handle: 0 };
  return GOOD;
}

/** No sanitize operation fails and stays so: there is nothing to leave (SBC-3 5.22.5). */
export const exitFailureMode = (_: State, { cdb }: Task): Outcome => (u16(cdb, 7) === 0 ? GOOD : badField(7));
