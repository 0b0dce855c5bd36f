// EXTENDED COPY (LID1) within one unit, block to block, and RECEIVE COPY RESULTS (SPC-4 6.3, 6.4.3, 6.23).
import { Writer } from "../../base/bytes.ts";
import { u16, u32, u64 } from "./cdb.ts";
import { designators } from "./inquiry.ts";
import { SENSE, STATUS } from "./sense.ts";
import { badField, GOOD, give, type Outcome, refuse, type State, type Steps, type Task } from "./state.ts";
import { differsAt } from "./verify.ts";

const CHUNK = 1 << 20;
const MOST_TARGETS = 2;
const MOST_SEGMENTS = 16;
const MOST_LIST = 1024;
/** Results that are kept for RECEIVE COPY RESULTS. */
const MOST_RESULTS = 16;

const [IDENTIFICATION, BLOCK_TO_BLOCK] = [0xe4, 0x02];
const [TARGET_BYTES, SEGMENT_BYTES] = [32, 28];
/** LIST ID USAGE 11b: no results are kept, the list id means nothing. */
const DISCARD = 3;

interface Segment {
  from: number;
  to: number;
  count: number;
}

export function extendedCopy(state: State, { cdb, dataOut, nexus }: Task): Outcome | Steps {
  const length = u32(cdb, 10);
  if (length === 0) return GOOD;
  const list = dataOut.subarray(0, length);
  if (list.length < 16) return refuse(SENSE.PARAMETER_LIST_LENGTH);
  const [targets, segments] = [u16(list, 2), u32(list, 8)];
  if (16 + targets + segments > list.length || targets + segments > MOST_LIST || u32(list, 12) !== 0)
    return refuse(SENSE.PARAMETER_LIST_LENGTH);
  if (targets > MOST_TARGETS * TARGET_BYTES) return refuse(SENSE.TOO_MANY_TARGETS);
  const reachable: boolean[] = [];
  for (let at = 16; at < 16 + targets; at += TARGET_BYTES) {
    if (list[at] !== IDENTIFICATION) return refuse(SENSE.TARGET_TYPE);
    if (at + TARGET_BYTES > 16 + targets) return refuse(SENSE.PARAMETER_LIST_LENGTH);
    reachable.push(isThisUnit(state, list.subarray(at, at + TARGET_BYTES)));
  }
  const wanted: Segment[] = [];
  for (let at = 16 + targets; at < 16 + targets + segments; at += SEGMENT_BYTES) {
    if (wanted.length === MOST_SEGMENTS) return refuse(SENSE.TOO_MANY_SEGMENTS);
    if (list[at] !== BLOCK_TO_BLOCK) return refuse(SENSE.SEGMENT_TYPE);
    if (at + SEGMENT_BYTES > 16 + targets + segments) return refuse(SENSE.PARAMETER_LIST_LENGTH);
    if (!reachable[u16(list, at + 4)] || !reachable[u16(list, at + 6)]) return refuse(SENSE.COPY_UNREACHABLE);
    const segment = { count: u16(list, at + 10), from: u64(list, at + 12), to: u64(list, at + 20) };
    if (Math.max(segment.from, segment.to) + segment.count > state.blocks)
      return refuse(SENSE.COPY_OUT_OF_RANGE);
    wanted.push(segment);
  }
  const keep = (((list[1] as number) >> 3) & 3) !== DISCARD;
  return copying(state, wanted, keep ? { nexus, list: list[0] as number } : undefined);
}

/** Does an identification descriptor (SPC-4 6.4.4.5) mean the unit that copies? There is no other that it reaches. */
function isThisUnit({ facts }: State, target: Uint8Array): boolean {
  const length = target[7] as number;
  if (length > 20) return false;
  return designators(facts).some(
    ({ kind, value }) =>
      kind === ((target[5] as number) & 0x0f) &&
      // A name that is longer than the descriptor holds is compared as far as it goes.
      (value.length === length || (value.length > 20 && length === 20)) &&
      differsAt(target.subarray(8, 8 + length), value) < 0,
  );
}

function* copying(
  state: State,
  segments: readonly Segment[],
  result?: { nexus: string; list: number },
): Steps {
  const size = state.facts.blockSize;
  let copied = 0;
  for (const { from, to, count } of segments)
    for (let at = 0; at < count * size; at += CHUNK) {
      const length = Math.min(CHUNK, count * size - at);
      const { bytes } = yield { do: "read", handle: 0, offset: from * size + at, length, last: false };
      if (!bytes) return { status: STATUS.CHECK_CONDITION, sense: { code: SENSE.COPY_UNREACHABLE } };
      yield { do: "write", handle: 0, offset: to * size + at, bytes: bytes.slice(), flush: false };
      copied += length;
    }
  if (result) {
    state.copies.push({ ...result, segments: segments.length, bytes: copied });
    if (state.copies.length > MOST_RESULTS) state.copies.shift();
  }
  return GOOD;
}

/** COPY STATUS (SPC-4 6.23.2): of copies that have ended well, once each. */
export function copyStatus(state: State, { cdb, nexus }: Task): Outcome {
  const at = state.copies.findLastIndex((copy) => copy.nexus === nexus && copy.list === cdb[2]);
  const copy = state.copies[at];
  if (!copy) return badField(2);
  state.copies.splice(at, 1);
  return give(new Writer(12).u32(8).u8(1).u16(copy.segments).u8(0).u32(copy.bytes).done(), u32(cdb, 10));
}

/** OPERATING PARAMETERS (SPC-4 6.23.4). */
export function copyParameters(state: State, { cdb }: Task): Outcome {
  const w = new Writer(48).u32(42).u32(0).u16(MOST_TARGETS).u16(MOST_SEGMENTS).u32(MOST_LIST);
  w.u32(0xffff * state.facts.blockSize)
    .u32(0)
    .u32(0)
    .u32(0)
    .u16(0);
  w.u16(MOST_RESULTS).u8(MOST_RESULTS).u8(9).u8(0).u8(0).zeros(3);
  return give(w.u8(2).u8(BLOCK_TO_BLOCK).u8(IDENTIFICATION).done(), u32(cdb, 10));
}
