// REPORT SUPPORTED OPERATION CODES and REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS (SPC-4 6.35, 6.36).
import { Writer } from "../../base/bytes.ts";
import { u16, u32 } from "./cdb.ts";
import { COMMANDS, type Command, commandOf, hasActions } from "./opcodes.ts";
import { badField, give, type Outcome, type State, type Task } from "./state.ts";

const RCTD = 0x80;

export function reportOpcodes(_: State, { cdb }: Task): Outcome {
  const [option, opcode, action] = [(cdb[2] as number) & 0x07, cdb[3] as number, u16(cdb, 4)];
  const timeouts = ((cdb[2] as number) & RCTD) !== 0;
  if (option === 0) return give(all(timeouts), u32(cdb, 6));
  if (option > 3 || (option === 1 && hasActions(opcode))) return badField(2);
  const command = commandOf(opcode, action);
  if (option === 2 && !hasActions(opcode) && command) return badField(2);
  return give(one(command, timeouts), u32(cdb, 6));
}

function all(timeouts: boolean): Uint8Array {
  const w = new Writer(2048).u32(COMMANDS.length * (timeouts ? 20 : 8));
  for (const { opcode, action, usage } of COMMANDS) {
    const flags = (timeouts ? 2 : 0) | (action === undefined ? 0 : 1); // CTDP, SERVACTV
    w.u8(opcode)
      .u8(0)
      .u16(action ?? 0)
      .u8(0)
      .u8(flags)
      .u16(usage.length);
    if (timeouts) noTimeout(w);
  }
  return w.done();
}

function one(command: Command | undefined, timeouts: boolean): Uint8Array {
  if (!command) return Uint8Array.of(0, 1, 0, 0); // not supported
  const w = new Writer(64)
    .u8(0)
    .u8((timeouts ? 0x80 : 0) | 3)
    .u16(command.usage.length)
    .bytes(command.usage);
  if (timeouts) noTimeout(w);
  return w.done();
}

/** Neither a nominal nor a recommended time is claimed (SPC-4 6.35.4). */
const noTimeout = (w: Writer): Writer => w.u16(10).zeros(10);

/** ABORT TASK, ABORT TASK SET, LOGICAL UNIT RESET; target resets are iSCSI's own (SPC-4 table 317). */
export function reportTaskManagement(_: State, { cdb }: Task): Outcome {
  const extended = ((cdb[2] as number) & 0x80) !== 0;
  const w = new Writer(16)
    .u8(0xc8)
    .u8(0)
    .u8(0)
    .u8(extended ? 12 : 0);
  return give((extended ? w.zeros(12) : w).done(), u32(cdb, 6));
}
