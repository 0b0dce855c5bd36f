import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { negotiate } from "./terms.ts";

const MOST = { blockSize: 1468, windowSize: 16 };
const agreed = (...asked: [string, string][]) => [...negotiate(new Map(asked), 9000, MOST).agreed];

test("negotiate() answers what a board asked, in its order, and nothing else", () => {
  assert.deepEqual(agreed(["tsize", "0"], ["blksize", "1024"]), [
    ["tsize", "9000"],
    ["blksize", "1024"],
  ]);
  assert.deepEqual(agreed(["blksize", "1468"], ["multicast", ""], ["tsize", "0"]), [
    ["blksize", "1468"],
    ["tsize", "9000"],
  ]);
  assert.deepEqual(agreed(), []);
});

test("negotiate() never agrees to more than was asked or than the path carries", () => {
  assert.deepEqual(agreed(["blksize", "65464"], ["windowsize", "64"]), [
    ["blksize", "1468"],
    ["windowsize", "16"],
  ]);
  const terms = negotiate(new Map([["blksize", "700"]]), 1, MOST);
  assert.equal(terms.blockSize, 700);
});

test("negotiate() leaves out what cannot be, and then RFC 1350 holds", () => {
  for (const [name, value] of [
    ["blksize", "7"],
    ["blksize", "many"],
    ["blksize", "-512"],
    ["blksize", ""],
    ["timeout", "0"],
    ["timeout", "256"],
    ["windowsize", "0"],
    ["windowsize", "1e3"],
    ["tsize", "?"],
  ] as const) {
    const terms = negotiate(new Map([[name, value]]), 1, MOST);
    assert.deepEqual([...terms.agreed], [], `${name}=${value}`);
    assert.deepEqual([terms.blockSize, terms.windowSize, terms.timeoutMs], [512, 1, 1000]);
  }
});

test("negotiate() takes a timeout as it is (RFC 2349), and from then on it does not grow", () => {
  const terms = negotiate(new Map([["timeout", "3"]]), 1, MOST);
  assert.deepEqual([...terms.agreed], [["timeout", "3"]]);
  assert.deepEqual([terms.timeoutMs, terms.steady], [3000, true]);
});

test("negotiate() gives terms within bounds for any options", () => {
  const names = fc.constantFrom("tsize", "blksize", "timeout", "windowsize", "else");
  const values = fc.oneof(fc.string(), fc.nat().map(String), fc.maxSafeNat().map(String));
  fc.assert(
    fc.property(fc.array(fc.tuple(names, values)), fc.maxSafeNat(), (pairs, size) => {
      const asked = new Map(pairs);
      const terms = negotiate(asked, size, MOST);
      assert.ok(terms.blockSize >= 8 && terms.blockSize <= 1468);
      assert.ok(terms.windowSize >= 1 && terms.windowSize <= 16);
      assert.ok(terms.timeoutMs >= 1000 && terms.timeoutMs <= 255_000);
      assert.deepEqual(
        [...terms.agreed.keys()],
        [...asked.keys()].filter((name) => terms.agreed.has(name)),
      );
    }),
  );
});
