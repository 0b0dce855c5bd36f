import assert from "node:assert/strict";
import { test } from "node:test";
import { Die, rounds } from "../testing/die.ts";
import { MemoryHost } from "./testing/memory-host.ts";
import { TreeModel } from "./testing/tree-model.ts";
import { TREES, World } from "./testing/tree-world.ts";

const IDS = ["n1", "n2"];

/** What is wrong with the world, for tests of the tests; `mixed`: each tree has a mode of its own, and may get the other one. */
interface How {
  lies?: (path: string) => boolean;
  cheats?: boolean;
  mixed?: boolean;
}

/** Some lives of a server with two trees, each ended by a kill or a power cut at any step, some closed before it. */
async function story(seed: number, { lies, mixed = false, cheats = false }: How = {}): Promise<number> {
  const die = new Die(seed);
  const world = new World(die.oneIn(3) ? "fast" : "durable");
  world.cheats = cheats;
  let host = new MemoryHost();
  host.makeFolder(TREES);
  const first = await world.open(host);
  for (const id of IDS) {
    await first.house.create({ id, image: "0".repeat(64) });
    world.models.set(id, new TreeModel());
    world.snapshots.set(id, new Map());
    if (mixed) await world.setDurability(first, id, id === "n1" ? "durable" : "fast");
  }
  await first.close();
  const lives = 2 + die.below(4);
  let wasPower = false;
  const isPowerStory = die.oneIn(2);
  for (let life = 1; life <= lives; life++) {
    host.die = die;
    if (lies) host.lies = lies;
    // mode fast promises less to a power cut than to a kill: no story has both
    const isPower = mixed || world.durability === "fast" ? isPowerStory : die.oneIn(2);
    host.dieAt = host.steps + 5 + die.below(die.oneIn(3) ? 600 : 150);
    const what = `seed ${seed} life ${life}`;
    const ends = new Die(seed * 64 + life);
    await Promise.race([live(world, host, { die, ends, what, wasPower, isPower, mixed }), host.death]);
    wasPower = isPower;
    const next = isPower ? host.afterPowerCut(die) : host.afterKill();
    host.dieAt = 0;
    host = next;
    if (mixed && die.oneIn(3)) world.setUnseen(die.pick(IDS), die.oneIn(2) ? "fast" : "durable");
  }
  host.die = undefined;
  const last = await world.open(host);
  await world.check(last, `seed ${seed} at last`, wasPower ? "power" : "kill");
  await last.close();
  return lives;
}

interface Life {
  die: Die;
  /** When it ends in good order, if it does before it is killed. */
  ends: Die;
  what: string;
  /** How the life before has ended, and how this one will. */
  wasPower: boolean;
  isPower: boolean;
  mixed: boolean;
}

async function live(
  world: World,
  host: MemoryHost,
  { die, ends, what, wasPower, isPower, mixed }: Life,
): Promise<void> {
  const open = await world.open(host);
  await world.check(open, what, wasPower ? "power" : "kill");
  /** Mode fast: what a power cut may take as long as no round has ended since. */
  let waiting: { id: string; kept: () => void }[] = [];
  /** One op, and at times its answer. */
  const one = async (id: string): Promise<void> => {
    const wasFast = world.isFast(open, id);
    const { kept, settled } = await world.op(await open.house.tree(id), id, die);
    if (host.isDead) return;
    const isFast = wasFast || world.isFast(open, id);
    const promised = Promise.resolve(settled).then(() => {
      if (host.isDead) return;
      if (isPower && isFast) waiting.push({ id, kept });
      else kept();
    });
    if (die.oneIn(2)) await promised;
    else if (die.oneIn(3)) await new Promise((next) => setImmediate(next));
  };
  while (!host.isDead) {
    if (ends.oneIn(60)) {
      await open.close();
      if (!host.isDead) for (const { kept } of waiting) kept();
      return;
    }
    const id = die.pick(IDS);
    if (mixed && die.oneIn(25)) {
      const before = waiting;
      waiting = [];
      const soon = world.setDurability(open, id, die.oneIn(2) ? "fast" : "durable");
      for (let ops = die.below(4); ops > 0; ops--) await one(id);
      await soon;
      if (host.isDead) return;
      const isLasting = world.durabilityOf(id) === "durable";
      for (const one of before) if (isLasting && one.id === id) one.kept();
      waiting = [...before.filter((one) => !isLasting || one.id !== id), ...waiting];
      continue;
    }
    if (die.oneIn(12)) {
      const before = waiting;
      waiting = [];
      await world.verb(open, id, die);
      if (die.oneIn(2)) {
        await open.keeping.round();
        if (!host.isDead) for (const { kept } of before) kept();
      } else waiting = [...before, ...waiting];
      continue;
    }
    await one(id);
  }
}

test("killed or without power at any step: everything that was promised is there, and nothing foreign", async (t) => {
  let lives = 0;
  for (let seed = 1; seed <= rounds(40, 5000); seed++) lives += await story(seed);
  t.diagnostic(`${lives} lives`);
  assert.ok(lives > 40);
});

test("each tree in its own mode, over one journal: without power the durable one keeps all that was answered, the fast one what its last second had not", async (t) => {
  let lives = 0;
  for (let seed = 1; seed <= rounds(40, 5000); seed++) lives += await story(seed, { mixed: true });
  t.diagnostic(`${lives} lives`);
  assert.ok(lives > 40);
});

test("and this test bites: a durable tree that is served as its fast neighbour is found out", async () => {
  let found = 0;
  for (let seed = 1; seed <= 60 && found < 1; seed++)
    await story(seed, { mixed: true, cheats: true }).catch(() => {
      found += 1;
    });
  assert.ok(found > 0);
});

const LOSSES: [seed: number, what: string][] = [
  [1137, "a cut that a replay had done again took what was committed after it"],
  [1443, "the same, in mode fast"],
  [1900, "a COMMIT did not sync what a killed server had left in the page cache"],
  [2144, "mode fast: a block was mapped without its data"],
];

/** Stories that go wrong where a step of setDurability() is left out. */
const SWITCHES: typeof LOSSES = [
  [233, "with data that only the journal had"],
  [48, "while it was written to"],
];

for (const [seed, what] of SWITCHES)
  test(`a tree becomes fast ${what}, and keeps what was promised for good`, async () => {
    assert.ok((await story(seed, { mixed: true })) > 1);
  });

for (const [seed, what] of LOSSES)
  test(`what was wrong once stays right: ${what}`, async () => {
    assert.ok((await story(seed)) > 1);
  });

test("and this test bites: disks that lie about the syncs of the journal, of data files, of checkpoints and of names are found out", async () => {
  for (const what of ["journal", "data", "checkpoint", "names"]) {
    let found = 0;
    for (let seed = 1; seed <= 60 && found < 1; seed++)
      await story(seed, { lies: (path) => path.includes(what) }).catch(() => {
        found += 1;
      });
    assert.ok(found > 0, `nobody has missed the syncs of ${what}`);
  }
});
