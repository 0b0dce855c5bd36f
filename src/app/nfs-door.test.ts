import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { openBook } from "../storage/book.ts";
import { type NfsSettings, nfsDoor } from "./nfs-door.ts";

/** Doors over a real book; the plane has every port but those that are taken. */
async function stand(t: TestContext, taken: readonly number[] = []) {
  const folder = mkdtempSync(join(tmpdir(), "door-"));
  const book = await openBook(join(folder, "book.db"));
  t.after(async () => {
    await book.destroy();
    rmSync(folder, { recursive: true });
  });
  const busy = new Set(taken);
  const said: string[] = [];
  const events: string[] = [];
  let root = "iscsi";
  const core = {
    book,
    trees: {
      async call(_: string, { host, port }: { host: string; port: number }) {
        if (busy.has(port)) throw new Error(`listen EADDRINUSE: address already in use ${host}:${port}`);
        return { port: port || 40_001 };
      },
    },
    journal: { event: (_: string, __: undefined, words: string) => events.push(words) },
    registry: { all: () => [{}], resolve: () => ({ root }) },
  } as unknown as Parameters<typeof nfsDoor>[0];
  const door = (settings: NfsSettings = {}, hosts = ["10.0.0.1", "10.1.0.1"]) =>
    nfsDoor(
      core,
      hosts,
      settings,
      (words) => said.push(words),
      (words) => said.push(words),
    );
  return { door, busy, said, events, use: () => (root = "nfs") };
}

test("the port is NFS's own where it is free, on every interface, opened once", async (t) => {
  const { door, said } = await stand(t);
  const one = door();
  assert.equal(one.port(), undefined);
  assert.deepEqual(await Promise.all([one.open(), one.open()]), [2049, 2049]);
  assert.deepEqual(said, ["NFS 10.0.0.1:2049", "NFS 10.1.0.1:2049"]);
  assert.equal(one.port(), 2049);
});

test("where another program has it, any free one, and that one ever after", async (t) => {
  const { door, busy } = await stand(t, [2049]);
  assert.equal(await door().open(), 40_001);
  busy.delete(2049);
  assert.equal(await door().open(), 40_001, "running nodes have it in their mounts");
  assert.equal(await door({ port: 2050 }).open(), 2050, "somebody says so");
  assert.equal(await door().open(), 2050);
});

test("a port that was kept and is taken is an error, which costs the other roots nothing", async (t) => {
  const { door, busy, events, use } = await stand(t);
  await door().open();
  busy.add(2049);
  await assert.rejects(door().open(), /EADDRINUSE/);
  await door().openIfNeeded();
  assert.deepEqual(events, [], "no node has such a root: nobody asks");
  use();
  await door().openIfNeeded();
  assert.match(events[0] ?? "", /^roots over NFS are not served: .*EADDRINUSE/);
});
