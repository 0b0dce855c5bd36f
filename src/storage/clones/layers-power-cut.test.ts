import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { which } from "../../../test/tools.ts";
import { Die, rounds } from "../testing/die.ts";
import type { Chain } from "./chain.ts";
import { type Clone, openClone } from "./clone.ts";
import { checkQcow2 } from "./testing/check.ts";
import { CutWorld } from "./testing/cut-world.ts";
import { DISK_SIZE, GARBAGE, offsetOf, place, readSectors, SECTOR, SectorModel } from "./testing/sectors.ts";
import { qemu, sectorWorkshop } from "./testing/workshop.ts";

/**
 * Power cuts while snapshots are made, dropped, rolled back to and merged, and the disk grows. Then: each file is whole, the
 * clone holds what was flushed or later values of its own, each snapshot that was told of holds what it held, byte for byte.
 */
const CUTS_PER_STORY = 4;

interface Verdict {
  cuts: number;
  /** Files with corruptions, lost flushed sectors, foreign bytes, wrong snapshots, refused opens: all harm. */
  harm: string[];
}

/** What is known of the snapshots, and what a verb that was under way may have done. */
interface Known {
  kept: Map<string, Int32Array>;
  size: number;
  /** The verb whose answer the cut came before. */
  open: { verb: string; name: string } | undefined;
}

const settled = (chain: Chain, name: string) => chain.list().some((facts) => facts.name === name);

async function writeSome(clone: Clone, model: SectorModel, die: Die): Promise<void> {
  for (let i = die.below(60); i > 0; i--) {
    const { first, count } = place(die);
    const kind = die.below(20);
    if (kind < 13) await clone.write(model.write(first, count), offsetOf(first));
    else if (kind < 16) {
      model.zero(first, count);
      await clone.zero(offsetOf(first), count * SECTOR, die.oneIn(3));
    } else if (kind < 18) {
      const ended = model.flushing();
      Promise.resolve(clone.flush()).then(ended, () => undefined); // after the cut it never ends
    } else for (let turns = die.below(8); turns > 0; turns--) await new Promise((next) => setImmediate(next));
  }
}

async function verb(clone: Clone, model: SectorModel, known: Known, die: Die, turn: string): Promise<void> {
  const chain = clone.chain as Chain;
  const names = [...known.kept.keys()];
  const kind = die.below(10);
  if (kind < 4 || names.length === 0) {
    const values = await readSectors(clone);
    known.open = { verb: "snapshot", name: turn };
    await chain.snapshot(turn);
    known.kept.set(turn, values);
    model.become(values); // all of it was flushed
  } else if (kind < 6) {
    const name = die.pick(names);
    known.open = { verb: "drop", name };
    await chain.drop(name);
    known.kept.delete(name);
  } else if (kind < 7) {
    const name = die.pick(names);
    known.open = { verb: "rollback", name };
    await chain.rollback(name);
    model.become(known.kept.get(name) as Int32Array);
  } else if (kind < 8) {
    known.open = { verb: "resize", name: "" };
    await chain.resize(known.size + 70_000);
    known.size = clone.size;
  } else await chain.merge();
  known.open = undefined;
}

async function live(
  world: CutWorld,
  folder: string,
  model: SectorModel,
  known: Known,
  die: Die,
  cut: string,
) {
  const clone = await openClone(join(folder, "c.qcow2"), {
    ...{ bootId: "boot-1", hostFile: world.hostFile, hostFolder: world.hostFolder },
    timer: () => () => undefined,
  });
  for (let turn = die.below(4); turn > 0; turn--) {
    await writeSome(clone, model, die);
    await verb(clone, model, known, die, `s${cut}-${turn}`);
  }
  await writeSome(clone, model, die);
  if (die.oneIn(4)) return;
  verb(clone, model, known, die, `s${cut}-last`).catch(() => undefined); // in the middle of it
  for (let turns = die.below(60); turns > 0; turns--) await new Promise((next) => setImmediate(next));
}

async function judge(folder: string, model: SectorModel, known: Known, verdict: Verdict): Promise<void> {
  const say = (what: string) => verdict.harm.push(what);
  const files = readdirSync(folder).filter((name) => /^c\.qcow2(\.\d+)?$/.test(name));
  const { open } = known;
  try {
    for (const name of files) {
      const { corruptions } = checkQcow2(join(folder, name));
      if (corruptions.length > 0) say(`${name}: ${corruptions[0]}`);
      if (verdict.cuts % 10 === 0 && which("qemu-img")) qemu.checkLeaks(join(folder, name));
    }
    const clone = await openClone(join(folder, "c.qcow2"), { bootId: "boot-2", merges: false });
    const chain = clone.chain as Chain;
    const values = await readSectors(clone);
    const { lost, garbage } = model.accepts(values);
    const target = open?.verb === "rollback" ? known.kept.get(open.name) : undefined;
    const isRolledBack = target?.every((value, sector) => value === values[sector]) ?? false;
    if ((lost || garbage) && !isRolledBack) say(`the clone: ${lost} lost, ${garbage} garbage`);
    for (const [name, expected] of known.kept) {
      if (open?.verb === "drop" && open.name === name && !settled(chain, name)) continue;
      const { disk, release } = await chain.hold(name);
      const now = await readSectors(disk);
      const wrong = now.filter((value, sector) => value !== expected[sector]).length;
      if (wrong > 0) say(`snapshot ${name}: ${wrong} sectors are others`);
      release();
    }
    for (const { name } of chain.list()) {
      const { disk, release } = await chain.hold(name);
      if ((await readSectors(disk)).includes(GARBAGE)) say(`snapshot ${name}: foreign bytes`);
      release();
      if (!known.kept.has(name)) await chain.drop(name); // its verb was not answered
    }
    if (clone.size < known.size) say(`the disk shrank to ${clone.size}`);
    known.size = clone.size;
    for (const name of [...known.kept.keys()]) if (!settled(chain, name)) known.kept.delete(name);
    await chain.merge();
    model.become(values);
    if ((await readSectors(clone)).some((value, sector) => value !== values[sector]))
      say("merged: other bytes");
    await clone.close();
    for (const name of readdirSync(folder).filter((one) => /^c\.qcow2(\.\d+)?$/.test(one))) {
      const { corruptions, leaks } = checkQcow2(join(folder, name));
      if (corruptions.length > 0) say(`${name} after all: ${corruptions[0]}`);
      if (leaks > 0 && name === "c.qcow2") say(`${name} after all: ${leaks} leaks`);
    }
  } catch (error) {
    say(`refused: ${(error as Error).message}`);
  }
}

async function tell(seed: number, lies: ((what: string) => boolean) | undefined, verdict: Verdict) {
  const die = new Die(seed);
  const shop = await sectorWorkshop();
  const worlds: CutWorld[] = [];
  try {
    const model = new SectorModel();
    const known: Known = { kept: new Map(), size: DISK_SIZE, open: undefined };
    let folder = shop.path("");
    for (let cut = 0; cut < CUTS_PER_STORY && verdict.harm.length === 0; cut++) {
      const world = new CutWorld(folder, { die, ...(lies ? { lies } : {}) });
      worlds.push(world);
      known.open = undefined;
      await live(world, folder, model, known, die, `${seed}-${cut}`);
      const after = shop.path(`after-${cut}`);
      world.cut(die, after);
      verdict.cuts += 1;
      const before = { ...known, kept: new Map(known.kept) };
      await judge(after, model, before, verdict);
      if (verdict.harm.length > 0)
        verdict.harm.push(`seed ${seed}, cut ${cut}, in ${JSON.stringify(before.open)}`);
      known.kept = before.kept;
      known.size = before.size;
      folder = after;
    }
  } finally {
    for (const world of worlds) world.close();
    shop.remove();
  }
}

async function tellAll(stories: number, lies?: (what: string) => boolean): Promise<Verdict> {
  const verdict: Verdict = { cuts: 0, harm: [] };
  for (let seed = 1; seed <= stories && verdict.harm.length === 0; seed++) await tell(seed, lies, verdict);
  return verdict;
}

test("no power cut during snapshots, merges, rollback and growth loses a flushed sector or a snapshot's byte", async (t) => {
  const stories = rounds(12, 250);
  const verdict = await tellAll(stories);
  t.diagnostic(JSON.stringify(verdict));
  assert.deepEqual(verdict.harm, []);
  assert.equal(verdict.cuts, stories * CUTS_PER_STORY);
});

for (const lie of ["contents", "mapping", "folder"])
  test(`and this test bites: where syncs of the ${lie} do nothing it finds harm`, async (t) => {
    const verdict = await tellAll(80, (what) => what === lie);
    t.diagnostic(JSON.stringify(verdict));
    assert.ok(verdict.harm.length > 0);
  });
