import assert from "node:assert/strict";
import { test } from "node:test";
import { lastBootsOf } from "./last-boots.ts";
import { fakeCore } from "./testing/fake-core.ts";

const boot = (id: string, nodeId: string, startedMs: number) => ({
  ...{ id, nodeId, startedMs, endedMs: null, stage: "dhcp", outcome: null, verdict: null, root: null },
  ...{ image: null, address: null, tokenHash: null, server: null, tries: null, reached: "{}" },
  ...{ model: null, switch: null },
});

async function bench(t: Parameters<typeof fakeCore>[0]) {
  const { core } = await fakeCore(t);
  const { registry } = core;
  const ids = ["10000001", "10000002"].map((serial) => registry.see({ serial }, 1)?.node.id ?? "");
  await registry.settled();
  const reads: string[] = [];
  const selectFrom = core.book.selectFrom.bind(core.book);
  core.book.selectFrom = ((table: "boot") => {
    reads.push(table);
    return selectFrom(table);
  }) as typeof core.book.selectFrom;
  return { core, ids, reads, last: lastBootsOf(core) };
}

test("lastBootsOf() reads a node's newest boot once, and again when there is news of it", async (t) => {
  const { core, ids, reads, last } = await bench(t);
  const [one = "", other = ""] = ids;
  core.journal.boot(boot("b1", one, 5));
  await core.journal.flush();
  const before = reads.length;
  assert.equal((await last.of(ids)).get(one)?.id, "b1");
  assert.equal((await last.of(ids)).size, 1);
  assert.equal(await last.one(other), undefined);
  assert.equal(reads.length, before + 1, "also that there is none is remembered");

  core.journal.bootUpdate("b1", { stage: "kernel" });
  await core.journal.flush();
  assert.equal((await last.one(one))?.stage, "kernel");
  core.journal.boot(boot("b2", one, 6));
  await core.journal.flush();
  assert.equal((await last.one(one))?.id, "b2");
});

test("lastBootsOf() shows a node's new name, and nothing of one that was forgotten", async (t) => {
  const { core, ids, last } = await bench(t);
  const [one = ""] = ids;
  core.registry.onSaved = (id) => core.news.tell({ about: "node", id });
  core.journal.boot(boot("b1", one, 5));
  await core.journal.flush();
  await last.one(one);
  await core.registry.patch(core.registry.need(one), { name: "renamed" });
  assert.equal((await last.one(one))?.node, "renamed");
  await core.registry.forget(core.registry.need(one));
  assert.equal(await last.one(one), undefined);
});

test("what was read while news came is not kept", async (t) => {
  const { core, ids, last } = await bench(t);
  const [one = ""] = ids;
  core.journal.boot(boot("b1", one, 5));
  await core.journal.flush();
  const under = last.one(one);
  core.news.tell({ about: "boot", id: "b1", node: one });
  await under;
  await core.book.updateTable("boot").set({ stage: "kernel" }).execute();
  assert.equal((await last.one(one))?.stage, "kernel");
});
