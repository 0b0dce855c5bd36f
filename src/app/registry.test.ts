import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { openBook } from "../storage/book.ts";
import { Registry } from "./registry.ts";

test("a stranger who invents serials fills neither memory nor the book, and known boards are still heard", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "registry-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const book = await openBook(join(folder, "book.db"));
  t.after(() => book.destroy());
  const registry = await Registry.open(book);
  const serial = (i: number) => (0x20000000 + i).toString(16);
  let seen = 0;
  while (registry.see({ serial: serial(seen) }, seen)) seen += 1;
  assert.equal(seen, 2_000);
  assert.equal(registry.see({ serial: serial(5) }, 9_999)?.isNew, false);

  const known = registry.need(serial(7));
  registry.live(known, { ...known, state: "deployed" });
  assert.equal(
    registry.see({ serial: "3fffffff" }, 1)?.isNew,
    true,
    "an enrolled board makes room for one more",
  );
  await registry.settled();
  const rows = await book.selectFrom("node").select("id").execute();
  assert.equal(rows.length, 2_001);
});
