import assert from "node:assert/strict";
import { test } from "node:test";
import { hex } from "../../base/text.ts";
import { Bench, FACTS } from "./unit-testing.ts";

const bytes = (text: string) => Uint8Array.from(Buffer.from(text.replace(/\s/g, ""), "hex"));
const block = (byte: number, count = 1) => new Uint8Array(512 * count).fill(byte);
const LAST = "000007ff"; // of 2048 blocks
const END = "00000800";

/** What a fresh unit says: command, data-out, sense ("" for GOOD) and where the standard says so. */
const SAID: [string, string, Uint8Array | undefined, string, string][] = [
  ["TEST UNIT READY", "00", undefined, "", "SPC-4 6.47"],
  ["an unknown opcode", "ff", undefined, "05/20/00", "SPC-4 4.2.3"],
  ["FORMAT UNIT, which we do not know", "04", undefined, "05/20/00", "SPC-4 4.2.3"],
  ["an unknown service action", "9e 1f", undefined, "05/24/00", "SPC-4 4.2.3"],
  ["PERSISTENT RESERVE IN, action 4", "5e 04 0000000000 00ff", undefined, "05/24/00", "SPC-4 6.15.1"],
  ["READ(6) of the last block", "08 00 07ff 01", undefined, "", "SBC-3 5.10"],
  ["READ(6): 0 means 256, beyond the end", "08 00 0701 00", undefined, "05/21/00", "SBC-3 5.10"],
  ["READ(6): bits of the LBA in byte 1", "08 10 0000 01", undefined, "05/21/00", "SBC-3 5.10"],
  ["READ(10) of the last block", `28 00 ${LAST} 00 0001`, undefined, "", "SBC-3 4.5"],
  ["READ(10) one beyond", `28 00 ${LAST} 00 0002`, undefined, "05/21/00", "SBC-3 4.5"],
  ["READ(10) of nothing", "28 00 00000000 00 0000", undefined, "", "SBC-3 5.11"],
  ["READ(10) of nothing at the end", `28 00 ${END} 00 0000`, undefined, "05/21/00", "SBC-3 4.5"],
  ["READ(10) at FFFF_FFFFh", "28 00 ffffffff 00 ffff", undefined, "05/24/00", "SBC-3 6.6.3: too long"],
  ["READ(10) with RDPROTECT", "28 20 00000000 00 0001", undefined, "05/24/00", "SBC-3 5.11"],
  ["READ(10) with RDPROTECT 100b", "28 80 00000000 00 0001", undefined, "05/24/00", "SBC-3 5.11"],
  ["READ(10) with DPO and FUA", "28 18 00000000 00 0001", undefined, "", "SBC-3 5.11"],
  ["READ(12) with RDPROTECT", "a8 e0 00000000 00000001", undefined, "05/24/00", "SBC-3 5.12"],
  ["READ(16) at 2^64 - 1", "88 00 ffffffffffffffff 00000001", undefined, "05/21/00", "SBC-3 4.5"],
  ["READ(16) whose end is 2^64", "88 00 ffffffffffffff00 00000100", undefined, "05/21/00", "SBC-3 4.5"],
  ["READ(16) at 2^63", "88 00 8000000000000000 00000000", undefined, "05/21/00", "SBC-3 4.5"],
  [
    "READ(16) of more than a command may carry",
    "88 00 0000000000000000 00002001",
    undefined,
    "05/24/00",
    "SBC-3 6.6.3",
  ],
  ["WRITE(10)", "2a 00 00000000 00 0001", block(1), "", "SBC-3 5.33"],
  ["WRITE(10) of nothing at the end", `2a 00 ${END} 00 0000`, undefined, "05/21/00", "SBC-3 4.5"],
  ["WRITE(10) with WRPROTECT", "2a 20 00000000 00 0001", block(1), "05/24/00", "SBC-3 5.33"],
  [
    "WRITE(10) of which a part of a block came",
    "2a 00 00000000 00 0001",
    block(1).slice(0, 200),
    "05/0e/03",
    "SAM-5 5.9",
  ],
  ["WRITE(10) of which nothing came", "2a 00 00000000 00 0001", undefined, "", "RFC 7143 11.4.5.2"],
  ["VERIFY(10)", "2f 00 00000000 00 0800", undefined, "", "SBC-3 5.28"],
  ["VERIFY(10) beyond", `2f 00 ${LAST} 00 0002`, undefined, "05/21/00", "SBC-3 5.28"],
  ["VERIFY(10) with VRPROTECT", "2f 20 00000000 00 0001", undefined, "05/24/00", "SBC-3 5.28"],
  ["VERIFY(10) BYTCHK 10b", "2f 04 00000000 00 0001", undefined, "05/24/00", "SBC-3 5.28"],
  ["VERIFY(10) of equal data", "2f 02 00000000 00 0002", block(0, 2), "", "SBC-3 5.28"],
  ["VERIFY(10) of other data", "2f 02 00000000 00 0002", block(7, 2), "0e/1d/00", "SBC-3 5.28"],
  ["VERIFY(10) with less data than it says", "2f 02 00000000 00 0002", block(0), "05/0e/03", "SAM-5 5.9"],
  ["VERIFY(16) of one block for all", "8f 06 0000000000000000 00000800", block(0), "", "SBC-3 5.30"],
  [
    "VERIFY(16) of one other block for all",
    "8f 06 0000000000000000 00000800",
    block(9),
    "0e/1d/00",
    "SBC-3 5.30",
  ],
  ["WRITE AND VERIFY(10)", "2e 02 00000000 00 0001", block(3), "", "SBC-3 5.37"],
  ["WRITE AND VERIFY(10) BYTCHK 11b", "2e 06 00000000 00 0001", block(3), "05/24/00", "SBC-3 5.37"],
  ["PRE-FETCH(10)", "34 02 00000000 00 0001", undefined, "", "SBC-3 5.7"],
  ["PRE-FETCH(16) beyond", "90 00 0000000000000800 00000000", undefined, "05/21/00", "SBC-3 5.8"],
  ["SYNCHRONIZE CACHE(10)", "35", undefined, "", "SBC-3 5.26"],
  ["SYNCHRONIZE CACHE(16) beyond", "91 00 0000000000000800 00000001", undefined, "05/21/00", "SBC-3 5.27"],
  ["COMPARE AND WRITE", "89 00 0000000000000000 000000 01", block(0, 2), "", "SBC-3 5.2"],
  [
    "COMPARE AND WRITE of other data",
    "89 00 0000000000000000 000000 01",
    block(1, 2),
    "0e/1d/00",
    "SBC-3 5.2",
  ],
  [
    "COMPARE AND WRITE of 0 blocks, which may mean 256",
    "89",
    undefined,
    "05/24/00",
    "SBC-3 5.2, and see atomic.ts",
  ],
  [
    "COMPARE AND WRITE with half its data",
    "89 00 0000000000000000 000000 01",
    block(0),
    "05/0e/03",
    "SAM-5 5.9",
  ],
  [
    "COMPARE AND WRITE with WRPROTECT",
    "89 20 0000000000000000 000000 01",
    block(0, 2),
    "05/24/00",
    "SBC-3 5.2",
  ],
  ["COMPARE AND WRITE beyond", "89 00 0000000000000800 000000 01", block(0, 2), "05/21/00", "SBC-3 4.5"],
  ["ORWRITE", "8b 00 0000000000000000 00000001", block(5), "", "SBC-3 5.6"],
  ["ORWRITE beyond", "8b 00 0000000000000800 00000001", block(5), "05/21/00", "SBC-3 5.6"],
  ["WRITE SAME(10)", "41 00 00000000 00 0008", block(5), "", "SBC-3 5.43"],
  ["WRITE SAME(10) of 0 blocks (WSNZ)", "41", block(0), "05/24/00", "SBC-3 5.43"],
  ["WRITE SAME(10) ANCHOR", "41 10 00000000 00 0001", block(0), "05/24/00", "SBC-3 5.43"],
  [
    "WRITE SAME(10) UNMAP and ANCHOR",
    "41 18 00000000 00 0001",
    block(0),
    "05/24/00",
    "SBC-3 5.43: ANC_SUP is 0",
  ],
  [
    "WRITE SAME(10) with bit 0, which is NDOB only in 16",
    "41 01 00000000 00 0001",
    block(0),
    "05/24/00",
    "SBC-3 5.43",
  ],
  ["WRITE SAME(10) PBDATA", "41 04 00000000 00 0001", block(0), "05/24/00", "SBC-3 5.43: obsolete"],
  ["WRITE SAME(10) without its block", "41 00 00000000 00 0001", undefined, "05/0e/03", "SAM-5 5.9"],
  ["WRITE SAME(16) NDOB and UNMAP", "93 09 0000000000000000 00000008", undefined, "", "SBC-3 5.44"],
  [
    "WRITE SAME(16) longer than B0 says",
    "93 08 0000000000000000 00008001",
    block(0),
    "05/24/00",
    "SBC-3 6.6.3",
  ],
  ["WRITE SAME(16) beyond", "93 08 0000000000000000 00000801", block(0), "05/21/00", "SBC-3 4.5"],
  ["UNMAP of nothing", "42", undefined, "", "SBC-3 5.28"],
  ["UNMAP ANCHOR", "42 01 0000000000 0000", undefined, "05/24/00", "SBC-3 5.28"],
  ["UNMAP with half a header", "42 00 0000000000 0004", bytes("00000000"), "05/1a/00", "SBC-3 5.28"],
  ["UNMAP with no descriptors", "42 00 0000000000 0008", bytes("0006 0000 00000000"), "", "SBC-3 5.28"],
  [
    "UNMAP of 0 blocks at the end",
    "42 00 0000000000 0018",
    bytes("0016 0010 00000000 0000000000000800 00000000 00000000"),
    "",
    "SBC-3 5.28",
  ],
  [
    "UNMAP beyond the end",
    "42 00 0000000000 0018",
    bytes("0016 0010 00000000 0000000000000800 00000001 00000000"),
    "05/21/00",
    "SBC-3 4.5",
  ],
  [
    "UNMAP at 2^64 - 1",
    "42 00 0000000000 0018",
    bytes("0016 0010 00000000 ffffffffffffffff ffffffff 00000000"),
    "05/21/00",
    "SBC-3 4.5",
  ],
  [
    "UNMAP of 257 descriptors",
    "42 00 0000000000 1018",
    bytes(`1016 1010 00000000 ${"00".repeat(16 * 257)}`),
    "05/26/00",
    "SBC-3 6.6.3",
  ],
  ["GET LBA STATUS at the end", "9e 12 0000000000000800 00000018", undefined, "05/21/00", "SBC-3 5.5"],
  ["GET LBA STATUS at 2^64 - 1", "9e 12 ffffffffffffffff 00000018", undefined, "05/21/00", "SBC-3 5.5"],
  ["SANITIZE BLOCK ERASE with a reserved bit", "48 42", undefined, "05/24/00", "SBC-3 5.22"],
  [
    "SANITIZE BLOCK ERASE with a parameter list",
    "48 02 0000000000 0008",
    undefined,
    "05/24/00",
    "SBC-3 5.22.4",
  ],
  ["SANITIZE OVERWRITE, which we do not know", "48 01", undefined, "05/24/00", "SBC-3 5.22"],
  ["SANITIZE EXIT FAILURE MODE", "48 1f", undefined, "", "SBC-3 5.22.5"],
  ["INQUIRY with CMDDT", "12 02 00 00ff", undefined, "05/24/00", "SPC-4 6.6.1: obsolete"],
  ["INQUIRY of an unknown page", "12 01 77 00ff", undefined, "05/24/00", "SPC-4 6.6.1"],
  ["INQUIRY with a page, without EVPD", "12 00 01 0100", undefined, "05/24/00", "SPC-4 6.6.1"],
  ["MODE SENSE(6) of saved values", "1a 00 c8 00 ff", undefined, "05/39/00", "SPC-4 6.11.1"],
  ["MODE SENSE(6) of an unknown page", "1a 00 01 00 ff", undefined, "05/24/00", "SPC-4 6.11.1"],
  ["MODE SENSE(6) of an unknown subpage", "1a 00 0a 01 ff", undefined, "05/24/00", "SPC-4 6.11.1"],
  ["MODE SELECT(6) that saves", "15 11 0000 18", bytes("00000000"), "05/24/00", "SPC-4 6.13"],
  ["MODE SELECT(6) without PF", "15 00 0000 04", bytes("00000000"), "05/24/00", "SPC-4 6.13"],
  [
    "MODE SELECT(6) of a field that is ours",
    "15 10 0000 10",
    bytes("00000000 0a0a 00 10 00 40 0000 0000 0000"),
    "05/26/00",
    "SPC-4 6.13",
  ],
  ["MODE SELECT(6) of an unknown page", "15 10 0000 06", bytes("00000000 0100"), "05/26/00", "SPC-4 6.13"],
  ["MODE SELECT(6) of half a page", "15 10 0000 08", bytes("00000000 0a0a0000"), "05/1a/00", "SPC-4 6.13"],
  [
    "MODE SELECT(6) whose block descriptor is not there",
    "15 10 0000 04",
    bytes("00000008"),
    "05/1a/00",
    "SPC-4 6.13",
  ],
  ["SEND DIAGNOSTIC: self-test", "1d 04", undefined, "", "SPC-4 6.42"],
  ["READ DEFECT DATA(10)", "37 00 0d 00000000 00ff", undefined, "", "SBC-3 5.18"],
  [
    "RECEIVE COPY STATUS of no copy",
    "84 00 07 00000000000000 000000ff",
    undefined,
    "05/24/00",
    "SPC-4 6.23.2",
  ],
  ["EXTENDED COPY of nothing", "83", undefined, "", "SPC-4 6.4.1"],
  [
    "RSOC of an opcode with actions, told without one",
    "a3 0c 01 9e 0000 000000ff",
    undefined,
    "05/24/00",
    "SPC-4 6.35.1",
  ],
  [
    "RSOC of an opcode without actions, told with one",
    "a3 0c 02 28 0000 000000ff",
    undefined,
    "05/24/00",
    "SPC-4 6.35.1",
  ],
  [
    "PERSISTENT RESERVE OUT with a list of another length",
    "5f 00 00 0000 00000010",
    new Uint8Array(16),
    "05/1a/00",
    "SPC-4 6.16.1",
  ],
  [
    "PERSISTENT RESERVE OUT with SPEC_I_PT",
    "5f 00 00 0000 00000018",
    bytes(`${"00".repeat(20)}08000000`),
    "05/26/00",
    "SPC-4 6.16.3",
  ],
];
for (const [what, cdb, dataOut, sense, source] of SAID)
  test(`a unit says ${sense || "GOOD"} to ${what} (${source})`, () => {
    const told = new Bench().login("a").ask("a", cdb, dataOut);
    assert.deepEqual([told.status, told.sense], sense ? [2, sense] : [0, ""]);
  });

const IN: [string, string, string][] = [
  ["READ CAPACITY(10)", "25", "000007ff 00000200"],
  [
    "READ CAPACITY(16): LBPME, LBPRZ",
    "9e 10 0000000000000000 00000020",
    `00000000000007ff 00000200 0000 c000 ${"00".repeat(16)}`,
  ],
  ["READ CAPACITY(16), cut", "9e 10 0000000000000000 0000000a", "00000000000007ff 0000"],
  ["VPD 00", "12 01 00 00ff", "00000007 00 80 83 86 b0 b1 b2"],
  ["VPD 80", "12 01 80 00ff", `00800010 ${hex(Buffer.from(FACTS.serial))}`],
  [
    "VPD B0: 4 MiB, 255 blocks compared, 2^20 blocks unmapped by 256 descriptors, WSNZ",
    "12 01 b0 00ff",
    `00b0003c 01ff0008 00002000 00000000 00002000 00100000 00000100 00000008 80000000 0000000000008000 ${"00".repeat(20)}`,
  ],
  ["VPD B1: not rotating, WABEREQ", "12 01 b1 0008", "00b1003c 00010040"],
  ["VPD B2: LBPU, LBPWS, LBPWS10, LBPRZ; thin", "12 01 b2 00ff", "00b20004 00e40200"],
  [
    "MODE SENSE(6) of the caching page: WCE",
    "1a 08 08 00 ff",
    "17 00 10 00 08120400 00000000 00000000 00000000 00000000",
  ],
  ["MODE SENSE(6) of the control page: TAS", "1a 08 0a 00 ff", "0f 00 10 00 0a0a0000 00400000 00000000"],
  ["what may be changed in it: D_SENSE, SWP", "1a 08 4a 00 ff", "0f 00 10 00 0a0a0400 08000000 00000000"],
  ["MODE SENSE(6) with a block descriptor", "1a 00 0a 00 10", "17 00 10 08 00000800 00000200 0a0a0000"],
  [
    "MODE SENSE(10) with a long one",
    "5a 10 0a 00000000 001c",
    "0022 00 10 01 00 0010 0000000000000800 00000000 00000200 0a0a0000",
  ],
  ["READ DEFECT DATA(12)", "b7 0d 00000000 000000ff", "000d0000 00000000"],
  ["REQUEST SENSE", "03 00 0000 ff", "70000000000000 0a 00000000 0000 00 00 0000"],
  ["REQUEST SENSE as descriptors", "03 01 0000 ff", "7200000000000000"],
  ["RSOC of READ(10)", "a3 0c 01 28 0000 000000ff", "0003000a 2818ffffffff00ffff00"],
  [
    "RSOC of READ CAPACITY(16) with timeouts",
    "a3 0c 82 9e 0010 000000ff",
    `00830010 9e100000000000000000ffffffff0000 000a ${"00".repeat(10)}`,
  ],
  ["RSOC of a command that we do not know", "a3 0c 01 04 0000 000000ff", "00010000"],
  ["REPORT SUPPORTED TMF", "a3 0d 00 000000 000000ff", "c8000000"],
  [
    "GET LBA STATUS of a fresh volume",
    "9e 12 0000000000000001 000000ff",
    "00000014 00000000 0000000000000001 000007ff 01 000000",
  ],
  ["PRIN READ KEYS", "5e 00 0000000000 00ff", "00000000 00000000"],
  ["PRIN REPORT CAPABILITIES", "5e 02 0000000000 00ff", "0008 05 80 ea01 0000"],
  [
    "RECEIVE COPY OPERATING PARAMETERS",
    "84 03 0000000000000000 000000ff",
    "0000002a 00000000 0002 0010 00000400 01fffe00 00000000 00000000 00000000 0000 0010 10 09 0000 000000 02 02e4",
  ],
];
for (const [what, cdb, dataIn] of IN)
  test(`a unit answers ${what}`, () => {
    assert.equal(hex(new Bench().login("a").ask("a", cdb).dataIn), dataIn.replaceAll(" ", ""));
  });

test("standard INQUIRY names vendor and product, and the standards", () => {
  const { dataIn } = new Bench().login("a").ask("a", "12 00 00 00ff");
  assert.equal(dataIn.length, 96);
  assert.equal(dataIn[4], 91);
  assert.equal(Buffer.from(dataIn.subarray(8, 36)).toString(), "BRAMBLE VOLUME          1   ");
  assert.equal(hex(dataIn.subarray(58, 66)), "00a0046004c00960");
});

test("VPD 83 names the unit three ways, and the port; the same after a restart", () => {
  const said = () => new Bench().login("a").ask("a", "12 01 83 00ff").dataIn;
  const page = said();
  assert.equal(
    hex(page.subarray(0, 16)),
    "00830051010300083123456789abcdef".replace("0051", hex(page.subarray(2, 4))),
  );
  const text = Buffer.from(page).toString("latin1");
  assert.ok(text.includes("BRAMBLE VOLUME:0123456789abcdef"));
  assert.ok(text.includes("naa.3123456789ABCDEF"));
  assert.equal(hex(page.subarray(-8)), "5194000400000001");
  assert.equal((page[2] as number) * 256 + (page[3] as number), page.length - 4);
  assert.deepEqual(said(), page);
});
