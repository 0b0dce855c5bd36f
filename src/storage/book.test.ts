import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { sql } from "kysely";
import { openBook } from "./book.ts";

const folder = (t: { after(fn: () => void): void }) => {
  const path = mkdtempSync(join(tmpdir(), "book-"));
  t.after(() => rmSync(path, { recursive: true }));
  return path;
};

test("a book keeps what was written over a reopen, and has its default profile", async (t) => {
  const path = join(folder(t), "book.db");
  const book = await openBook(path);
  await book.insertInto("setting").values({ name: "enrol", value: "ask" }).execute();
  await book.destroy();
  const again = await openBook(path);
  t.after(() => again.destroy());
  assert.equal((await again.selectFrom("setting").selectAll().executeTakeFirstOrThrow()).value, "ask");
  assert.deepEqual(
    (await again.selectFrom("profile").selectAll().execute()).map((p) => p.name),
    ["default"],
  );
});

test("a transaction that fails leaves nothing behind", async (t) => {
  const book = await openBook(join(folder(t), "book.db"));
  t.after(() => book.destroy());
  await assert.rejects(
    book.transaction().execute(async (trx) => {
      await trx.insertInto("setting").values({ name: "a", value: "1" }).execute();
      await trx.insertInto("setting").values({ name: "a", value: "2" }).execute();
    }),
  );
  assert.equal((await book.selectFrom("setting").selectAll().execute()).length, 0);
});

test("openBook() refuses a file that is no book, with a hint", async (t) => {
  const path = join(folder(t), "book.db");
  writeFileSync(path, "this is not a database, though it is long enough to look like one".repeat(100));
  await assert.rejects(openBook(path), (error: Error & { code: string; hint: string }) => {
    assert.equal(error.code, "BOOK_DAMAGED");
    assert.match(error.hint, /restore/);
    return true;
  });
});

test("a transaction on a full disk fails by that, and the next one has room again", async (t) => {
  const book = await openBook(join(folder(t), "book.db"));
  t.after(() => book.destroy());
  const pages = async (most: number) => {
    const { rows } = await sql<{ max_page_count: number }>`pragma max_page_count = ${sql.lit(most)}`.execute(
      book,
    );
    return rows[0]?.max_page_count ?? 0;
  };
  const write = (name: string) =>
    book.transaction().execute((trx) =>
      trx
        .insertInto("setting")
        .values({ name, value: "x".repeat(1 << 20) })
        .execute(),
    );
  const now = await pages(1);
  assert.ok(now > 1, "SQLite takes no fewer than there are");
  await assert.rejects(write("much"), { code: "SQLITE_FULL" });
  await pages(now + 1_000);
  await write("more");
  const names = await book
    .selectFrom("setting")
    .select("name")
    .where("name", "in", ["much", "more"])
    .execute();
  assert.deepEqual(names, [{ name: "more" }]);
});
