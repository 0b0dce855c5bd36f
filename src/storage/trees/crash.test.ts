import assert from "node:assert/strict";
import { test } from "node:test";
import { Die, rounds } from "../testing/die.ts";
import { MemoryHost } from "./testing/memory-host.ts";
import { TreeModel } from "./testing/tree-model.ts";
import { TREES, World } from "./testing/tree-world.ts";

const IDS = ["n1", "n2"];

/** Some lives of a server with two trees, each ended by a kill or a power cut at any step. */
async function story(seed: number, lies?: (path: string) => boolean): Promise<number> {
  const die = new Die(seed);
  const world = new World(die.oneIn(3) ? "fast" : "durable");
  let host = new MemoryHost();
  host.makeFolder(TREES);
  const first = await world.open(host);
  for (const id of IDS) {
    await first.house.create({ id, image: "0".repeat(64) });
    world.models.set(id, new TreeModel());
    world.snapshots.set(id, new Map());
  }
  await first.close();
  const lives = 2 + die.below(4);
  for (let life = 1; life <= lives; life++) {
    host.die = die;
    if (lies) host.lies = lies;
    const isPower = world.durability === "durable" && die.oneIn(2);
    host.dieAt = host.steps + 5 + die.below(die.oneIn(3) ? 600 : 150);
    await Promise.race([live(world, host, die, `seed ${seed} life ${life}`), host.death]);
    const next = isPower ? host.afterPowerCut(die) : host.afterKill();
    host.dieAt = 0;
    host = next;
  }
  host.die = undefined;
  const last = await world.open(host);
  await world.check(last, `seed ${seed} at last`);
  await last.close();
  return lives;
}

async function live(world: World, host: MemoryHost, die: Die, what: string): Promise<void> {
  const open = await world.open(host);
  await world.check(open, what);
  while (!host.isDead) {
    const id = die.pick(IDS);
    if (die.oneIn(12)) await world.verb(open, id, die);
    else {
      const tree = await open.house.tree(id);
      const { kept, settled } = await world.op(tree, id, die);
      if (host.isDead) return;
      const promised = Promise.resolve(settled).then(() => {
        if (!host.isDead) kept();
      });
      if (die.oneIn(2)) await promised;
      else if (die.oneIn(3)) await new Promise((next) => setImmediate(next));
    }
  }
}

test("killed or without power at any step: everything that was promised is there, and nothing foreign", async (t) => {
  let lives = 0;
  for (let seed = 1; seed <= rounds(150, 5000); seed++) lives += await story(seed);
  t.diagnostic(`${lives} lives`);
  assert.ok(lives > 100);
});
