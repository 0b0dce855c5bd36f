import assert from "node:assert/strict";
import { test } from "node:test";
import type { Book } from "../storage/book.ts";
import { openBook } from "../storage/book.ts";
import { openJournal } from "./journal.ts";

const boot = (id: string, nodeId: string) => ({
  ...{ id, nodeId, startedMs: 1, endedMs: null, stage: "dhcp", outcome: null, verdict: null, root: null },
  ...{ image: null, address: null, tokenHash: null, server: null, tries: null, reached: "{}" },
  ...{ model: null, switch: null },
});
const step = (bootId: string, seq: number) => ({
  ...{ bootId, seq, atMs: 1, kind: "dhcp", words: `step ${seq}` },
  ...{ path: null, result: null, bytes: null, tookMs: null, origin: null, fact: null },
});

async function bench(t: { after(fn: () => Promise<void>): void }) {
  const book: Book = await openBook(":memory:");
  const told: string[] = [];
  const failures: unknown[] = [];
  const journal = openJournal(book, (error) => failures.push(error), {
    event: ({ id, words }) => told.push(`event ${id} ${words}`),
    boot: (id, nodeId) => told.push(`boot ${id} of ${nodeId}`),
  });
  t.after(async () => {
    await journal.close();
    await book.destroy();
  });
  return { book, journal, told, failures };
}

test("openJournal() keeps the order of events, and tells each when it stands in the book", async (t) => {
  const { book, journal, told } = await bench(t);
  for (let n = 0; n < 150; n++) journal.event("test", undefined, `words ${n}`);
  assert.deepEqual(told, []);
  await journal.flush();
  const rows = await book.selectFrom("event").select(["id", "words"]).orderBy("id").execute();
  assert.deepEqual(
    rows.map(({ words }) => words),
    Array.from({ length: 150 }, (_, n) => `words ${n}`),
  );
  assert.deepEqual(
    told,
    rows.map(({ id, words }) => `event ${id} ${words}`),
  );
});

test("openJournal() writes what many changes of one boot come to, in their order, and tells of the boot and its node once", async (t) => {
  const { book, journal, told } = await bench(t);
  journal.boot(boot("b1", "n1"));
  journal.bootUpdate("b1", { stage: "firmware", address: "10.0.0.1" });
  for (let seq = 1; seq <= 130; seq++) journal.step(step("b1", seq));
  journal.bootUpdate("b1", { stage: "kernel" });
  await journal.flush();
  const row = await book.selectFrom("boot").selectAll().executeTakeFirstOrThrow();
  assert.deepEqual([row.stage, row.address, row.nodeId], ["kernel", "10.0.0.1", "n1"]);
  assert.equal((await book.selectFrom("step").selectAll().execute()).length, 130);
  assert.deepEqual(told, ["boot b1 of n1"]);

  journal.bootUpdate("b1", { outcome: "failed", verdict: "one" });
  journal.bootUpdate("b1", { verdict: "two" });
  await journal.flush();
  const later = await book.selectFrom("boot").selectAll().executeTakeFirstOrThrow();
  assert.deepEqual([later.outcome, later.verdict, later.stage], ["failed", "two", "kernel"]);
});

test("openJournal() knows whose a boot of an earlier process is", async (t) => {
  const { book, journal, told } = await bench(t);
  await book.insertInto("boot").values(boot("old", "n7")).execute();
  journal.bootUpdate("old", { outcome: "superseded" });
  await journal.flush();
  assert.deepEqual(told, ["boot old of n7"]);
});

test("flush() of many readers at once costs few commits, and each finds what was told before it asked", async (t) => {
  const { book, journal } = await bench(t);
  let commits = 0;
  const transaction = book.transaction.bind(book);
  book.transaction = () => {
    commits += 1;
    return transaction();
  };
  await Promise.all(
    Array.from({ length: 200 }, async (_, n) => {
      journal.event("test", undefined, `reader ${n}`);
      await journal.flush();
      const found = await book.selectFrom("event").select("id").where("words", "=", `reader ${n}`).execute();
      assert.equal(found.length, 1);
    }),
  );
  assert.ok(commits <= 20, `${commits} commits`);
});

test("flushEvents() waits for events that were told, also for those that are being written, and causes no commit for steps alone", async (t) => {
  const { book, journal, told } = await bench(t);
  let commits = 0;
  const transaction = book.transaction.bind(book);
  book.transaction = () => {
    commits += 1;
    return transaction();
  };
  const events = async () => (await book.selectFrom("event").selectAll().execute()).length;
  journal.event("test", undefined, "one");
  void journal.flush(); // the first is begun at once
  journal.step(step("b1", 1));
  await journal.flushEvents();
  assert.ok(told.includes("event 1 one"), "that commit was under way");
  assert.deepEqual([commits, await events()], [1, 1]);
  await journal.flushEvents();
  assert.equal(commits, 1, "steps alone are nobody's who reads events");
  journal.event("test", undefined, "two");
  journal.step(step("b1", 2));
  await journal.flushEvents();
  assert.deepEqual([commits, await events()], [2, 2]);
  await journal.flush();
  assert.equal((await book.selectFrom("step").selectAll().execute()).length, 2);
});

test("a commit that fails is told, ends who waits for it, and the next one goes on", async (t) => {
  const { book, journal, failures } = await bench(t);
  journal.step(step("b1", 1));
  await journal.flush();
  journal.step(step("b1", 1));
  await journal.flush();
  assert.equal(failures.length, 1);
  journal.event("test", undefined, "after");
  await journal.flush();
  assert.equal((await book.selectFrom("event").selectAll().execute()).length, 1);
});
