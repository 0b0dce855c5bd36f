import assert from "node:assert/strict";
import { copyFileSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { Kysely } from "kysely";
import Libsql from "libsql";
import { emptyLog, openBook } from "./book.ts";
import { type CheckpointOptions, checkpointsOf } from "./book-checkpoints.ts";
import { BookDialect } from "./book-driver.ts";
import { keepingStatements } from "./book-statements.ts";

const KB = "x".repeat(1_000);

function file(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "checkpoints-"));
  t.after(() => rmSync(folder, { recursive: true }));
  return join(folder, "t.db");
}

/** A database that makes no checkpoints by itself, and never asks the disk to keep anything: this is about the log's length alone. */
function rig(t: TestContext, every: number, during?: () => void) {
  const path = file(t);
  const database = new Libsql(path);
  database.exec("PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF; PRAGMA wal_autocheckpoint=0;");
  database.exec("create table t (a integer primary key, b text)");
  const alone: CheckpointOptions["alone"] = (work) =>
    dialect.alone(() => {
      during?.();
      return work();
    });
  const checkpoints = checkpointsOf(path, { every, alone });
  const dialect = new BookDialect(
    { database: keepingStatements(database) },
    {
      async sync() {
        checkpoints.written();
        await new Promise<void>((resolve) => setImmediate(resolve)); // as a disk does: other things have their turn
      },
      closing: checkpoints.close,
    },
  );
  const book = new Kysely<{ t: { a: number; b: string } }>({ dialect });
  t.after(() => book.destroy());
  const put = (a: number) =>
    book
      .insertInto("t")
      .values({ a, b: KB })
      .onConflict((c) => c.column("a").doUpdateSet({ b: KB }))
      .execute();
  return { path, book, put, checkpoints };
}
/** Commits without a pause: there are always some that wait. */
async function flood(put: (a: number) => Promise<unknown>, commits: number): Promise<void> {
  let n = 0;
  const writer = async () => {
    while (n < commits) await put(n++ % 500);
  };
  await Promise.all([writer(), writer(), writer()]);
}

test("the log begins anew also where commits never pause", async (t) => {
  let alone = 0;
  const { path, put, checkpoints } = rig(t, 16, () => {
    alone += 1;
  });
  await flood(put, 8_000);
  await checkpoints.close();
  const mb = statSync(`${path}-wal`).size / 1e6;
  assert.ok(alone > 0, "a checkpoint has had the book to itself");
  assert.ok(mb < 16, `${mb.toFixed(1)} MB of log after 8,000 commits of 8 kB and more`);
});

test("a log that is emptied is empty, and the file alone has everything; commits meanwhile are kept", async (t) => {
  const { path, book, put, checkpoints } = rig(t, 1_000_000);
  await flood(put, 400);
  assert.ok(statSync(`${path}-wal`).size > 400 * 1_000, "nothing was taken out of it before");
  const emptied = checkpoints.empty().then(() => {
    copyFileSync(path, `${path}.copy`);
    return statSync(`${path}-wal`).size;
  });
  const later = Promise.all([900, 901, 902].map(put));
  assert.ok((await emptied) < 100_000);
  await later;
  const copy = new Libsql(`${path}.copy`);
  t.after(() => copy.close());
  const { n } = copy.prepare("select count(*) as n from t where a < 500").get() as { n: number };
  assert.equal(n, 400);
  const { rows } = await book
    .selectFrom("t")
    .select((e) => e.fn.countAll<number>().as("rows"))
    .executeTakeFirstOrThrow();
  assert.equal(rows, 403);
});

test("whoever has the book to itself waits for a transaction that is under way, and holds up the next", async (t) => {
  const order: string[] = [];
  const { book, put, checkpoints } = rig(t, 1_000_000, () => order.push("alone"));
  let go = () => {};
  const open = book.transaction().execute(async (trx) => {
    await new Promise<void>((resolve) => {
      go = resolve;
    });
    await trx.insertInto("t").values({ a: 1, b: "first" }).execute();
    order.push("transaction");
  });
  await new Promise<void>((resolve) => setImmediate(resolve));
  const emptied = checkpoints.empty().then(() => order.push("emptied"));
  const after = put(2).then(() => order.push("next"));
  go();
  await Promise.all([open, emptied, after]);
  assert.deepEqual(order.slice(0, 2), ["transaction", "alone"]);
  assert.ok(order.includes("next") && order.includes("emptied"));
});

test("the book leaves checkpoints to that thread, and is whole in one file when its log was emptied", async (t) => {
  const path = file(t);
  const book = await openBook(path);
  for (let n = 0; n < 300; n++)
    await book
      .insertInto("setting")
      .values({ name: `n${n}`, value: KB.repeat(4) })
      .execute();
  await emptyLog(book);
  assert.equal(statSync(`${path}-wal`).size, 0);
  copyFileSync(path, `${path}.copy`);
  await book.destroy();
  const again = await openBook(`${path}.copy`);
  t.after(() => again.destroy());
  assert.equal(
    (await again.selectFrom("setting").selectAll().where("name", "like", "n%").execute()).length,
    300,
  );
});
