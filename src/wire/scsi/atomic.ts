// COMPARE AND WRITE (SBC-3 5.2) and ORWRITE (SBC-3 5.6). Tasks that touch the same blocks wait for these (tasks.ts).
import { judge, outOfRange } from "./blocks.ts";
import { blocks, lba } from "./cdb.ts";
import { SENSE, STATUS } from "./sense.ts";
import { badField, GOOD, type Outcome, refuse, type State, type Steps, type Task } from "./state.ts";
import { differsAt } from "./verify.ts";

const FUA = 0x08;

/**
 * Data-out: what must be there, then what to write. SBC-3 takes 0 blocks for nothing to do; who means 256, which the byte cannot hold, sends
 * 0 as well, and would take GOOD for written: it is refused.
 */
export function compareAndWrite(state: State, { cdb, dataOut }: Task): Outcome | Steps {
  const [from, count, size] = [lba(cdb), cdb[13] as number, state.facts.blockSize];
  if ((cdb[1] as number) & 0xe0) return badField(1);
  if (count === 0) return badField(13);
  const wrong = outOfRange(state, from, count);
  if (wrong) return wrong;
  if (dataOut.length < 2 * count * size) return refuse(SENSE.INVALID_FIELD_IN_IU);
  return comparing(from * size, dataOut.slice(0, 2 * count * size), ((cdb[1] as number) & FUA) !== 0);
}

function* comparing(offset: number, data: Uint8Array, flush: boolean): Steps {
  const length = data.length / 2;
  const { bytes } = yield { do: "read", handle: 0, offset, length, last: false };
  const at = bytes ? differsAt(bytes, data.subarray(0, length)) : 0;
  if (at >= 0) return { status: STATUS.CHECK_CONDITION, sense: { code: SENSE.MISCOMPARE, information: at } };
  yield { do: "write", handle: 0, offset, bytes: data.subarray(length), flush };
  return GOOD;
}

export function orWrite(state: State, { cdb, dataOut }: Task): Outcome | Steps {
  const [from, count, size] = [lba(cdb), blocks(cdb), state.facts.blockSize];
  const wrong = judge(state, cdb, from, count);
  if (wrong) return wrong;
  if (count === 0) return GOOD;
  if (dataOut.length < count * size) return refuse(SENSE.INVALID_FIELD_IN_IU);
  return setting(from * size, dataOut.slice(0, count * size), ((cdb[1] as number) & FUA) !== 0);
}

function* setting(offset: number, data: Uint8Array, flush: boolean): Steps {
  const { bytes } = yield { do: "read", handle: 0, offset, length: data.length, last: false };
  if (bytes) for (let i = 0; i < data.length; i++) data[i] = (data[i] as number) | (bytes[i] as number);
  yield { do: "write", handle: 0, offset, bytes: data, flush };
  return GOOD;
}
