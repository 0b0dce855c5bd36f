import assert from "node:assert/strict";
import { test } from "node:test";
import type { BrambleError } from "../../base/errors.ts";
import { STATUS } from "../../wire/nfs/status.ts";
import { type Credentials, STABLE } from "../../wire/nfs/tree.ts";
import { Die } from "../testing/die.ts";
import { Cut } from "./data-cut.ts";
import type { Durability } from "./journal.ts";
import { emptyLower, steadyClock } from "./keep-testing.ts";
import { NodeTree } from "./node-tree.ts";
import { openHouse } from "./open-house.ts";
import { Ranges } from "./ranges.ts";
import { MemoryHost } from "./testing/memory-host.ts";

const ROOT: Credentials = { uid: 0, gid: 0, gids: [] };
const FOLDER = "/data/trees";

async function open(host: MemoryHost, durability: Durability = "durable") {
  const now = steadyClock();
  const troubles: BrambleError[] = [];
  const trouble = (error: BrambleError) => void troubles.push(error);
  const { house, keeping } = await openHouse<NodeTree>(
    {
      ...{ host, folder: FOLDER, durability, trouble, nowMs: () => 0 },
      build: ({ upper, keep }) => new NodeTree({ upper, keep, lower: emptyLower(), now, trouble }),
    },
    { timer: () => () => undefined },
  );
  if (!house.ids().includes("n")) await house.create({ id: "n", image: "0" });
  return { house, keeping, troubles, tree: await house.tree("n") };
}

async function make(tree: NodeTree, name: string): Promise<number> {
  const made = await tree.create(ROOT, tree.root, name, { how: "unchecked", set: {} });
  assert.ok(typeof made === "object", `create: ${made}`);
  return made.made.ino;
}

async function read(tree: NodeTree, ino: number): Promise<string> {
  const { size } = (await tree.getattr(ino)) as { size: number };
  const bytes = new Uint8Array(size);
  await tree.read(ROOT, ino, 0, bytes);
  return Buffer.from(bytes).toString("latin1");
}

const pattern = (length: number, letter: string) => letter.repeat(length);

test("a file that is cut or removed keeps its bytes until the journal says so on the disk: a power cut finds the one or the other", async () => {
  const seen = new Set<string>();
  for (let seed = 1; seed <= 60; seed++) {
    const die = new Die(seed);
    const host = new MemoryHost();
    const { house, tree } = await open(host);
    const ino = await make(tree, "f");
    const old = pattern(8192, "a");
    await tree.write(ROOT, ino, 0, Buffer.from(old), STABLE.unstable);
    await tree.commit(ino, 0, 0);
    await tree.settled();
    const entry = house.entries.get("n");
    if (entry && die.oneIn(2)) await house.checkpoint(entry);
    const isRemoved = die.oneIn(3);
    if (isRemoved) await tree.remove(ROOT, tree.root, "f");
    else await tree.setattr(ROOT, ino, { size: 100 });
    host.die = die;
    void tree.settled(); // nobody waits for it
    if (die.oneIn(3)) await new Promise((next) => setImmediate(next));
    if (!isRemoved) {
      // the cut part reads as zeros at once, also when the file is long again
      await tree.setattr(ROOT, ino, { size: 9000 });
      assert.equal(await read(tree, ino), pattern(100, "a") + pattern(8900, "\0"));
    }
    const left = host.afterPowerCut(die);
    host.dieAt = 0;
    const again = (await open(left)).tree;
    const found = await again.lookup(ROOT, again.root, "f");
    if (typeof found === "number") {
      assert.ok(isRemoved);
      seen.add("removed");
      continue;
    }
    const text = await read(again, found.found.ino);
    const allowed = [old, pattern(100, "a"), pattern(100, "a") + pattern(8900, "\0")];
    assert.ok(
      allowed.includes(text),
      `seed ${seed}: ${text.length} bytes, "${text.slice(0, 3)}", "${text.slice(-3)}"`,
    );
    seen.add(`${text.length}${text.at(-1)}`);
  }
  assert.ok(seen.size >= 3, [...seen].join());
});

test("what is written behind a cut that is not on the disk yet stays, what was there before does not come back", async () => {
  for (const durability of ["durable", "fast"] as const)
    for (const isCommitted of [true, false]) {
      const host = new MemoryHost();
      const { tree } = await open(host, durability);
      const ino = await make(tree, "f");
      await tree.write(ROOT, ino, 0, Buffer.from(pattern(300_000, "a")), STABLE.fileSync);
      await tree.settled();
      await tree.setattr(ROOT, ino, { size: 10 });
      await tree.write(
        ROOT,
        ino,
        250_000,
        Buffer.from(pattern(9, "b")),
        isCommitted ? STABLE.unstable : STABLE.fileSync,
      );
      if (isCommitted) await tree.commit(ino, 0, 0);
      await tree.settled();
      const wanted = pattern(10, "a") + pattern(249_990, "\0") + pattern(9, "b");
      assert.equal(await read(tree, ino), wanted);
      const again = await open(host.afterKill(), durability);
      assert.equal(await read(again.tree, ino), wanted, `${durability}, after a kill`);
    }
});

test("what is committed after a restart stays at the next one, though the journal still says of before that the file was cut", async () => {
  for (const durability of ["durable", "fast"] as const)
    for (const isLost of [false, true]) {
      const host = new MemoryHost();
      const { tree } = await open(host, durability);
      const ino = await make(tree, "f");
      await tree.write(ROOT, ino, 0, Buffer.from(pattern(9000, "a")), STABLE.fileSync);
      await tree.settled();
      await tree.setattr(ROOT, ino, { size: 0 });
      await tree.write(ROOT, ino, 5000, Buffer.from(pattern(10, "b")), STABLE.unstable);
      await tree.commit(ino, 0, 0); // the cut waits for the journal
      await tree.settled();
      const second = host.afterKill();
      if (isLost) second.remove(`${FOLDER}/n/data.1/${ino}`); // as a power cut may, in mode fast
      const { tree: restarted } = await open(second, durability);
      await restarted.write(ROOT, ino, 0, Buffer.from(pattern(5010, "c")), STABLE.unstable);
      await restarted.commit(ino, 0, 0);
      await restarted.settled();
      const { tree: last } = await open(second.afterKill(), durability);
      assert.equal(await read(last, ino), pattern(5010, "c"), `${durability}, ${isLost}`);
    }
});

test("COMMIT promises what can be read: also what a killed server left in the page cache, and what somebody else is syncing", async () => {
  for (const [who, seeds] of [["killed", 10] as const, ["checkpoint", 100] as const])
    for (let seed = 1; seed <= seeds; seed++) {
      const die = new Die(seed);
      let host = new MemoryHost();
      let { tree, house } = await open(host);
      const ino = await make(tree, "f");
      await tree.write(ROOT, ino, 0, Buffer.from(pattern(16, "a")), STABLE.unstable);
      await tree.commit(ino, 0, 0);
      await tree.write(ROOT, ino, 0, Buffer.from(pattern(16, "b")), STABLE.unstable);
      host.die = die;
      if (who === "killed") {
        await tree.settled();
        host = host.afterKill();
        ({ tree, house } = await open(host));
        assert.equal(await read(tree, ino), pattern(16, "b"));
      }
      host.die = die;
      const entry = house.entries.get("n");
      assert.ok(entry);
      if (who === "checkpoint") void house.checkpoint(entry);
      for (let turns = die.below(12); turns > 0; turns--) await new Promise((next) => setImmediate(next));
      await tree.commit(ino, 0, 0);
      await tree.settled();
      const left = host.afterPowerCut(die);
      host.dieAt = 0;
      assert.equal(await read((await open(left)).tree, ino), pattern(16, "b"), `${who}, seed ${seed}`);
    }
});

test("a checkpoint waits for cuts that take several pieces", async () => {
  const host = new MemoryHost();
  const { tree, house } = await open(host);
  const ino = await make(tree, "f");
  await tree.write(ROOT, ino, 0, new Uint8Array(9 << 20).fill(97), STABLE.fileSync);
  await tree.settled();
  await tree.setattr(ROOT, ino, { size: 10 });
  await tree.write(ROOT, ino, 8 << 20, Buffer.from("end"), STABLE.fileSync);
  await tree.settled();
  const entry = house.entries.get("n");
  assert.ok(entry);
  await house.checkpoint(entry);
  const again = await open(host.afterKill());
  const text = await read(again.tree, ino);
  assert.equal(text.length, (8 << 20) + 3);
  assert.match(text, /^a{10}\0+end$/);
});

test("a checkpoint waits for a cut that a later one holds back: what was cut does not come back when only the later one is lost", async () => {
  const seen = new Set<number>();
  for (let seed = 1; seed <= 20; seed++) {
    const die = new Die(seed);
    const host = new MemoryHost();
    const { tree, house } = await open(host);
    const ino = await make(tree, "f");
    await tree.write(ROOT, ino, 0, Buffer.from(pattern(4096, "a")), STABLE.unstable);
    await tree.commit(ino, 0, 0);
    await tree.settled();
    await tree.setattr(ROOT, ino, { size: 10 });
    await tree.setattr(ROOT, ino, { size: 20 });
    const entry = house.entries.get("n");
    assert.ok(entry);
    host.die = die;
    const written = house.checkpoint(entry);
    for (let turns = die.below(4); turns > 0; turns--) await new Promise((next) => setImmediate(next));
    await tree.setattr(ROOT, ino, { size: 15 }); // into the next batch, while the disk is busy with that of before
    await written;
    const left = die.oneIn(2) ? host.afterKill() : host.afterPowerCut(die);
    host.dieAt = 0;
    const text = await read((await open(left)).tree, ino);
    assert.equal(text, pattern(10, "a") + pattern(text.length - 10, "\0"), `seed ${seed}`);
    seen.add(text.length);
  }
  assert.ok(seen.has(15), "the later cut was never waited for");
});

test("a cut of a large file is done in pieces, and holes stay holes", () => {
  const host = new MemoryHost();
  host.makeFolder("/f");
  const file = host.open("/f/x", "create");
  file.write(new Uint8Array(9 << 20).fill(1), 0);
  const cut = new Cut(1000, 1);
  cut.wrote(8 << 20, (8 << 20) + 10);
  assert.equal(cut.perform(file), false);
  assert.equal(cut.perform(file), true);
  const bytes = new Uint8Array(file.size());
  file.read(bytes, 0);
  assert.equal(bytes.length, (8 << 20) + 10);
  assert.deepEqual([bytes[999], bytes[1000], bytes[(8 << 20) - 1], bytes[8 << 20]], [1, 0, 0, 1]);
  const writes = host.writes;
  assert.equal(new Cut(1000, 1, cut.fresh).perform(file), true);
  assert.equal(host.writes, writes);
});

test("ranges are what a list of bytes would be", () => {
  for (let seed = 1; seed <= 200; seed++) {
    const die = new Die(seed);
    const ranges = new Ranges();
    const bytes = new Uint8Array(40);
    for (let i = 0; i < 12; i++) {
      const from = die.below(40);
      const to = from + die.below(41 - from);
      if (die.oneIn(3)) ranges.remove(from, to);
      else ranges.add(from, to);
      if (to > from) bytes.fill(ranges.gaps(from, to).length === 0 ? 1 : 0, from, to);
    }
    const listed = new Uint8Array(40);
    for (const { from, to } of ranges.list()) listed.fill(1, from, to);
    assert.deepEqual(listed, bytes);
    const gaps = new Uint8Array(40).fill(1);
    for (const { from, to } of ranges.gaps(0, 40)) gaps.fill(0, from, to);
    assert.deepEqual(gaps, bytes);
  }
});

test("on a full disk changes are refused, files can be removed, and with room it goes on", async () => {
  const host = new MemoryHost();
  const { tree, troubles } = await open(host);
  const ino = await make(tree, "large");
  await tree.write(ROOT, ino, 0, new Uint8Array(1 << 20), STABLE.unstable);
  await tree.commit(ino, 0, 0);
  await tree.settled();
  host.capacity = host.allocated();
  let made = 0;
  let answer: unknown;
  for (answer = {}; typeof answer === "object"; made++) {
    answer = await tree.create(ROOT, tree.root, `f${made}`, { how: "unchecked", set: {} });
    await tree.settled();
  }
  assert.equal(answer, STATUS.NOSPC);
  assert.equal(await tree.write(ROOT, ino, 2 << 20, new Uint8Array(200_000), STABLE.unstable), STATUS.NOSPC);
  assert.equal(typeof (await tree.remove(ROOT, tree.root, "large")), "object");
  await tree.settled();
  assert.equal(typeof (await tree.create(ROOT, tree.root, "again", { how: "unchecked", set: {} })), "object");
  await tree.settled();
  assert.deepEqual(troubles, []);
});

test("descriptors are few, and one that is in use stays open", async () => {
  const host = new MemoryHost();
  const { tree } = await open(host);
  const inos = await Promise.all(Array.from({ length: 600 }, (_, i) => make(tree, `f${i}`)));
  for (const ino of inos) await tree.write(ROOT, ino, 0, Buffer.from(`${ino}`), STABLE.unstable);
  await Promise.all(inos.map((ino) => tree.commit(ino, 0, 0)));
  await tree.settled();
  assert.ok(host.openFiles <= 520, `${host.openFiles} are open`);
  assert.deepEqual(await Promise.all(inos.map((ino) => read(tree, ino))), inos.map(String));
});
