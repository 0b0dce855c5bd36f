import assert from "node:assert/strict";
import { statSync } from "node:fs";
import { test } from "node:test";
import { fakeCore } from "../testing/fake-core.ts";
import { prune, readRetention, writeRetention } from "./retention.ts";

const DAY = 86_400_000;

test("prune() deletes what is older than it is to be kept, but never a node's newest boot or one under way", async (t) => {
  const { core } = await fakeCore(t);
  const { book } = core;
  const now = 1_000 * DAY;
  await writeRetention(book, { eventDays: 10, bootDays: 20, consoleDays: 5 });
  assert.deepEqual(await readRetention(book), { eventDays: 10, bootDays: 20, consoleDays: 5 });
  for (const days of [1, 9, 11, 300])
    await book
      .insertInto("event")
      .values({ atMs: now - days * DAY, nodeId: null, kind: "x", words: `${days}` } as never)
      .execute();
  const boot = (id: string, nodeId: string, days: number, ended: boolean) =>
    core.journal.boot({
      id,
      nodeId,
      startedMs: now - days * DAY,
      endedMs: ended ? now - days * DAY + 1 : null,
      stage: "booted",
      outcome: null,
      verdict: null,
      root: null,
      image: null,
      address: null,
      tokenHash: null,
      server: null,
    } as never);
  boot("old", "a", 30, true);
  boot("newest", "a", 25, true);
  boot("running", "b", 40, false);
  boot("b2", "b", 1, true);
  await core.journal.flush();
  for (const bootId of ["old", "newest"])
    await book
      .insertInto("consoleChunk")
      .values({ nodeId: "a", bootId, first: 1, count: 1, atMs: now - DAY, bytes: 1, lines: "[]" })
      .execute();
  const told = await prune(book, now);
  const rest = await book.selectFrom("event").select("words").orderBy("id").execute();
  assert.deepEqual(
    rest.map(({ words }) => words),
    ["1", "9"],
  );
  const boots = await book.selectFrom("boot").select("id").orderBy("id").execute();
  assert.deepEqual(
    boots.map(({ id }) => id),
    ["b2", "newest", "running"],
  );
  const consoles = await book.selectFrom("consoleChunk").select("bootId").execute();
  assert.deepEqual(consoles, [{ bootId: "newest" }]);
  assert.equal(told.events, 2);
  assert.equal(told.boots, 1);
});

test("prune() gives the book's space back to the file system", async (t) => {
  const { core } = await fakeCore(t);
  const { book, data } = core;
  const words = "x".repeat(2_000);
  const rows = Array.from({ length: 100 }, () => ({ atMs: 1, nodeId: null, kind: "x", words }));
  for (let i = 0; i < 40; i++)
    await book
      .insertInto("event")
      .values(rows as never)
      .execute();
  await prune(book, 2); // nothing is old; the log of changes is written into the file
  const before = statSync(data.book).size;
  assert.ok(before > 8_000_000, `${before}`);
  const told = await prune(book, 1_000 * DAY);
  assert.equal(told.events, 4_000);
  const after = statSync(data.book).size;
  assert.ok(after < 2_000_000, `the book still takes ${after} bytes`);
  assert.ok(told.bytes >= before - after - 1_000_000);
});
