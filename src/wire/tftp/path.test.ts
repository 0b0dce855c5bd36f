import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { treePath } from "./path.ts";

const ROWS: [asked: string, path: string | undefined][] = [
  ["config.txt", "config.txt"],
  ["/config.txt", "config.txt"],
  ["da591740//overlays/bcm2712d0.dtbo", "da591740/overlays/bcm2712d0.dtbo"],
  ["//a///b/", "a/b"],
  ["boot\\x64\\wdsnbp.com", "boot\\x64\\wdsnbp.com"],
  ["...", "..."],
  ["a..b/.hidden", "a..b/.hidden"],
  ["..", undefined],
  ["a/../b", undefined],
  ["a/..", undefined],
  ["./a", undefined],
  ["/", undefined],
  ["", undefined],
  ["a\0b", undefined],
  ["a\nb", undefined],
  ["a\x1b[2Jb", undefined],
];

for (const [asked, path] of ROWS)
  test(`treePath(${JSON.stringify(asked)})`, () => assert.equal(treePath(asked), path));

test("treePath() never leaves the tree, and what it gave it gives again", () => {
  const unit = fc.constantFrom("a", ".", "/", "\\", "\0", "..", "/../");
  fc.assert(
    fc.property(fc.string({ unit, maxLength: 12 }), (asked) => {
      const path = treePath(asked);
      if (path === undefined) return;
      assert.ok(!path.startsWith("/") && !path.endsWith("/") && !path.includes("//"));
      assert.ok(!path.split("/").some((part) => part === "." || part === ".."));
      assert.equal(treePath(path), path);
    }),
    { numRuns: 2000 },
  );
});
