// Commands about the unit itself: MODE SENSE and SELECT, REQUEST SENSE, READ CAPACITY and their like (SPC-4 6, SBC-3 5).
import { Writer } from "../../base/bytes.ts";
import { u16, u32 } from "./cdb.ts";
import { pagesFrom, SAVED } from "./modes.ts";
import { encodeSense, SENSE } from "./sense.ts";
import { attend, badField, GOOD, give, type Outcome, refuse, type State, type Task } from "./state.ts";

export const testUnitReady = (): Outcome => GOOD; // whether it is ready is asked of every command before

/** SPC-4 6.39: an attention that waits is the answer, as data, and is told with that. */
export function requestSense(state: State, { cdb, nexus }: Task): Outcome {
  if ((cdb[1] as number) & 0xfe) return badField(1);
  const waiting = state.nexuses.get(nexus)?.attentions.shift();
  const code = waiting ?? (state.stopped ? SENSE.NOT_READY_STOPPED : SENSE.NO_SENSE);
  return give(encodeSense({ code }, ((cdb[1] as number) & 1) !== 0), cdb[4] as number);
}

/** SBC-3 5.15: the last LBA, FFFF_FFFFh where it does not fit. */
export function readCapacity10(state: State): Outcome {
  const last = Math.min(state.blocks - 1, 0xffff_ffff);
  return give(new Writer(8).u32(last).u32(state.facts.blockSize).done(), 8);
}

/** SBC-3 5.16.2: LBPME and LBPRZ; a physical block is a logical one (see UnitFacts). */
export function readCapacity16(state: State, { cdb }: Task): Outcome {
  const w = new Writer(32)
    .u64(BigInt(state.blocks - 1))
    .u32(state.facts.blockSize)
    .u16(0)
    .u16(0xc000);
  return give(w.zeros(16).done(), u32(cdb, 10));
}

const WP = 0x80;
const DPOFUA = 0x10;

/** SPC-4 6.11, 6.12; device-specific parameter: SBC-3 6.5.1. */
export function modeSense(state: State, { cdb }: Task): Outcome {
  const ten = cdb[0] === 0x5a;
  const [control, page] = [(cdb[2] as number) >> 6, (cdb[2] as number) & 0x3f];
  if (control === SAVED) return refuse(SENSE.SAVING_NOT_SUPPORTED);
  const pages = state.modes.pages(page, cdb[3] as number, control);
  if (!pages) return badField(2);
  const descriptor =
    ((cdb[1] as number) & 0x08) === 0 ? blockDescriptor(state, ten && ((cdb[1] as number) & 0x10) !== 0) : [];
  const device = (state.facts.readOnly || state.modes.softwareProtected ? WP : 0) | DPOFUA;
  const w = new Writer(64);
  const length = descriptor.length + pages.length;
  if (ten)
    w.u16(6 + length)
      .u8(0)
      .u8(device)
      .u8(descriptor.length === 16 ? 1 : 0)
      .u8(0)
      .u16(descriptor.length);
  else
    w.u8(3 + length)
      .u8(0)
      .u8(device)
      .u8(descriptor.length);
  const all = w.bytes(Uint8Array.from(descriptor)).bytes(Uint8Array.from(pages)).done();
  return give(all, ten ? u16(cdb, 7) : (cdb[4] as number));
}

/** SBC-3 6.5.2: number of blocks and their length, short or (LLBAA) long. */
function blockDescriptor(state: State, long: boolean): Iterable<number> & { length: number } {
  const size = state.facts.blockSize;
  if (long) return new Writer(16).u64(BigInt(state.blocks)).u32(0).u32(size).done();
  return new Writer(8).u32(Math.min(state.blocks, 0xffff_ffff)).u32(size).done();
}

/** SPC-4 6.13, 6.14. Nothing is saved; what changed is told to the other nexuses. */
export function modeSelect(state: State, { cdb, dataOut, nexus }: Task): Outcome {
  const ten = cdb[0] === 0x55;
  if (((cdb[1] as number) & 0x10) === 0 || (cdb[1] as number) & 1) return badField(1); // PF must be set, SP must not
  const length = ten ? u16(cdb, 7) : (cdb[4] as number);
  if (length === 0) return GOOD;
  const list = dataOut.subarray(0, length);
  if (list.length < (ten ? 8 : 4)) return refuse(SENSE.PARAMETER_LIST_LENGTH);
  const from = pagesFrom(list, ten);
  if (from > list.length) return refuse(SENSE.PARAMETER_LIST_LENGTH);
  const result = state.modes.select(list, from);
  if ("wrong" in result) return refuse(result.wrong.code, result.wrong.byte);
  if (result.changed) attend(state, SENSE.MODE_CHANGED, nexus);
  return GOOD;
}

/** SBC-3 5.25. A power condition is taken and nothing changes; a stopped unit reads and writes no more until it is started. */
export function startStop(state: State, { cdb }: Task): Outcome {
  const flags = cdb[4] as number;
  if ((flags & 0xf0) === 0) state.stopped = (flags & 1) === 0;
  return GOOD;
}

/** SPC-4 6.42: the default self-test, which ends well. */
export const sendDiagnostic = (_: State, { cdb }: Task): Outcome =>
  ((cdb[1] as number) & 0x04) === 0 ? badField(1) : GOOD;

/** SBC-3 5.18, 5.19: there are no defects; DEFECT LIST FORMAT is told back. */
export function readDefects(_: State, { cdb }: Task): Outcome {
  const twelve = cdb[0] === 0xb7;
  const format = (cdb[twelve ? 1 : 2] as number) & 0x1f;
  if (twelve) return give(new Writer(8).u8(0).u8(format).zeros(6).done(), u32(cdb, 6));
  return give(new Writer(4).u8(0).u8(format).u16(0).done(), u16(cdb, 7));
}
