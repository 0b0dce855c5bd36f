// Every command that a unit knows, as REPORT SUPPORTED OPERATION CODES tells it (SPC-4, SBC-3).
import { blocks, u16, u32 } from "./cdb.ts";

/** Largest transfer of one command, told in VPD page B0: what a task may cost in memory. */
export const MOST_TRANSFER = 4 << 20;

/**
 * How a reservation of another nexus concerns a command (SPC-4 table 65, SBC-3 table 13): `any` never, `read` and `write` as their names
 * say, `own` judges by itself. `legacy`: allowed beside another's RESERVE(6) as well (SPC-2 table 9).
 */
export type Access = "any" | "legacy" | "read" | "write" | "own";
/** What it may need of the disk: nothing, LBAs from..to of its CDB, all of it, or the same alone (`alone`: no overlapping task beside it). */
export type Touch = "none" | "range" | "all" | "alone" | "reservations";

export interface Command {
  readonly name: CommandName;
  readonly opcode: number;
  readonly action?: number;
  /** CDB usage data: a bit that we look at is 1 (SPC-4 6.35.3). Its length is the CDB's. */
  readonly usage: Uint8Array;
  readonly access: Access;
  readonly touch: Touch;
  readonly writes: boolean;
  /** Bytes of data-out. */
  readonly out: (cdb: Uint8Array, blockSize: number) => number;
  readonly source: string;
}

const NONE = (): number => 0;
const BLOCKS = (cdb: Uint8Array, blockSize: number): number => blocks(cdb) * blockSize;
/** BYTCHK 00b compares nothing, 01b takes all blocks, 11b one block for all of them (SBC-3 5.29). */
const CHECKED = (cdb: Uint8Array, blockSize: number): number => {
  const check = ((cdb[1] as number) >> 1) & 3;
  return check === 1 ? BLOCKS(cdb, blockSize) : check === 3 && blocks(cdb) > 0 ? blockSize : 0;
};
const ONE_BLOCK = (_: Uint8Array, blockSize: number): number => blockSize;
/** NDOB: there is no data-out, zeros are meant (SBC-3 5.44). */
const UNLESS_NDOB = (cdb: Uint8Array, blockSize: number): number => ((cdb[1] as number) & 1 ? 0 : blockSize);
const TWICE = (cdb: Uint8Array, blockSize: number): number => 2 * (cdb[13] as number) * blockSize;
const LIST8 = (cdb: Uint8Array): number => cdb[4] as number;
const LIST16 = (cdb: Uint8Array): number => u16(cdb, 7);
const LIST32_AT10 = (cdb: Uint8Array): number => u32(cdb, 10);
const LIST32 = (cdb: Uint8Array): number => u32(cdb, 5);

type Row = readonly [string, string, Access, Touch, Command["out"], string];

// Name; usage data, which begins with the opcode and holds a service action's value; access; touch; data-out; source.
const ROWS = [
  ["TEST UNIT READY", "000000000000", "any", "none", NONE, "SPC-4 6.47"],
  ["REQUEST SENSE", "03010000ff00", "legacy", "none", NONE, "SPC-4 6.39"],
  ["READ(6)", "081fffffff00", "read", "range", NONE, "SBC-3 5.10"],
  ["WRITE(6)", "0a1fffffff00", "write", "range", BLOCKS, "SBC-3 5.32"],
  ["INQUIRY", "1201ffffff00", "legacy", "none", NONE, "SPC-4 6.6"],
  ["MODE SELECT(6)", "15110000ff00", "write", "none", LIST8, "SPC-4 6.13"],
  ["RESERVE(6)", "160000000000", "own", "none", NONE, "SPC-2 7.21"],
  ["RELEASE(6)", "170000000000", "legacy", "none", NONE, "SPC-2 7.16"],
  ["MODE SENSE(6)", "1a08ffffff00", "read", "none", NONE, "SPC-4 6.11"],
  ["START STOP UNIT", "1b01000ff700", "own", "none", NONE, "SBC-3 5.25"],
  ["SEND DIAGNOSTIC", "1d0400000000", "write", "none", NONE, "SPC-4 6.42"],
  ["READ CAPACITY(10)", "25000000000000000000", "legacy", "none", NONE, "SBC-3 5.15"],
  ["READ(10)", "2818ffffffff00ffff00", "read", "range", NONE, "SBC-3 5.11"],
  ["WRITE(10)", "2a18ffffffff00ffff00", "write", "range", BLOCKS, "SBC-3 5.33"],
  ["WRITE AND VERIFY(10)", "2e16ffffffff00ffff00", "write", "range", BLOCKS, "SBC-3 5.37"],
  ["VERIFY(10)", "2f16ffffffff00ffff00", "read", "range", CHECKED, "SBC-3 5.28"],
  ["PRE-FETCH(10)", "3402ffffffff00ffff00", "read", "range", NONE, "SBC-3 5.7"],
  ["SYNCHRONIZE CACHE(10)", "3502ffffffff00ffff00", "write", "none", NONE, "SBC-3 5.26"],
  ["READ DEFECT DATA(10)", "37001f00000000ffff00", "read", "none", NONE, "SBC-3 5.18"],
  ["WRITE SAME(10)", "4108ffffffff00ffff00", "write", "range", ONE_BLOCK, "SBC-3 5.43"],
  ["UNMAP", "42000000000000ffff00", "write", "all", LIST16, "SBC-3 5.28"],
  ["SANITIZE BLOCK ERASE", "48a20000000000000000", "write", "all", NONE, "SBC-3 5.22"],
  ["SANITIZE EXIT FAILURE MODE", "48bf0000000000ffff00", "write", "none", LIST16, "SBC-3 5.22"],
  ["MODE SELECT(10)", "55110000000000ffff00", "write", "none", LIST16, "SPC-4 6.14"],
  ["PRIN READ KEYS", "5e000000000000ffff00", "own", "none", NONE, "SPC-4 6.15.2"],
  ["PRIN READ RESERVATION", "5e010000000000ffff00", "own", "none", NONE, "SPC-4 6.15.3"],
  ["PRIN REPORT CAPABILITIES", "5e020000000000ffff00", "own", "none", NONE, "SPC-4 6.15.4"],
  ["PRIN READ FULL STATUS", "5e030000000000ffff00", "own", "none", NONE, "SPC-4 6.15.5"],
  ["PROUT REGISTER", "5f00ff0000ffffffff00", "own", "reservations", LIST32, "SPC-4 6.16.2"],
  ["PROUT RESERVE", "5f01ff0000ffffffff00", "own", "reservations", LIST32, "SPC-4 6.16.2"],
  ["PROUT RELEASE", "5f02ff0000ffffffff00", "own", "reservations", LIST32, "SPC-4 6.16.2"],
  ["PROUT CLEAR", "5f03ff0000ffffffff00", "own", "reservations", LIST32, "SPC-4 6.16.2"],
  ["PROUT PREEMPT", "5f04ff0000ffffffff00", "own", "reservations", LIST32, "SPC-4 6.16.2"],
  ["PROUT PREEMPT AND ABORT", "5f05ff0000ffffffff00", "own", "reservations", LIST32, "SPC-4 6.16.2"],
  ["PROUT REGISTER AND IGNORE", "5f06ff0000ffffffff00", "own", "reservations", LIST32, "SPC-4 6.16.2"],
  ["RESERVE(10)", "56000000000000000000", "own", "none", NONE, "SPC-2 7.22"],
  ["RELEASE(10)", "57000000000000000000", "legacy", "none", NONE, "SPC-2 7.17"],
  ["MODE SENSE(10)", "5a18ffff000000ffff00", "read", "none", NONE, "SPC-4 6.12"],
  ["EXTENDED COPY(LID1)", "83000000000000000000ffffffff0000", "write", "all", LIST32_AT10, "SPC-4 6.4"],
  ["RECEIVE COPY STATUS(LID1)", "8400ff00000000000000ffffffff0000", "read", "none", NONE, "SPC-4 6.23"],
  [
    "RECEIVE COPY OPERATING PARAMETERS",
    "84030000000000000000ffffffff0000",
    "read",
    "none",
    NONE,
    "SPC-4 6.23",
  ],
  ["READ(16)", "8818ffffffffffffffffffffffff0000", "read", "range", NONE, "SBC-3 5.13"],
  ["COMPARE AND WRITE", "8918ffffffffffffffff000000ff0000", "write", "alone", TWICE, "SBC-3 5.2"],
  ["WRITE(16)", "8a18ffffffffffffffffffffffff0000", "write", "range", BLOCKS, "SBC-3 5.35"],
  ["WRITE AND VERIFY(16)", "8e16ffffffffffffffffffffffff0000", "write", "range", BLOCKS, "SBC-3 5.39"],
  ["ORWRITE(16)", "8b18ffffffffffffffffffffffff0000", "write", "alone", BLOCKS, "SBC-3 5.6"],
  ["VERIFY(16)", "8f16ffffffffffffffffffffffff0000", "read", "range", CHECKED, "SBC-3 5.30"],
  ["PRE-FETCH(16)", "9002ffffffffffffffffffffffff0000", "read", "range", NONE, "SBC-3 5.8"],
  ["SYNCHRONIZE CACHE(16)", "9102ffffffffffffffffffffffff0000", "write", "none", NONE, "SBC-3 5.27"],
  ["WRITE SAME(16)", "9309ffffffffffffffffffffffff0000", "write", "range", UNLESS_NDOB, "SBC-3 5.44"],
  ["READ CAPACITY(16)", "9e100000000000000000ffffffff0000", "any", "none", NONE, "SBC-3 5.16"],
  ["GET LBA STATUS", "9e12ffffffffffffffffffffffff0000", "read", "none", NONE, "SBC-3 5.5"],
  ["REPORT LUNS", "a000ff000000ffffffff0000", "legacy", "none", NONE, "SPC-4 6.33"],
  ["REPORT SUPPORTED OPERATION CODES", "a30c87ffffffffffffff0000", "read", "none", NONE, "SPC-4 6.35"],
  [
    "REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS",
    "a30d80000000ffffffff0000",
    "read",
    "none",
    NONE,
    "SPC-4 6.36",
  ],
  ["READ(12)", "a818ffffffffffffffff0000", "read", "range", NONE, "SBC-3 5.12"],
  ["WRITE(12)", "aa18ffffffffffffffff0000", "write", "range", BLOCKS, "SBC-3 5.34"],
  ["WRITE AND VERIFY(12)", "ae16ffffffffffffffff0000", "write", "range", BLOCKS, "SBC-3 5.38"],
  ["VERIFY(12)", "af16ffffffffffffffff0000", "read", "range", CHECKED, "SBC-3 5.29"],
  ["READ DEFECT DATA(12)", "b71f00000000ffffffff0000", "read", "none", NONE, "SBC-3 5.19"],
] as const satisfies readonly Row[];

export type CommandName = (typeof ROWS)[number][0];

/** Opcodes whose byte 1 tells service actions apart. */
const WITH_ACTION: ReadonlySet<number> = new Set([0x48, 0x5e, 0x5f, 0x83, 0x84, 0x9e, 0xa3]);

const bytes = (hex: string): Uint8Array =>
  Uint8Array.from(hex.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));

export const COMMANDS: readonly Command[] = ROWS.map(([name, hex, access, touch, out, source]) => {
  const usage = bytes(hex);
  const opcode = usage[0] as number;
  const action = WITH_ACTION.has(opcode) ? { action: (usage[1] as number) & 0x1f } : {};
  const writes = access === "write" && touch !== "none";
  return { name, opcode, ...action, usage, access, touch, writes, out, source };
});

/** By opcode; those with service actions by opcode and action. */
const PLAIN: (Command | undefined)[] = [];
const ACTIONS = new Map<number, Command>();
for (const command of COMMANDS) {
  if (command.action === undefined) PLAIN[command.opcode] = command;
  else ACTIONS.set((command.opcode << 8) | command.action, command);
}

/** Does the opcode have service actions, of which we know some? */
export const hasActions = (opcode: number): boolean =>
  WITH_ACTION.has(opcode) && COMMANDS.some((c) => c.opcode === opcode);

/** The command of an opcode and, where that has them, a service action; undefined: we do not know it. */
export const commandOf = (opcode: number, action: number): Command | undefined =>
  PLAIN[opcode] ?? ACTIONS.get((opcode << 8) | action);

export const commandIn = (cdb: Uint8Array): Command | undefined =>
  PLAIN[cdb[0] as number] ?? commandOf(cdb[0] as number, (cdb[1] as number) & 0x1f);
