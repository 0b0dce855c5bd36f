import assert from "node:assert/strict";
import { test } from "node:test";
import { type Credentials, STABLE } from "../../wire/nfs/tree.ts";
import { emptyLower, steadyClock } from "./keep-testing.ts";
import { NewNames } from "./new-names.ts";
import { NodeTree } from "./node-tree.ts";
import { openHouse } from "./open-house.ts";
import { MemoryHost } from "./testing/memory-host.ts";

const ROOT: Credentials = { uid: 0, gid: 0, gids: [] };

function countNames(host: MemoryHost): { count: number } {
  const seen = { count: 0 };
  const { syncNames } = host;
  host.syncNames = (folder) => {
    seen.count += 1;
    return syncNames.call(host, folder);
  };
  return seen;
}

test("thirty COMMITs of new files at once sync the names of their folders once", async () => {
  const host = new MemoryHost();
  const trouble = (error: Error) => {
    throw error;
  };
  const { house, close } = await openHouse<NodeTree>(
    {
      ...{ host, folder: "/data/trees", durability: "durable", nowMs: () => 1_700_000_000_000, trouble },
      build: ({ upper, keep }) =>
        new NodeTree({ upper, keep, lower: emptyLower(), now: steadyClock(), trouble }),
    },
    { timer: () => () => undefined },
  );
  await house.create({ id: "n1", image: "1".repeat(64) });
  const tree = await house.tree("n1");
  const inos: number[] = [];
  for (let i = 0; i < 30; i++) {
    const made = await tree.create(ROOT, tree.root, `file ${i}`, { how: "unchecked", set: {} });
    assert.ok(typeof made === "object");
    await tree.write(ROOT, made.made.ino, 0, Buffer.from("unstable"), STABLE.unstable);
    inos.push(made.made.ino);
  }
  await tree.settled();
  const names = countNames(host);
  for (const answer of await Promise.all(inos.map((ino) => tree.commit(ino, 0, 0))))
    assert.equal(typeof answer, "object");
  assert.equal(names.count, 2, "the tree's folder and the one with its data files");
  await close();
});

test("a name that is made while others are synced needs a sync of its own; one that failed is tried again", async () => {
  const host = new MemoryHost();
  const seen = countNames(host);
  const names = new NewNames(host, ["/data"]);
  assert.equal(names.sync(), undefined);
  names.made();
  const first = names.sync();
  assert.equal(names.sync(), first);
  names.made();
  const second = names.sync();
  assert.notEqual(second, first);
  await first;
  assert.ok(names.isDirty);
  await second;
  assert.equal(names.sync(), undefined);
  assert.equal(seen.count, 2);
  host.plan = { what: "sync", from: host.syncs, count: 1, trouble: "EIO" };
  names.made();
  await assert.rejects(async () => names.sync(), { code: "DISK_IO" });
  assert.ok(names.isDirty);
  await names.sync();
  assert.ok(!names.isDirty);
});
