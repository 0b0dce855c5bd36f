import assert from "node:assert/strict";
import { test } from "node:test";
import { apiBed } from "./api-bed.ts";

const MB = 1 << 20;

test("an import of places that is too long is refused as such, whichever limit it reaches; one below them is read", async (t) => {
  const { ask, tokenOf } = await apiBed(t);
  const token = await tokenOf("operator");
  const put = (csv: string) => ask("POST", "/places/csv", { token, body: { csv, dryRun: true } });
  const rows = (n: number) => `node,rack\n${"nobody,1\n".repeat(n)}`;
  const fits = await put(rows(20_000));
  assert.deepEqual([fits.status, fits.body.refusedRows], [200, 20_000]);
  const row = await put(rows(20_001));
  assert.deepEqual([row.status, row.body.code], [400, "BAD_INPUT"]);
  assert.match(row.body.detail ?? row.body.title, /more than 20000 rows/);
  const character = await put("x".repeat(10 * MB + 1));
  assert.deepEqual([character.status, character.body.code], [400, "BAD_INPUT"]);
  assert.match(
    character.body.detail ?? character.body.title,
    /csv must not have more than 10485760 characters/,
  );
  // line ends are two characters in JSON: the body's own limit comes first
  const body = await put("a\n".repeat(5 * MB));
  assert.deepEqual([body.status, body.body.code], [413, "BODY_TOO_LONG"]);
  assert.equal(body.body.hint, `at most ${11 * MB} bytes`);
});
