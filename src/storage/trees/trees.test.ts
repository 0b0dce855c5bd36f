import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { BrambleError, Code } from "../../base/errors.ts";
import { type Credentials, STABLE } from "../../wire/nfs/tree.ts";
import { emptyLower, steadyClock } from "./keep-testing.ts";
import { NodeTree } from "./node-tree.ts";
import { type OpenHouse, openHouse } from "./open-house.ts";
import { MemoryHost } from "./testing/memory-host.ts";
import type { TreeStand } from "./tree-hot.ts";
import { openTrees } from "./trees.ts";

const ROOT: Credentials = { uid: 0, gid: 0, gids: [] };
const FOLDER = "/data/trees";
const IMAGE = "1".repeat(64);

function open(host: MemoryHost, limits = {}): Promise<OpenHouse<NodeTree>> {
  const clock = steadyClock();
  const trouble = (error: BrambleError) => {
    throw error;
  };
  const build = ({ upper, keep }: TreeStand) =>
    new NodeTree({ upper, keep, lower: emptyLower(), now: clock, trouble });
  return openHouse<NodeTree>(
    { host, folder: FOLDER, durability: "durable", build, nowMs: () => 1_700_000_000_000, trouble },
    { timer: () => () => undefined, limits },
  );
}

async function put(tree: NodeTree, name: string, text: string, at = 0): Promise<number> {
  const made = await tree.create(ROOT, tree.root, name, { how: "unchecked", set: {} });
  if (typeof made === "number") throw new Error(`create: ${made}`);
  const { ino } = made.made;
  const answer = await tree.write(ROOT, ino, at, Buffer.from(text), STABLE.fileSync);
  if (typeof answer === "number") throw new Error(`write: ${answer}`);
  await tree.settled();
  return ino;
}

async function get(tree: NodeTree, name: string): Promise<string | undefined> {
  const found = await tree.lookup(ROOT, tree.root, name);
  if (typeof found === "number") return undefined;
  const bytes = new Uint8Array(found.found.size);
  await tree.read(ROOT, found.found.ino, 0, bytes);
  return Buffer.from(bytes).toString();
}

const fails = (code: Code) => (error: unknown) => (error as BrambleError).code === code;

test("a snapshot stays as it was, whatever is written, cut and removed afterwards; a rollback brings it back", async () => {
  const host = new MemoryHost();
  const { house, close } = await open(host);
  await house.create({ id: "n1", image: IMAGE });
  const before = house.facts("n1").generation;
  let tree = await house.tree("n1");
  await put(tree, "kept", "as it was");
  await put(tree, "cut", "long enough to be cut");
  await put(tree, "gone", "here");
  await house.snapshot("n1", "one");
  await put(tree, "kept", "WRITTEN!!");
  const cut = await tree.lookup(ROOT, tree.root, "cut");
  assert.ok(typeof cut === "object");
  assert.equal(typeof (await tree.setattr(ROOT, cut.found.ino, { size: 4 })), "object");
  await tree.remove(ROOT, tree.root, "gone");
  await tree.settled();
  assert.equal(await get(tree, "kept"), "WRITTEN!!");
  assert.equal(await get(tree, "cut"), "long");
  await house.rollback("n1", "one");
  tree = await house.tree("n1");
  assert.deepEqual(await Promise.all(["kept", "cut", "gone"].map((name) => get(tree, name))), [
    "as it was",
    "long enough to be cut",
    "here",
  ]);
  assert.ok(house.facts("n1").generation > before, "handles of before are stale");
  await put(tree, "kept", "again");
  await house.rollback("n1", "one");
  assert.equal(await get(await house.tree("n1"), "kept"), "as it was", "as often as one likes");
  await close();
});

test("reset is the image again and keeps snapshots, or lets them go", async () => {
  const host = new MemoryHost();
  const { house, close } = await open(host);
  await house.create({ id: "n1", image: IMAGE, quota: 1 << 20 });
  await put(await house.tree("n1"), "a", "text");
  await house.snapshot("n1", "one");
  await house.reset("n1", { image: "2".repeat(64) });
  assert.equal(await get(await house.tree("n1"), "a"), undefined);
  const { image, quota, generation } = house.facts("n1");
  assert.deepEqual([image, quota, generation], ["2".repeat(64), 1 << 20, 2]);
  assert.deepEqual(
    house.snapshots("n1").map(({ name, image: on }) => [name, on]),
    [["one", IMAGE]],
  );
  assert.deepEqual(await house.rollback("n1", "one"), { image: IMAGE });
  assert.equal(await get(await house.tree("n1"), "a"), "text");
  await house.reset("n1", { dropSnapshots: true });
  assert.deepEqual(house.snapshots("n1"), []);
  await close();
});

test("names that are taken, unknown or none are refused with what there is", async () => {
  const { house, close } = await open(new MemoryHost());
  await house.create({ id: "n1", image: IMAGE });
  await assert.rejects(house.create({ id: "n1", image: IMAGE }), fails("BAD_INPUT"));
  await assert.rejects(house.create({ id: "../n1", image: IMAGE }), fails("BAD_INPUT"));
  await house.snapshot("n1", "one");
  await assert.rejects(house.snapshot("n1", "one"), fails("BAD_INPUT"));
  await assert.rejects(house.snapshot("n1", "../x"), fails("BAD_INPUT"));
  await assert.rejects(house.rollback("n1", "two"), (error) => {
    assert.match((error as BrambleError).hint ?? "", /there are: one/);
    return fails("SNAPSHOT_UNKNOWN")(error);
  });
  await assert.rejects(house.removeSnapshot("n1", "../../n1"), fails("SNAPSHOT_UNKNOWN"));
  assert.throws(() => house.tree("n2"), fails("CLONE_UNKNOWN"));
  await house.remove("n2");
  await house.remove("n1");
  assert.throws(() => house.tree("n1"), fails("CLONE_UNKNOWN"));
  await house.create({ id: "n1", image: IMAGE });
  assert.equal(await get(await house.tree("n1"), "a"), undefined);
  await close();
});

test("a removed tree's entries in the journal are nobody's, also for a new tree of the same id", async () => {
  const host = new MemoryHost();
  const { house } = await open(host);
  await house.create({ id: "n1", image: IMAGE });
  await put(await house.tree("n1"), "old", "of the first");
  await house.remove("n1");
  await house.create({ id: "n1", image: IMAGE });
  const again = await open(host.afterKill());
  const tree = await again.house.tree("n1");
  assert.equal(await get(tree, "old"), undefined);
  await again.close();
});

test("a tree that nobody uses leaves memory and its descriptors, and is as it was when it comes back", async () => {
  const host = new MemoryHost();
  const { house, keeping, close } = await open(host, { idleMs: 3000, roundMs: 1000 });
  await house.create({ id: "n1", image: IMAGE });
  await house.create({ id: "n2", image: IMAGE });
  await put(await house.tree("n1"), "a", "of n1");
  for (let i = 0; i < 5; i++) {
    await put(await house.tree("n2"), "a", `of n2 ${i}`);
    await keeping.round();
  }
  assert.deepEqual([house.facts("n1").isInMemory, house.facts("n2").isInMemory], [false, true]);
  assert.equal(house.facts("n1").inodes, 2);
  const writes = host.writes;
  assert.equal(await get(await house.tree("n1"), "a"), "of n1");
  assert.ok(host.writes - writes <= 40, "to load is not to write");
  await close();
});

test("memory is bounded: the trees used longest ago leave", async () => {
  const { house, keeping, close } = await open(new MemoryHost(), { memoryBytes: 60_000 });
  for (let i = 0; i < 40; i++) {
    await house.create({ id: `n${i}`, image: IMAGE });
    await put(await house.tree(`n${i}`), "a", "x");
    await keeping.round();
  }
  for (let i = 0; i < 6; i++) await keeping.round();
  const inMemory = house.ids().filter((id) => house.facts(id).isInMemory);
  assert.ok(inMemory.length < 20, `${inMemory.length} are in memory`);
  await close();
});

test("the journal stays short, however much is written to however few trees", async () => {
  const host = new MemoryHost();
  const { house, keeping } = await open(host, { journalBytes: 2 << 20 });
  await house.create({ id: "busy", image: IMAGE });
  await house.create({ id: "quiet", image: IMAGE });
  await put(await house.tree("quiet"), "a", "once");
  const tree = await house.tree("busy");
  const text = "x".repeat(100_000);
  let most = 0;
  for (let i = 0; i < 90; i++) {
    await put(tree, "a", text);
    if (i % 10 === 9) await keeping.round();
    most = Math.max(most, house.ground.journal.bytes);
  }
  assert.ok(most < 14 << 20, `${most} bytes`);
  const again = await open(host.afterKill());
  assert.equal((await get(await again.house.tree("busy"), "a"))?.length, text.length);
  assert.equal(await get(await again.house.tree("quiet"), "a"), "once");
  await again.close();
});

test("answers that were given are there after a kill, with what they answered; the oldest go", async () => {
  const host = new MemoryHost();
  const { house } = await open(host);
  await house.create({ id: "n1", image: IMAGE });
  const tree = await house.tree("n1");
  for (let i = 0; i < 1000; i++) tree.remember(`10.0.0.1:${i}`, Buffer.from(`answer ${i}`));
  await put(tree, "a", "x");
  const again = await open(host.afterKill());
  const back = await again.house.tree("n1");
  assert.equal(Buffer.from(back.recall("10.0.0.1:999") ?? []).toString(), "answer 999");
  assert.equal(back.recall("10.0.0.1:1"), undefined);
  await again.close();
  const third = await open(host.afterKill());
  const later = await third.house.tree("n1");
  assert.equal(
    Buffer.from(later.recall("10.0.0.1:999") ?? []).toString(),
    "answer 999",
    "a checkpoint has them",
  );
  await third.close();
});

test("a checkpoint damaged at any byte is said to be, with the byte and what to do; other trees go on", async () => {
  const host = new MemoryHost();
  const { house, close } = await open(host);
  for (const id of ["n1", "n2"]) {
    await house.create({ id, image: IMAGE });
    await put(await house.tree(id), "a", id);
  }
  await close();
  const path = `${FOLDER}/n1/checkpoint`;
  const file = host.open(path, "write");
  const whole = new Uint8Array(file.size());
  file.read(whole, 0);
  for (let at = 0; at < whole.length; at += 31) {
    file.write(Uint8Array.of((whole[at] as number) ^ 0x20), at);
    const again = await open(host);
    await assert.rejects(
      async () => again.house.tree("n1"),
      (error) => {
        assert.match((error as BrambleError).message, /n1\/checkpoint is damaged at byte \d+/);
        assert.match((error as BrambleError).hint ?? "", /reset the node/);
        return fails("TREE_DAMAGED")(error);
      },
    );
    assert.equal(await get(await again.house.tree("n2"), "a"), "n2");
    await again.close();
    file.write(Uint8Array.of(whole[at] as number), at);
  }
});

test("entries that the journal has lost in the middle are missed, of the tree whose they are", async () => {
  const host = new MemoryHost();
  const { house } = await open(host);
  for (const id of ["n1", "n2"]) await house.create({ id, image: IMAGE });
  await put(await house.tree("n2"), "a", "n2");
  await put(await house.tree("n1"), "a", "n1");
  const entry = house.entries.get("n1");
  if (entry?.hot) entry.hot.keep.owner.entries += 3;
  await put(await house.tree("n1"), "b", "n1");
  const again = await open(host.afterKill());
  await assert.rejects(async () => again.house.tree("n1"), fails("TREE_DAMAGED"));
  assert.equal(await get(await again.house.tree("n2"), "a"), "n2");
});

test("a quota counts what a tree has of its own, changes at once and is there again", async () => {
  const host = new MemoryHost();
  const { house, close } = await open(host);
  await house.create({ id: "n1", image: IMAGE, quota: 8192 });
  const tree = await house.tree("n1");
  await put(tree, "a", "x".repeat(8192));
  await assert.rejects(put(tree, "b", "x"), /write: 69/);
  const space = await tree.fsstat();
  assert.ok(typeof space === "object");
  assert.deepEqual([space.totalBytes >= 8192, space.freeBytes], [true, 0]);
  await house.setQuota("n1", 16384);
  await put(tree, "b", "x");
  await close();
  const again = await open(host);
  assert.equal(again.house.facts("n1").quota, 16384);
  await again.house.setQuota("n1", undefined);
  await put(await again.house.tree("n1"), "c", "x".repeat(30_000));
  await again.close();
});

test("on a real disk: no file before the first write, none after the last name has gone, nothing left open", async () => {
  const folder = join(mkdtempSync(join(tmpdir(), "trees-")), "trees");
  const files = () =>
    readdirSync(join(folder, "n1")).includes("data.1") && readdirSync(join(folder, "n1", "data.1"));
  const descriptors = () => readdirSync("/proc/self/fd").length;
  const before = descriptors();
  try {
    const trees = await openTrees({
      folder,
      durability: "durable",
      openLower: async () => emptyLower(),
      trouble: (error) => {
        throw error;
      },
    });
    await trees.create({ id: "n1", image: IMAGE });
    const tree = await trees.tree("n1");
    const made = await tree.create(ROOT, tree.root, "empty", { how: "unchecked", set: {} });
    assert.equal(typeof made, "object");
    await tree.settled();
    assert.equal(files(), false);
    const ino = await put(tree, "full", "text", 1 << 20);
    assert.deepEqual(files(), [String(ino)]);
    await trees.snapshot("n1", "one");
    await put(tree, "full", "TEXT", 1 << 20);
    await tree.remove(ROOT, tree.root, "full");
    await tree.settled();
    assert.deepEqual(files(), []);
    await trees.rollback("n1", "one");
    assert.equal((await get(await trees.tree("n1"), "full"))?.slice(1 << 20), "text");
    await trees.close();
    assert.equal(descriptors(), before);
  } finally {
    rmSync(join(folder, ".."), { recursive: true, force: true });
  }
});

test("3,000 trees that nobody uses cost a few hundred bytes of memory each", async (t) => {
  const host = new MemoryHost();
  const { house, close } = await open(host);
  await house.create({ id: "n0", image: IMAGE });
  await close();
  const checkpoint = host.open(`${FOLDER}/n0/checkpoint`, "read");
  const bytes = new Uint8Array(checkpoint.size());
  checkpoint.read(bytes, 0);
  for (let i = 1; i < 3000; i++) {
    host.makeFolder(`${FOLDER}/n${i}`);
    host.open(`${FOLDER}/n${i}/checkpoint`, "create").write(bytes, 0);
  }
  const gc = (globalThis as { gc?: () => void }).gc;
  gc?.();
  const before = process.memoryUsage().heapUsed;
  const many = await open(host);
  gc?.();
  const each = (process.memoryUsage().heapUsed - before) / 3000;
  assert.equal(many.house.ids().length, 3000);
  t.diagnostic(`${each.toFixed(0)} bytes${gc ? "" : ", what the collector has not taken yet included"}`);
  assert.ok(each < (gc ? 700 : 20_000), `${each} bytes for each`);
  await many.close();
});
