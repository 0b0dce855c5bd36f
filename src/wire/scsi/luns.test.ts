import assert from "node:assert/strict";
import { test } from "node:test";
import { hex } from "../../base/text.ts";
import { answerWithoutUnit } from "./luns.ts";
import { cdbOf, senseWords } from "./unit-testing.ts";

const ask = (cdb: string, luns: readonly number[] = []) =>
  answerWithoutUnit(
    { tag: 1, nexus: "a", cdb: cdbOf(cdb), dataOut: new Uint8Array(0), attribute: "simple" },
    luns,
  );

const LISTED: [string, string, number[], string][] = [
  [
    "SELECT REPORT 0",
    "a0 00 00 000000 00000100",
    [0, 1],
    "00000010 00000000 0000000000000000 0001000000000000",
  ],
  ["SELECT REPORT 2", "a0 00 02 000000 00000100", [3], "00000008 00000000 0003000000000000"],
  [
    "SELECT REPORT 1: well-known ones, of which there are none",
    "a0 00 01 000000 00000100",
    [0],
    "00000000 00000000",
  ],
  ["SELECT REPORT 11h", "a0 00 11 000000 00000100", [0], "00000000 00000000"],
  [
    "LUN 256: flat space (SAM-5 4.7.7.4)",
    "a0 00 00 000000 00000100",
    [256],
    "00000008 00000000 4100000000000000",
  ],
  [
    "no more than the allocation length, with the whole length told",
    "a0 00 00 000000 00000010",
    [0, 1],
    "00000010 00000000 0000000000000000",
  ],
];
for (const [what, cdb, luns, said] of LISTED)
  test(`REPORT LUNS: ${what}`, () => {
    const told = ask(cdb, luns);
    assert.deepEqual([told.status, hex(told.dataIn as Uint8Array)], [0, said.replaceAll(" ", "")]);
  });

test("REPORT LUNS refuses what SPC-4 6.33 reserves, and an allocation length below 16", () => {
  for (const cdb of ["a0 00 03 000000 00000100", "a0 00 13 000000 00000100", "a0 00 00 000000 0000000f"])
    assert.equal(senseWords(ask(cdb).sense), "05/24/00", cdb);
});

test("a LUN without a unit: INQUIRY says so, REQUEST SENSE tells it as data, all else is refused", () => {
  const inquiry = ask("12 00 00 00ff");
  assert.deepEqual([inquiry.status, inquiry.dataIn?.[0], inquiry.dataIn?.length], [0, 0x7f, 36]);
  const sense = ask("03 00 0000 ff");
  assert.deepEqual([sense.status, senseWords(sense.dataIn)], [0, "05/25/00"]);
  assert.equal(senseWords(ask("03 01 0000 ff").dataIn), "05/25/00");
  for (const cdb of ["00", "28 00 00000000 00 0001", "12 01 00 00ff", "25"]) {
    const { status, sense: told } = ask(cdb);
    assert.deepEqual([status, senseWords(told)], [2, "05/25/00"], cdb);
  }
});
