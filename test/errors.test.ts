import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

const codes = (text: string, pattern: RegExp) =>
  [...text.matchAll(pattern)].map((match) => match[1] ?? "").sort();

test("docs/errors.md has a paragraph for every code, and none for a code that is gone", () => {
  const source = readFileSync("src/base/errors.ts", "utf8");
  const inCode = codes(source, /^ {2}\| "([A-Z_]+)"/gm);
  const inDocs = codes(readFileSync("docs/errors.md", "utf8"), /\*\*([A-Z_]+)\*\*/g);
  assert.ok(inCode.length > 30, "found no codes: has the list another form now?");
  assert.deepEqual(inDocs, inCode);
});
