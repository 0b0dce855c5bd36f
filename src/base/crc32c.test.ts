import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { crc16, crc32, crc32c, crc32cRaw } from "./crc32c.ts";
import { toLatin1 } from "./text.ts";

const CHECK = toLatin1("123456789");

test("the check values of the catalogue of CRCs, and RFC 3720's", () => {
  assert.equal(crc32c(CHECK), 0xe3069283);
  assert.equal(crc32(CHECK), 0xcbf43926);
  assert.equal(crc16(0, CHECK), 0xbb3d);
  // RFC 3720 B.4
  assert.equal(crc32c(new Uint8Array(32)), 0x8a9136aa);
  assert.equal(crc32c(new Uint8Array(32).fill(0xff)), 0x62a8ab43);
  assert.equal(crc32c(Uint8Array.from({ length: 32 }, (_, i) => i)), 0x46dd794e);
});

test("a checksum can be taken in pieces, cut anywhere", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 70 }), fc.nat(70), (bytes, at) => {
      const cut = Math.min(at, bytes.length);
      const [a, b] = [bytes.subarray(0, cut), bytes.subarray(cut)];
      assert.equal(crc32c(b, crc32c(a)), crc32c(bytes));
      assert.equal(crc32(b, crc32(a)), crc32(bytes));
      assert.equal(~crc32cRaw(0xffffffff, bytes) >>> 0, crc32c(bytes));
      assert.equal(crc32cRaw(crc32cRaw(7, bytes, 0, cut), bytes, cut), crc32cRaw(7, bytes));
    }),
  );
});
