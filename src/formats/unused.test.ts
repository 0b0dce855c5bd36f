import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { clearRuns } from "./unused.ts";

test("clearRuns() names exactly the zero bits, in order, no two runs side by side", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 12 }), fc.nat(96), (bitmap, wish) => {
      const bits = Math.min(wish, bitmap.length * 8);
      const clear = new Set<number>();
      let end = -1;
      for (const { first, count } of clearRuns(bitmap, bits)) {
        assert.ok(first > end && count > 0);
        end = first + count;
        for (let bit = first; bit < end; bit++) clear.add(bit);
      }
      for (let bit = 0; bit < bits; bit++)
        assert.equal(clear.has(bit), (((bitmap[bit >> 3] ?? 0) >> (bit & 7)) & 1) === 0);
      assert.ok(end <= bits);
    }),
  );
});
