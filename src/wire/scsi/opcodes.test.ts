import assert from "node:assert/strict";
import { test } from "node:test";
import { HANDLERS } from "./handlers.ts";
import { COMMANDS, commandIn, hasActions, MOST_TRANSFER } from "./opcodes.ts";
import { dataOutLength } from "./unit.ts";
import { cdbOf } from "./unit-testing.ts";

/** SPC-4 4.2.5.1: the group code is the upper three bits. */
const LENGTHS: { [group: number]: number } = { 0: 6, 1: 10, 2: 10, 4: 16, 5: 12 };

test("every row of the table is a command of its group's length, found by its own CDB", () => {
  assert.ok(COMMANDS.length > 50);
  for (const command of COMMANDS) {
    const { name, opcode, usage, source } = command;
    assert.equal(usage.length, LENGTHS[opcode >> 5], name);
    assert.equal(usage.at(-1), 0, `${name}: CONTROL is not looked at`);
    assert.match(source, /^S[PB]C-[234] \d+\.\d+(\.\d+)?$/, name);
    const cdb = new Uint8Array(16);
    cdb.set(usage);
    assert.equal(commandIn(cdb), command, name);
    assert.equal(HANDLERS[name] === undefined, name === "REPORT LUNS", name);
  }
});

test("opcodes with service actions are known by both", () => {
  for (const opcode of [0x48, 0x5e, 0x5f, 0x83, 0x84, 0x9e, 0xa3])
    assert.ok(hasActions(opcode), opcode.toString(16));
  for (const opcode of [0x00, 0x28, 0xff]) assert.ok(!hasActions(opcode));
  assert.equal(commandIn(cdbOf("9e 10"))?.name, "READ CAPACITY(16)");
  assert.equal(commandIn(cdbOf("9e f0"))?.name, "READ CAPACITY(16)", "the upper bits are another field");
  assert.equal(commandIn(cdbOf("9e 1f")), undefined);
});

const OUT: [string, string, number][] = [
  ["WRITE(6): 0 means 256", "0a 00 0000 00", 256 * 512],
  ["WRITE(10)", "2a 00 00000000 00 0008", 8 * 512],
  ["WRITE(12)", "aa 00 00000000 00000010", 16 * 512],
  ["WRITE(16)", "8a 00 0000000000000000 00000020", 32 * 512],
  ["as much as a command may carry", "8a 00 0000000000000000 00002000", MOST_TRANSFER],
  ["more than that is refused before its data", "8a 00 0000000000000000 00002001", 0],
  ["READ(10)", "28 00 00000000 00 0008", 0],
  ["VERIFY(10) BYTCHK 00b", "2f 00 00000000 00 0008", 0],
  ["VERIFY(10) BYTCHK 01b", "2f 02 00000000 00 0008", 8 * 512],
  ["VERIFY(16) BYTCHK 11b", "8f 06 0000000000000000 00000008", 512],
  ["VERIFY(16) BYTCHK 11b of nothing", "8f 06 0000000000000000 00000000", 0],
  ["WRITE SAME(10)", "41 00 00000000 00 ffff", 512],
  ["WRITE SAME(16) NDOB", "93 01 0000000000000000 0000ffff", 0],
  ["COMPARE AND WRITE: both halves", "89 00 0000000000000000 000000 02", 4 * 512],
  ["UNMAP", "42 00 00000000 00 0018", 24],
  ["MODE SELECT(6)", "15 10 0000 18", 24],
  ["MODE SELECT(10)", "55 10 00000000 00 001c", 28],
  ["PERSISTENT RESERVE OUT", "5f 00 00 0000 00000018", 24],
  ["... of an unknown action", "5f 1f 00 0000 00000018", 0],
  ["EXTENDED COPY", "83 00 0000000000000000 0000004c", 76],
  ["an unknown command", "ff", 0],
];
for (const [what, cdb, length] of OUT)
  test(`dataOutLength() of ${what}`, () => assert.equal(dataOutLength(cdbOf(cdb), 512), length));
