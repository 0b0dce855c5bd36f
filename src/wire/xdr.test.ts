import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { padded, XdrReader, XdrWriter } from "./xdr.ts";

const written = (write: (w: XdrWriter) => void): Uint8Array => {
  const w = new XdrWriter().into(new Uint8Array(8192));
  write(w);
  return w.bytes.slice(0, w.at);
};
const latin1 = fc.array(fc.integer({ min: 0, max: 255 }), { maxLength: 1500 });

test("what is written is read, in words of four bytes", () => {
  fc.assert(
    fc.property(
      fc.nat(0xffff_ffff),
      fc.maxSafeNat(),
      fc.boolean(),
      fc.uint8Array({ maxLength: 300 }),
      latin1,
      (small, large, yes, opaque, characters) => {
        const text = String.fromCharCode(...characters);
        const bytes = written((w) =>
          w.u32(small).u64(large).bool(yes).opaque(opaque).text(text).fixed(opaque),
        );
        assert.equal(bytes.length, 4 + 8 + 4 + 8 + 2 * padded(opaque.length) + padded(text.length));
        const r = new XdrReader().over(bytes);
        assert.deepEqual([r.u32(), r.u64(), r.bool()], [small, large, yes]);
        assert.deepEqual(r.opaque(300), opaque);
        assert.equal(r.text(1500), text);
        assert.deepEqual(r.fixed(opaque.length), opaque);
        assert.equal(r.left, 0);
      },
    ),
  );
});

test("a part of a buffer ends where the part ends", () => {
  const bytes = written((w) => w.u32(1).u32(2).u32(3));
  const r = new XdrReader().over(bytes, 4, 8);
  assert.equal(r.u32(), 2);
  assert.throws(() => r.u32(), { code: "WIRE_SHORT" });
});

test("lengths that lie cost nothing and throw", () => {
  for (const length of [5, 0x7fff_ffff, 0xffff_ffff, 0xffff_fffd]) {
    const bytes = written((w) => w.u32(length).u32(0));
    const r = () => new XdrReader().over(bytes);
    assert.throws(() => r().opaque(0xffff_ffff), { code: "WIRE_SHORT" });
    assert.throws(() => r().text(255), { code: "WIRE_SHORT" });
    assert.throws(() => r().opaque(4), { code: "WIRE_VALUE" });
  }
});

test("of a string that is too long one character more than allowed is read, and all of it passed over", () => {
  const r = new XdrReader().over(written((w) => w.text("x".repeat(1001)).u32(7)));
  assert.equal(r.text(255).length, 256);
  assert.equal(r.u32(), 7);
});

test("a writer never writes behind its buffer", () => {
  const w = () => new XdrWriter().into(new Uint8Array(8), 4);
  assert.throws(() => w().u64(1), RangeError);
  assert.throws(() => w().text("a"), RangeError);
  assert.throws(() => w().fixed(new Uint8Array(5)), RangeError);
  assert.equal(w().u32(1).at, 8);
});

test("padding is zero, whatever the buffer held before", () => {
  const bytes = new Uint8Array(24).fill(0xff);
  new XdrWriter().into(bytes).opaque(new Uint8Array(5)).text("abc");
  assert.deepEqual(bytes.subarray(4, 12), new Uint8Array(8));
  assert.deepEqual([...bytes.subarray(12, 20)], [0, 0, 0, 3, 97, 98, 99, 0]);
});
