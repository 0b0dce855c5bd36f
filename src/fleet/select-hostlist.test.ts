import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { foldHostlist, parseHostlist } from "./select-hostlist.ts";

test("parseHostlist() counts in brackets, keeps the width, multiplies several, and names each once", () => {
  for (const [text, expected] of [
    ["pi-1", "pi-1"],
    ["pi[01-03,10]", "pi01 pi02 pi03 pi10"],
    ["pi[8-11]", "pi8 pi9 pi10 pi11"],
    ["pi[08-11]", "pi08 pi09 pi10 pi11"],
    ["r[1-2]-[1-2]x", "r1-1x r1-2x r2-1x r2-2x"],
    ["a, b\tc,,a", "a b c"],
    ["pi[3,3]", "pi3"],
    ["", ""],
  ] as const)
    assert.equal(parseHostlist(text).join(" "), expected, text);
});

test("parseHostlist() names the column that it cannot read, and makes no more than 20,000 names", () => {
  for (const [text, column] of [
    ["pi[", 3],
    ["pi]", 3],
    ["pi[1[2]]", 5],
    ["pi[]", 4],
    ["pi[1,x]", 6],
    ["pi[1,5-2]", 6],
    ["pi[1-2-3]", 4],
    ["a,pi[0-20000]", 6],
    ["x[1-999999999]", 3],
    ["x[1-200][1-200]", 1],
    ["a[1-15000],b[1-15000]", 12],
  ] as const)
    assert.throws(
      () => parseHostlist(text),
      (error: { code: string; message: string }) => {
        assert.equal(error.code, "HOSTLIST_BAD");
        assert.match(error.message, new RegExp(`^hostlist:1:${column}: `), text);
        return true;
      },
      text,
    );
  assert.throws(() => parseHostlist("x".repeat(70_000)), { code: "HOSTLIST_BAD" });
});

test("foldHostlist() is short", () => {
  for (const [names, expected] of [
    ["pi3 pi1 pi2", "pi[1-3]"],
    ["pi08 pi09 pi10", "pi[08-10]"],
    ["pi8 pi08", "pi[8,08]"],
    ["web pi-1", "pi-1,web"],
    ["r1-1 r1-2 r2-1", "r1-[1-2],r2-1"],
  ] as const)
    assert.equal(foldHostlist(names.split(" ")), expected);
});

test("names that are folded and read again are the same names", () => {
  const name = fc
    .tuple(fc.constantFrom("pi", "pi-", "r1-", "0", ""), fc.nat(120), fc.constantFrom(0, 2, 3))
    .map(([stem, n, width]) => stem + String(n).padStart(width, "0"));
  fc.assert(
    fc.property(fc.uniqueArray(name, { maxLength: 40 }), (names) => {
      assert.deepEqual(parseHostlist(foldHostlist(names)).sort(), names.sort());
    }),
    { numRuns: 300, seed: 5 },
  );
});
