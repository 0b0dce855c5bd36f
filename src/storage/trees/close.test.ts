import assert from "node:assert/strict";
import { test } from "node:test";
import type { BrambleError } from "../../base/errors.ts";
import { type Credentials, STABLE } from "../../wire/nfs/tree.ts";
import { Die } from "../testing/die.ts";
import type { Durability } from "./journal.ts";
import { emptyLower, steadyClock } from "./keep-testing.ts";
import { NodeTree } from "./node-tree.ts";
import { openHouse } from "./open-house.ts";
import { MemoryHost } from "./testing/memory-host.ts";

const ROOT: Credentials = { uid: 0, gid: 0, gids: [] };
const TEXT = "what it has of its own";

const open = (host: MemoryHost, durability: Durability = "durable") => {
  const now = steadyClock();
  const trouble = (error: BrambleError) => {
    throw error;
  };
  return openHouse<NodeTree>(
    {
      ...{ host, folder: "/data/trees", durability, nowMs: () => 1_700_000_000_000, trouble },
      build: ({ upper, keep }) => new NodeTree({ upper, keep, lower: emptyLower(), now, trouble }),
    },
    { timer: () => () => undefined },
  );
};
type House = Awaited<ReturnType<typeof open>>["house"];

async function put(house: House, id: string, stable: 0 | 2, name = "own"): Promise<void> {
  const tree = await house.tree(id);
  const made = await tree.create(ROOT, tree.root, name, { how: "unchecked", set: {} });
  assert.ok(typeof made === "object");
  assert.equal(typeof (await tree.write(ROOT, made.made.ino, 0, Buffer.from(TEXT), stable)), "object");
  await tree.settled();
}

async function text(house: House, id: string): Promise<string> {
  const tree = await house.tree(id);
  const found = await tree.lookup(ROOT, tree.root, "own");
  assert.ok(typeof found === "object", `${id} has lost its file`);
  const bytes = new Uint8Array(found.found.size);
  await tree.read(ROOT, found.found.ino, 0, bytes);
  return Buffer.from(bytes).toString();
}

/** A server with trees that all have something of their own. */
async function busy(host: MemoryHost, trees: number, durability: Durability = "durable") {
  const opened = await open(host, durability);
  for (let i = 0; i < trees; i++) {
    await opened.house.create({ id: `n${i}`, image: "1".repeat(64) });
    await put(opened.house, `n${i}`, STABLE.fileSync);
  }
  return opened;
}

test("closing sixty trees that were written to costs a few syncs, and writes no file for each", async () => {
  const host = new MemoryHost();
  const { close, house } = await busy(host, 60);
  const [syncs, writes] = [host.syncs, host.writes];
  await close();
  assert.ok(host.syncs - syncs <= 4, `${host.syncs - syncs} syncs`);
  assert.ok(host.writes - writes <= 4, `${host.writes - writes} writes`);
  assert.equal(host.openFiles, 0);
  await assert.rejects(async () => house.tree("n1"), { code: "INTERNAL" });
});

test("a tree that was closed is opened without a look at its data files; of one that was killed each is looked at", async () => {
  const looks = async (how: "closed" | "killed" | "closed, opened, killed") => {
    const host = new MemoryHost();
    const { house, close } = await busy(host, 2);
    for (let i = 0; i < 20; i++) await put(house, "n1", STABLE.fileSync, `file ${i}`);
    await house.checkpointAll();
    const tree = await house.tree("n1");
    await tree.setattr(ROOT, tree.root, { mode: 0o700 });
    await tree.settled();
    if (how !== "killed") await close();
    let next = host.afterKill();
    if (how === "closed, opened, killed") {
      await (await open(next)).house.tree("n1");
      next = next.afterKill();
    }
    const again = await open(next);
    const looked: string[] = [];
    const { open: really } = next;
    next.open = (path, mode) => {
      if (path.includes("/data.")) looked.push(path);
      return really.call(next, path, mode);
    };
    assert.equal((await (await again.house.tree("n1")).inside.look(""))?.mode, 0o700);
    return looked.length;
  };
  assert.equal(await looks("closed"), 0);
  assert.ok((await looks("killed")) >= 20);
  assert.ok((await looks("closed, opened, killed")) >= 20);
});

test("what is known of trees that were closed is told without loading them, also of one that was reset since", async () => {
  const host = new MemoryHost();
  const first = await busy(host, 9);
  const before = first.house.facts("n7");
  assert.ok(before.ownBytes > 0 && before.inodes > 0);
  await first.close();
  const second = await open(host);
  assert.deepEqual(second.house.facts("n7"), { ...before, isInMemory: false });
  await second.house.reset("n7");
  assert.equal(second.house.facts("n7").ownBytes, 0);
  await second.close();
  const third = await open(host);
  assert.equal(third.house.facts("n7").ownBytes, 0);
  assert.equal(third.house.facts("n8").ownBytes, before.ownBytes);
  await third.close();
});

for (const durability of ["durable", "fast"] as const)
  test(`closed, without power, opened, written down, without power again: nothing is lost, mode ${durability}`, async () => {
    for (let seed = 1; seed <= 12; seed++) {
      const die = new Die(seed);
      const host = new MemoryHost();
      const first = await busy(host, 5, durability);
      await put(first.house, "n3", STABLE.unstable); // never committed: closing does that
      await first.close();
      const again = die.oneIn(2) ? host.afterPowerCut(die) : host.afterKill();
      const second = await open(again, durability);
      assert.equal(await text(second.house, "n3"), TEXT);
      await second.house.checkpointAll(); // the journal is not needed any more
      const last = await open(again.afterPowerCut(die), durability);
      for (let i = 0; i < 5; i++) assert.equal(await text(last.house, `n${i}`), TEXT, `seed ${seed}, n${i}`);
    }
  });

test("what a killed server has left in the page cache is known as that after a close, too: COMMIT syncs it", async () => {
  for (let seed = 1; seed <= 8; seed++) {
    const host = new MemoryHost();
    const first = await busy(host, 1);
    await first.house.checkpointAll();
    const tree = await first.house.tree("n0");
    const found = await tree.lookup(ROOT, tree.root, "own");
    assert.ok(typeof found === "object");
    const { ino } = found.found;
    const other = TEXT.toUpperCase();
    await tree.write(ROOT, ino, 0, Buffer.from(other), STABLE.unstable);
    const killed = host.afterKill();
    const second = await open(killed);
    assert.equal(await text(second.house, "n0"), other);
    await second.close();
    const closed = killed.afterKill();
    const third = (await open(closed)).house;
    assert.equal(typeof (await (await third.tree("n0")).commit(ino, 0, 0)), "object");
    const last = (await open(closed.afterPowerCut(new Die(seed)))).house;
    assert.equal(await text(last, "n0"), other, `seed ${seed}`);
  }
});
