import assert from "node:assert/strict";
import { test } from "node:test";
import { Kysely } from "kysely";
import Libsql from "libsql";
import { BookDialect, failingForGood, shared } from "./book-driver.ts";
import { keepingStatements } from "./book-statements.ts";

interface Tables {
  t: { a: number };
}

/** A database whose disk is asked to keep what was written, and answers when the test says so. */
function bench() {
  const database = new Libsql(":memory:");
  database.exec("create table t (a integer primary key)");
  const asked: { done(): void; fail(error: Error): void }[] = [];
  const times: number[] = [];
  const sync = () =>
    new Promise<void>((done, fail) => {
      asked.push({ done, fail });
    });
  const book = new Kysely<Tables>({
    dialect: new BookDialect(
      { database: keepingStatements(database) },
      { sync, onTransaction: (ms) => times.push(ms) },
    ),
  });
  const put = (a: number) => book.insertInto("t").values({ a }).execute();
  const both = (a: number) =>
    book.transaction().execute(async (trx) => {
      await trx.insertInto("t").values({ a }).execute();
      await trx
        .insertInto("t")
        .values({ a: a + 1 })
        .execute();
    });
  const all = async () => (await book.selectFrom("t").selectAll().orderBy("a").execute()).map(({ a }) => a);
  return { book, asked, times, put, both, all };
}
const settle = () => new Promise<void>((resolve) => setImmediate(resolve));
const watched = (work: Promise<unknown>) => {
  const state = { over: false };
  void work.then(() => {
    state.over = true;
  });
  return state;
};

test("a transaction ends when it is on the disk; readers and other transactions go on meanwhile", async () => {
  const { asked, times, both, put, all } = bench();
  const first = watched(both(1));
  await settle();
  assert.deepEqual([asked.length, first.over, times.length], [1, false, 0]);
  assert.deepEqual(await all(), [1, 2], "a reader does not wait for the disk");
  const second = watched(put(9));
  await settle();
  assert.deepEqual([asked.length, second.over], [2, false], "a statement by itself waits as well");
  asked[0]?.done();
  await settle();
  assert.deepEqual([first.over, second.over, times.length], [true, false, 1]);
  asked[1]?.done();
  await settle();
  assert.equal(second.over, true);
});

test("a disk that fails is told, and the transaction of another, which has begun meanwhile, is left alone", async () => {
  const { book, asked, both, all } = bench();
  const failing = both(1);
  await settle();
  let go: () => void = () => {};
  const other = book.transaction().execute(async (trx) => {
    await trx.insertInto("t").values({ a: 50 }).execute();
    await new Promise<void>((resolve) => {
      go = resolve;
    });
    await trx.insertInto("t").values({ a: 51 }).execute();
  });
  await settle();
  asked[0]?.fail(new Error("EIO"));
  await assert.rejects(failing, /EIO/);
  go();
  await settle();
  asked[1]?.done();
  await other;
  assert.deepEqual((await all()).slice(-2), [50, 51]);
});

test("a transaction that fails asks nothing of the disk, and what it wrote is gone", async () => {
  const { asked, put, both, all } = bench();
  const one = put(2);
  await settle();
  asked[0]?.done();
  await one;
  await assert.rejects(both(1), /UNIQUE/);
  assert.deepEqual(await all(), [2]);
  assert.equal(asked.length, 1);
});

test("what a writer reads back of its own statement is on the disk, too", async () => {
  const { book, asked } = bench();
  const made = watched(book.insertInto("t").values({ a: 1 }).returning("a").execute());
  await settle();
  assert.deepEqual([asked.length, made.over], [1, false]);
});

test("shared() begins anew for whoever comes while it is under way, once for all of them", async () => {
  const begun: (() => void)[] = [];
  const sync = shared(() => new Promise<void>((resolve) => begun.push(resolve)));
  const first = watched(sync());
  const [second, third] = [watched(sync()), watched(sync())];
  await settle();
  assert.equal(begun.length, 1);
  begun[0]?.();
  await settle();
  assert.deepEqual([begun.length, first.over, second.over], [2, true, false]);
  const fourth = watched(sync());
  begun[1]?.();
  await settle();
  assert.deepEqual([second.over, third.over, fourth.over, begun.length], [true, true, false, 3]);
});

test("after an fdatasync that failed nothing is said to be saved any more", async () => {
  let calls = 0;
  const sync = failingForGood(async () => {
    calls += 1;
    if (calls === 2) throw new Error("EIO");
  });
  await sync();
  await assert.rejects(sync(), { code: "DISK_IO", message: /EIO/ });
  await assert.rejects(sync(), { code: "DISK_IO" });
  assert.equal(calls, 2);
});
