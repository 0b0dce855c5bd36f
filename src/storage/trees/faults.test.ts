import assert from "node:assert/strict";
import { test } from "node:test";
import { BrambleError } from "../../base/errors.ts";
import { Die, rounds } from "../testing/die.ts";
import { MemoryHost, type Plan } from "./testing/memory-host.ts";
import { TreeModel } from "./testing/tree-model.ts";
import { TREES, World } from "./testing/tree-world.ts";

const IDS = ["n1", "n2"];

/** A tree's story on a disk that fails as planned, then goes on; `isMixed`: trees have modes of their own, which change. Gives how often something was refused, and how often the disk was asked. */
async function story(seed: number, plan: Plan, isMixed: boolean) {
  const die = new Die(seed);
  const world = new World(die.oneIn(2) ? "fast" : "durable");
  const host = new MemoryHost();
  host.makeFolder(TREES);
  const open = await world.open(host);
  for (const id of IDS) {
    await open.house.create({ id, image: "0".repeat(64) });
    world.models.set(id, new TreeModel());
    world.snapshots.set(id, new Map());
    if (isMixed) await world.setDurability(open, id, id === "n1" ? "durable" : "fast");
  }
  [host.writes, host.syncs] = [0, 0];
  host.plan = plan;
  const what = `seed ${seed} ${JSON.stringify(plan)}`;
  for (let turn = 0; turn < 60; turn++) {
    const id = die.pick(IDS);
    try {
      if (isMixed && die.oneIn(10)) await world.setDurability(open, id, die.oneIn(2) ? "fast" : "durable");
      else if (die.oneIn(10)) await world.verb(open, id, die);
      else {
        const { kept, settled } = await world.op(await open.house.tree(id), id, die);
        await settled;
        kept();
      }
    } catch (error) {
      if (!(error instanceof BrambleError)) throw error;
      const expected = plan.trouble === "EIO" ? "DISK_IO" : "DISK_FULL";
      assert.ok([expected, "DISK_IO"].includes(error.code), `${what}: ${error.code} ${error.message}`);
      world.refused += 1;
      host.plan = undefined; // there is room again
      await open.keeping.round();
      await world.check(open, `${what} after turn ${turn}`, "alive");
    }
  }
  const asked = plan.what === "write" ? host.writes : host.syncs;
  host.plan = undefined;
  await open.keeping.round();
  await world.check(open, `${what} in the end`, "alive");
  for (const id of IDS) {
    const tree = await open.house.tree(id);
    const { settled, kept } = await world.op(tree, id, die);
    await settled; // it goes on
    kept();
  }
  const after = die.oneIn(2) || isMixed || world.durability === "fast" ? "kill" : "power";
  const again = await world.open(after === "kill" ? host.afterKill() : host.afterPowerCut(die));
  host.dieAt = 0;
  await world.check(again, `${what} afterwards`, after);
  await again.close();
  return { refused: world.refused, asked };
}

const KINDS = (["ENOSPC", "EIO"] as const).flatMap((trouble) =>
  (["write", "sync"] as const).flatMap((what) =>
    [false, true].map((isMixed) => ({ trouble, what, isMixed })),
  ),
);

for (const { trouble, what, isMixed } of KINDS)
  test(`${trouble} at any ${what}${isMixed ? ", with two modes" : ""}: nothing that was promised is lost, and it goes on`, async (t) => {
    let refused = 0;
    let stories = 0;
    for (let seed = 1; seed <= rounds(1, 10); seed++) {
      const { asked } = await story(
        seed,
        { what, from: Number.POSITIVE_INFINITY, count: 0, trouble },
        isMixed,
      );
      for (let from = 0; from < asked; from += rounds(3, 1)) {
        const count = [1, 3, 1000][from % 3] as number;
        refused += (await story(seed, { what, from, count, trouble }, isMixed)).refused;
        stories += 1;
      }
    }
    t.diagnostic(`${stories} stories, ${refused} refusals`);
    assert.ok(refused > stories / 2);
  });
