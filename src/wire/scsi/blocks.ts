// Commands that move blocks: READ, WRITE (SBC-3 5.10 to 5.35). The hot path: one order, no generator.
import { blocks, lba } from "./cdb.ts";
import { MOST_TRANSFER } from "./opcodes.ts";
import { SENSE } from "./sense.ts";
import { badField, type DiskOrder, GOOD, type Outcome, refuse, type State, type Task } from "./state.ts";

/** SBC-3 4.5: the first LBA must exist too where no block is meant. Undefined: all is well. */
export function outOfRange(state: State, from: number, count: number): Outcome | undefined {
  return from + count > state.blocks || from >= state.blocks ? refuse(SENSE.LBA_OUT_OF_RANGE) : undefined;
}

/** RDPROTECT and the like: we keep no protection information, so that 0 is the only value (SBC-3 4.22.2). */
const protects = (cdb: Uint8Array): boolean =>
  (cdb[0] as number) >> 5 !== 0 && ((cdb[1] as number) & 0xe0) !== 0;
const fua = (cdb: Uint8Array): boolean => (cdb[0] as number) >> 5 !== 0 && ((cdb[1] as number) & 0x08) !== 0;

/** What READ, WRITE and their kind have in common; undefined: all is well. */
export function judge(state: State, cdb: Uint8Array, from: number, count: number): Outcome | undefined {
  if (protects(cdb)) return badField(1);
  if (count * state.facts.blockSize > MOST_TRANSFER) return badField((cdb[0] as number) >> 5 === 4 ? 10 : 7);
  return outOfRange(state, from, count);
}

export function read(state: State, { cdb }: Task): Outcome | DiskOrder {
  const [from, count] = [lba(cdb), blocks(cdb)];
  const wrong = judge(state, cdb, from, count);
  if (wrong) return wrong;
  if (count === 0) return GOOD;
  const size = state.facts.blockSize;
  return { do: "read", handle: 0, offset: from * size, length: count * size, last: true };
}

/** An initiator that promised less than its CDB says gets as much written (RFC 7143 11.4.5.2): whole blocks, or nothing. */
export function write(state: State, { cdb, dataOut }: Task): Outcome | DiskOrder {
  const [from, count] = [lba(cdb), blocks(cdb)];
  const wrong = judge(state, cdb, from, count);
  if (wrong) return wrong;
  const size = state.facts.blockSize;
  const length = Math.min(count * size, dataOut.length);
  if (length % size !== 0) return refuse(SENSE.INVALID_FIELD_IN_IU);
  if (length === 0) return GOOD;
  const bytes = length === dataOut.length ? dataOut : dataOut.subarray(0, length);
  return { do: "write", handle: 0, offset: from * size, bytes, flush: fua(cdb) };
}
