// VERIFY and WRITE AND VERIFY (SBC-3 5.28 to 5.31, 5.37 to 5.39).
import { judge, outOfRange } from "./blocks.ts";
import { blocks, lba } from "./cdb.ts";
import { SENSE } from "./sense.ts";
import { badField, GOOD, type Outcome, refuse, type State, type Steps, type Task } from "./state.ts";

/** Bytes that are read at once. */
const CHUNK = 1 << 20;
const BYTCHK = { medium: 0, all: 1, one: 3 } as const;

export function verify(state: State, task: Task): Outcome | Steps {
  const { cdb } = task;
  const [from, count, check] = [lba(cdb), blocks(cdb), ((cdb[1] as number) >> 1) & 3];
  if ((cdb[1] as number) & 0xe0 || check === 2) return badField(1);
  const wrong = check === BYTCHK.all ? judge(state, cdb, from, count) : outOfRange(state, from, count);
  return (
    wrong ??
    expected(state, task, check) ??
    (count === 0 ? GOOD : compare(state, from, count, kept(task, check)))
  );
}

export function writeAndVerify(state: State, task: Task): Outcome | Steps {
  const { cdb, dataOut } = task;
  const [from, count, check] = [lba(cdb), blocks(cdb), ((cdb[1] as number) >> 1) & 3];
  if (check > 1) return badField(1);
  const wrong = judge(state, cdb, from, count);
  if (wrong) return wrong;
  const size = state.facts.blockSize;
  const length = Math.min(count * size, dataOut.length);
  if (length % size !== 0) return refuse(SENSE.INVALID_FIELD_IN_IU);
  return length === 0 ? GOOD : writeThenCompare(state, from, dataOut.slice(0, length), check === BYTCHK.all);
}

/** Has the data come that must be compared with? A promise that is too small is refused: to compare a part would tell a lie. */
function expected(state: State, { cdb, dataOut }: Task, check: number): Outcome | undefined {
  const size = state.facts.blockSize;
  const want =
    check === BYTCHK.medium ? 0 : check === BYTCHK.all ? blocks(cdb) * size : Math.min(blocks(cdb), 1) * size;
  return dataOut.length < want ? refuse(SENSE.INVALID_FIELD_IN_IU) : undefined;
}

const kept = ({ dataOut }: Task, check: number): Uint8Array | undefined =>
  check === BYTCHK.medium ? undefined : dataOut.slice();

function* writeThenCompare(state: State, from: number, bytes: Uint8Array, check: boolean): Steps {
  const size = state.facts.blockSize;
  yield { do: "write", handle: 0, offset: from * size, bytes, flush: true };
  return yield* compare(state, from, bytes.length / size, check ? bytes : undefined);
}

/** Reads all blocks; `bytes` repeat where they are fewer. */
function* compare(state: State, from: number, count: number, bytes: Uint8Array | undefined): Steps {
  const size = state.facts.blockSize;
  const end = (from + count) * size;
  for (let offset = from * size; offset < end; offset += CHUNK) {
    const length = Math.min(CHUNK, end - offset);
    const { bytes: there } = yield { do: "read", handle: 0, offset, length, last: false };
    if (!bytes) continue;
    const start = (offset - from * size) % bytes.length;
    if (!there || differsAt(there, bytes, start) >= 0) return refuse(SENSE.MISCOMPARE);
  }
  return GOOD;
}

/** Where `a` is not what `b`, from `start` on and repeated, says; -1: nowhere. */
export function differsAt(a: Uint8Array, b: Uint8Array, start = 0): number {
  for (let i = 0, j = start; i < a.length; i++, j++) {
    if (j === b.length) j = 0;
    if (a[i] !== b[j]) return i;
  }
  return -1;
}
