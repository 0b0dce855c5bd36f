import assert from "node:assert/strict";
import { test } from "node:test";
import { hex } from "../../base/text.ts";
import { encodeSense, SENSE, type Sense } from "./sense.ts";

const FIXED: [string, Sense, string][] = [
  ["SPC-4 4.5.3", { code: SENSE.LBA_OUT_OF_RANGE }, "70000500000000 0a 00000000 21 00 00 000000"],
  [
    "4.5.2.4.2: C/D and the byte",
    { code: SENSE.INVALID_FIELD_IN_CDB, byte: 13 },
    "70000500000000 0a 00000000 24 00 00 c0000d",
  ],
  [
    "a parameter's byte",
    { code: SENSE.INVALID_FIELD_IN_DATA, byte: 8 },
    "70000500000000 0a 00000000 26 00 00 800008",
  ],
  [
    "VALID and INFORMATION",
    { code: SENSE.MISCOMPARE, information: 0x1e5 },
    "f0000e000001e5 0a 00000000 1d 00 00 000000",
  ],
  [
    "an LBA of more than 32 bits is left out",
    { code: SENSE.READ_ERROR, information: 2 ** 40 },
    "70000300000000 0a 00000000 11 00 00 000000",
  ],
];
const DESCRIPTORS: [string, Sense, string][] = [
  ["SPC-4 4.5.2", { code: SENSE.LBA_OUT_OF_RANGE }, "7205210000000000"],
  [
    "information",
    { code: SENSE.READ_ERROR, information: 2 ** 40 },
    "720311000000000c 000a800000000100 00000000",
  ],
  ["field pointer", { code: SENSE.INVALID_FIELD_IN_CDB, byte: 2 }, "7205240000000008 02060000c0000200"],
];

for (const [rows, descriptors] of [
  [FIXED, false],
  [DESCRIPTORS, true],
] as const)
  for (const [why, sense, bytes] of rows)
    test(`encodeSense(${descriptors ? "descriptors" : "fixed"}) writes ${why}`, () => {
      assert.equal(hex(encodeSense(sense, descriptors)), bytes.replaceAll(" ", ""));
    });
