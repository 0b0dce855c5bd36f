import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { XdrReader, XdrWriter } from "../xdr.ts";
import { HANDLE_BYTES, type HandleFacts, isOf, readHandle, writeHandle, writeOldHandle } from "./handle.ts";

const word = fc.nat(0xffff_ffff);
const facts = fc.record({ export: word, generation: word, salt: word });
const encoded = (of: HandleFacts, ino: number): Uint8Array => {
  const w = new XdrWriter().into(new Uint8Array(4 + HANDLE_BYTES));
  writeHandle(w, of, ino);
  return w.bytes;
};

test("a handle names its file again", () => {
  fc.assert(
    fc.property(facts, fc.maxSafeNat(), (of, ino) => {
      const handle = readHandle(new XdrReader().over(encoded(of, ino)));
      assert.equal(handle?.ino, ino);
      assert.equal(isOf(handle, of), true);
    }),
  );
});

test("a handle with any one of its bits changed is none", () => {
  fc.assert(
    fc.property(facts, fc.maxSafeNat(), (of, ino) => {
      for (let bit = 32; bit < 32 + HANDLE_BYTES * 8; bit++) {
        const bytes = encoded(of, ino);
        bytes[bit >> 3] = (bytes[bit >> 3] as number) ^ (1 << (bit & 7));
        const handle = readHandle(new XdrReader().over(bytes));
        assert.ok(!handle || !isOf(handle, of), `bit ${bit}`);
      }
    }),
    { numRuns: 20 },
  );
});

test("a handle is worth nothing in another export, after a reset, and without the salt", () => {
  const of = { export: 3, generation: 5, salt: 0xdeadbeef };
  const handle = readHandle(new XdrReader().over(encoded(of, 42)));
  assert.ok(handle);
  assert.equal(isOf(handle, { ...of, export: 4 }), false);
  assert.equal(isOf(handle, { ...of, generation: 6 }), false);
  assert.equal(isOf(handle, { ...of, salt: 0xdeadbeee }), false);
  assert.equal(isOf({ ...handle, export: 4 }, { ...of, export: 4 }), false);
});

test("what holds for the checks of two handles of one export does not hold in another: they cannot be added up", () => {
  const check = (salt: number, ino: number) => {
    const handle = readHandle(new XdrReader().over(encoded({ export: 1, generation: 1, salt }, ino)));
    return handle?.check ?? 0;
  };
  let equal = 0;
  for (let ino = 3; ino < 103; ino++)
    if ((check(1, 2) ^ check(1, ino)) === (check(0x9abc_def0, 2) ^ check(0x9abc_def0, ino))) equal += 1;
  assert.equal(equal, 0);
});

test("handles of other lengths are none of ours; those that RFC 1813 forbids are garbage", () => {
  for (const length of [0, 8, 16, 23, 32, 64]) {
    const r = new XdrReader().over(new XdrWriter().into(new Uint8Array(72)).u32(length).bytes);
    assert.equal(readHandle(r), undefined);
  }
  const r = new XdrReader().over(new XdrWriter().into(new Uint8Array(100)).u32(65).bytes);
  assert.throws(() => readHandle(r), { code: "WIRE_VALUE" });
});

test("a handle of MOUNT version 2 is the same one, filled up with zeros and nothing else", () => {
  const of = { export: 3, generation: 5, salt: 0xdeadbeef };
  const w = new XdrWriter().into(new Uint8Array(36));
  writeOldHandle(w.u32(32), of, 42);
  const handle = readHandle(new XdrReader().over(w.bytes));
  assert.ok(handle && isOf(handle, of));
  assert.deepEqual(handle, readHandle(new XdrReader().over(encoded(of, 42))));
  for (let at = 4 + HANDLE_BYTES; at < 36; at++) {
    const bytes = w.bytes.slice();
    bytes[at] = 0x80;
    assert.equal(readHandle(new XdrReader().over(bytes)), undefined, `byte ${at}`);
  }
});
