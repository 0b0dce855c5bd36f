import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { shared } from "../../test/tools.ts";
import { boardOfRevision, boardTypeOf, dtbOf, familyOf, MODELS, macOfSerial, revisionOf } from "./boards.ts";

test("boardOfRevision() reads every code of Raspberry Pi's table", (t) => {
  const path = shared(t, "fixtures/pi/identity/revision-codes.json");
  if (!path) return;
  const { newStyleDecoded, oldStyle } = JSON.parse(readFileSync(path, "utf8"));
  assert.ok(newStyleDecoded.length > 40);
  for (const row of newStyleDecoded) {
    const facts = boardOfRevision(Number.parseInt(row.code, 16));
    const type = row.type === "500/500+" ? "500" : row.type;
    assert.deepEqual(
      [facts.type, facts.memoryMb, facts.family, facts.revision],
      [type, row.memoryMB, row.processor.toLowerCase(), row.revision],
      row.code,
    );
  }
  for (const [code, row] of Object.entries<{ model: string; ramMB: number | string }>(oldStyle)) {
    const facts = boardOfRevision(Number.parseInt(code, 16));
    assert.equal(facts.type, row.model, code);
    if (typeof row.ramMB === "number") assert.equal(facts.memoryMb, row.ramMB, code);
  }
});

test("boardOfRevision() ignores warranty and overclocking bits, and tells a 2B v1.2 from a 2B", () => {
  assert.equal(boardOfRevision(0x2a02082).model, "3B");
  assert.equal(boardOfRevision(0xa01041).model, "2B");
  assert.equal(boardOfRevision(0xa02042).model, "2Bv1.2");
  assert.equal(boardOfRevision(0x902120).model, undefined); // Zero 2 W: no wired port
  assert.equal(boardOfRevision(0xb041a0).model, "CM5");
});

test("every model's own revision code leads back to it", () => {
  for (const model of MODELS) {
    const facts = boardOfRevision(revisionOf(model));
    assert.equal(facts.model, model);
    assert.equal(facts.family, familyOf(model));
    if (facts.boardType >= 0) assert.equal(facts.boardType, boardTypeOf(model));
  }
});

test("dtb names are those that boards were seen to ask for", () => {
  assert.equal(dtbOf("3B"), "bcm2710-rpi-3-b.dtb");
  assert.equal(dtbOf("3B+"), "bcm2710-rpi-3-b-plus.dtb");
  assert.equal(dtbOf("4B"), "bcm2711-rpi-4-b.dtb");
  assert.equal(dtbOf("5"), "bcm2712-rpi-5-b.dtb");
  assert.equal(dtbOf("CM5"), "bcm2712-rpi-cm5-cm5io.dtb");
  assert.equal(dtbOf("CM5", 0x1a), "bcm2712-rpi-cm5l-cm5io.dtb");
});

test("up to the 3B+ the MAC follows from the serial", () => {
  assert.equal(macOfSerial("a2ef5644"), "b8:27:eb:ef:56:44"); // firmware issue 1362
  assert.equal(macOfSerial("b66c4c16"), "b8:27:eb:6c:4c:16"); // firmware issue 1605
});
