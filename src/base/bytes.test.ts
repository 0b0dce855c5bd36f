import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { concat, Reader, Writer } from "./bytes.ts";

test("a writer grows past its first capacity, and a reader gives the same back", () => {
  const field = fc.oneof(
    fc.record({ kind: fc.constant("u8" as const), value: fc.nat(0xff) }),
    fc.record({ kind: fc.constant("u16" as const), value: fc.nat(0xffff) }),
    fc.record({ kind: fc.constant("u32" as const), value: fc.nat(0xffffffff) }),
    fc.record({ kind: fc.constant("bytes" as const), value: fc.uint8Array({ maxLength: 40 }) }),
  );
  fc.assert(
    fc.property(fc.array(field), fc.nat(20), (fields, capacity) => {
      const w = new Writer(capacity);
      for (const f of fields) {
        if (f.kind === "bytes") w.bytes(f.value);
        else w[f.kind](f.value);
      }
      w.u64(0x0123456789abcdefn).zeros(3);
      const r = new Reader("test", w.done());
      for (const f of fields) {
        if (f.kind === "bytes") assert.deepEqual(Uint8Array.from(r.view(f.value.length, "x")), f.value);
        else assert.equal(r[f.kind]("x"), f.value);
      }
      assert.equal(r.u64("x"), 0x0123456789abcdefn);
      assert.deepEqual(r.view(r.left, "x"), new Uint8Array(3));
    }),
  );
});

test("a reader names the field that it could not read, and where", () => {
  const r = new Reader("TFTP", Uint8Array.of(0));
  assert.throws(() => r.u16("block"), /TFTP: block at byte 0 needs 2 bytes, 1 left/);
  assert.throws(() => new Reader("X", Uint8Array.of(65, 66)).text("name"), /name at byte 0: no NUL/);
});

test("concat() copies: overwriting a part changes nothing", () => {
  const part = Uint8Array.of(1, 2);
  const whole = concat([part, Uint8Array.of(3)]);
  part.fill(9);
  assert.deepEqual(whole, Uint8Array.of(1, 2, 3));
});
