import assert from "node:assert/strict";
import { test } from "node:test";
import type { BrambleError } from "../../base/errors.ts";
import { type Credentials, STABLE } from "../../wire/nfs/tree.ts";
import { Die } from "../testing/die.ts";
import { makeLasting, setDurability } from "./durability.ts";
import { emptyLower, steadyClock } from "./keep-testing.ts";
import { NodeTree } from "./node-tree.ts";
import { openHouse } from "./open-house.ts";
import { MemoryHost } from "./testing/memory-host.ts";

const ROOT: Credentials = { uid: 0, gid: 0, gids: [] };
const TEXT = "what it has of its own";
const INO = 2 ** 32 + 2 ** 31;

const open = (host: MemoryHost) => {
  const now = steadyClock();
  const trouble = (error: BrambleError) => {
    throw error;
  };
  return openHouse<NodeTree>(
    {
      ...{ host, folder: "/data/trees", durability: "durable", nowMs: () => 1_700_000_000_000, trouble },
      build: ({ upper, keep }) => new NodeTree({ upper, keep, lower: emptyLower(), now, trouble }),
    },
    { timer: () => () => undefined },
  );
};
type House = Awaited<ReturnType<typeof open>>["house"];

/** A durable tree and a fast one; each has a file, which is on the disk. */
async function both(host: MemoryHost) {
  const opened = await open(host);
  for (const id of ["durable", "fast"]) {
    await opened.house.create({ id, image: "1".repeat(64) });
    const tree = await opened.house.tree(id);
    await tree.create(ROOT, tree.root, "own", { how: "unchecked", set: {} });
    await tree.settled();
  }
  await setDurability(opened.house, "fast", "fast");
  return opened;
}

/** Writes and commits; true: somebody had to wait for the journal. */
async function put(house: House, id: string, text = TEXT): Promise<boolean> {
  const tree = await house.tree(id);
  assert.equal(typeof (await tree.write(ROOT, INO, 0, Buffer.from(text), STABLE.unstable)), "object");
  assert.equal(typeof (await tree.commit(INO, 0, 0)), "object");
  const settled = tree.settled();
  await settled;
  return settled !== undefined;
}

async function text(house: House, id: string): Promise<string> {
  const tree = await house.tree(id);
  const found = await tree.lookup(ROOT, tree.root, "own");
  assert.ok(typeof found === "object", `${id} has lost its file`);
  const bytes = new Uint8Array(found.found.size);
  await tree.read(ROOT, INO, 0, bytes);
  return Buffer.from(bytes).toString();
}

test("COMMIT in a fast tree asks the disk for nothing and waits for nobody, beside a durable one, where it does both", async () => {
  const host = new MemoryHost();
  const { house, keeping } = await both(host);
  const syncs = async (work: () => Promise<unknown>) => {
    const before = host.syncs;
    await work();
    return host.syncs - before;
  };
  assert.equal(await syncs(async () => assert.equal(await put(house, "fast"), false)), 0);
  assert.ok((await syncs(async () => assert.equal(await put(house, "durable"), true))) >= 2);
  assert.ok((await syncs(() => keeping.round())) >= 2, "a round makes it lasting");
  assert.equal(await syncs(() => keeping.round()), 0, "once");
  await put(house, "durable", "more");
  assert.equal(await syncs(() => keeping.round()), 0, "the durable one is so already");
});

test("a tree that becomes durable has on the disk what it was told before; nothing of that is another tree's business", async () => {
  for (let seed = 1; seed <= 8; seed++) {
    const host = new MemoryHost();
    const { house } = await both(host);
    await put(house, "fast");
    await setDurability(house, "fast", "durable");
    assert.equal(house.facts("fast").durability, "durable");
    const { house: after } = await open(host.afterPowerCut(new Die(seed)));
    assert.equal(await text(after, "fast"), TEXT, `seed ${seed}`);
    assert.equal(await text(after, "durable"), "");
  }
});

test("what a killed server has left of a fast tree is on the disk when makeLasting() ends, though nobody has used the tree since", async () => {
  for (let seed = 1; seed <= 8; seed++) {
    const host = new MemoryHost();
    const first = await both(host);
    await put(first.house, "fast");
    const killed = host.afterKill();
    const { house } = await open(killed);
    assert.equal(house.facts("fast").isInMemory, false);
    await makeLasting(house, "fast");
    const { house: after } = await open(killed.afterPowerCut(new Die(seed)));
    assert.equal(await text(after, "fast"), TEXT, `seed ${seed}`);
  }
});

test("what was promised for good outlives a kill, a start as a fast tree, a COMMIT of that, and a power cut", async () => {
  let returned = 0;
  for (let seed = 1; seed <= 12; seed++) {
    const host = new MemoryHost();
    const { house } = await both(host);
    await setDurability(house, "fast", "durable");
    const tree = await house.tree("fast");
    await tree.write(ROOT, INO, 0, Buffer.from(TEXT), STABLE.fileSync);
    await tree.settled(); // in the journal, with its bytes; its file is not synced
    const killed = host.afterKill();
    const { house: second } = await open(killed);
    await setDurability(second, "fast", "fast");
    const again = await second.tree("fast");
    await again.write(ROOT, INO, 40_960, Buffer.from("newer"), STABLE.unstable);
    await again.commit(INO, 0, 0);
    again.settled();
    await put(second, "durable"); // its sync takes the fast one's COMMIT along
    const { house: last } = await open(killed.afterPowerCut(new Die(seed)));
    const found = await text(last, "fast");
    assert.equal(found.slice(0, TEXT.length), TEXT, `seed ${seed}`);
    if (found.length > TEXT.length) returned += 1;
  }
  assert.ok(returned > 0, "the COMMIT was in the journal");
});

test("a mode holds while the tree is away, and is the house's again after a start; of a tree that there is not nobody hears", async () => {
  const host = new MemoryHost();
  const { house, close } = await both(host);
  const entry = house.entry("fast");
  assert.equal(await house.putAway(entry), true);
  assert.equal(await put(house, "fast"), false);
  await house.reset("fast");
  assert.equal(house.facts("fast").durability, "fast");
  await setDurability(house, "fast", undefined);
  assert.equal(house.facts("fast").durability, "durable");
  await setDurability(house, "fast", "fast");
  await setDurability(house, "nobody", "fast");
  await assert.rejects(makeLasting(house, "nobody"), { code: "CLONE_UNKNOWN" });
  await close();
  const again = await open(host.afterKill());
  assert.equal(again.house.facts("fast").durability, "durable");
});
