import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { test } from "node:test";
import { Die, rounds } from "../testing/die.ts";
import type { Chain } from "./chain.ts";
import { openClone } from "./clone.ts";
import type { HostMode } from "./host-file.ts";
import { checkQcow2 } from "./testing/check.ts";
import { offsetOf, place, readSectors, SECTOR, SectorModel } from "./testing/sectors.ts";
import { type Plan, SickFile } from "./testing/sick-file.ts";
import { sectorWorkshop } from "./testing/workshop.ts";

const codeOf = (error: unknown) => (error as { code?: string }).code;

/** A node's life with trouble in it; every call either is done or says why not. Gives back what was said. */
async function live(path: string, plan: Plan, model: SectorModel, die: Die) {
  const said: string[] = [];
  const attempt = async (act: () => void | Promise<void>) => {
    try {
      await act();
      return true;
    } catch (error) {
      said.push(codeOf(error) ?? String(error));
      return false;
    }
  };
  const options = {
    timer: () => () => undefined,
    hostFile: (at: string, mode: HostMode) => new SickFile(at, mode, plan),
  };
  let clone: Awaited<ReturnType<typeof openClone>>;
  try {
    clone = await openClone(path, options);
  } catch (error) {
    said.push(codeOf(error) ?? String(error));
    return said;
  }
  for (let i = 0; i < 40; i++) {
    const { first, count } = place(die);
    const kind = die.below(10);
    if (kind < 7) {
      const bytes = model.write(first, count);
      if (!(await attempt(() => clone.write(bytes, offsetOf(first))))) model.failed(first, count);
    } else if (kind < 8) {
      model.zero(first, count);
      if (!(await attempt(() => clone.zero(offsetOf(first), count * SECTOR)))) model.failed(first, count);
    } else {
      const ended = model.flushing();
      if (await attempt(() => clone.flush())) ended();
    }
    await attempt(() => clone.endBatch());
    await attempt(() => clone.read(new Uint8Array(SECTOR), offsetOf(first))); // reads go on
  }
  const ended = model.flushing();
  if (await attempt(() => clone.close())) ended();
  return said;
}

/** A failed write is in the model as one that may have happened: in part, but only in its own sectors. */
async function expectHealthy(path: string, model: SectorModel, where: string): Promise<void> {
  assert.deepEqual(checkQcow2(path).corruptions, [], where);
  const clone = await openClone(path, { bootId: "another" });
  assert.deepEqual(await model.judge(clone), { lost: 0, garbage: 0 }, where);
  await clone.write(model.write(0, 8), offsetOf(0));
  await clone.close();
  assert.deepEqual(checkQcow2(path), { corruptions: [], leaks: 0 }, where);
}

async function everyPlace(
  plan: Omit<Plan, "count" | "failAt">,
  step: number,
  expected: string[],
): Promise<void> {
  for (let failAt = 0; ; failAt += step) {
    const folder = await sectorWorkshop();
    try {
      const now: Plan = { ...plan, count: 0, failAt };
      const model = new SectorModel();
      const said = await live(folder.path("c.qcow2"), now, model, new Die(5));
      const where = `${plan.trouble} at ${plan.what} ${failAt}: ${said.join(" ")}`;
      for (const code of said) assert.ok(expected.includes(code), where);
      await expectHealthy(folder.path("c.qcow2"), model, where);
      if (failAt >= now.count) {
        assert.deepEqual(said, [], "a plan that never struck");
        return;
      }
      assert.ok(said.length > 0 || plan.what === "write", `${where}: nobody was told`);
    } finally {
      folder.remove();
    }
  }
}

/** Every verb on a clone's files, with trouble in it: what failed has not happened, what was told of is there. */
async function verbs(path: string, plan: Plan, model: SectorModel, kept: Map<string, Int32Array>) {
  const said: string[] = [];
  const attempt = async (act: () => unknown) => {
    try {
      await act();
      return true;
    } catch (error) {
      said.push(codeOf(error) ?? String(error));
      return false;
    }
  };
  const die = new Die(plan.failAt + 1);
  const clone = await openClone(path, {
    timer: () => () => undefined,
    hostFile: (at, mode) => new SickFile(at, mode, plan),
    on: (event) => void (event.kind === "mergeFailed" && said.push(event.why.code)),
  }).catch((error) => void said.push(codeOf(error) ?? String(error)));
  if (!clone) return said;
  const chain = clone.chain as Chain;
  const write = async () => {
    for (let i = 0; i < 6; i++) {
      const { first, count } = place(die);
      const bytes = model.write(first, count);
      if (!(await attempt(() => clone.write(bytes, offsetOf(first))))) model.failed(first, count);
    }
  };
  const snapshot = async (name: string) => {
    const values = await readSectors(clone);
    if (await attempt(() => chain.snapshot(name))) kept.set(name, values);
  };
  await write();
  await snapshot("a");
  await write();
  await snapshot("b");
  await write();
  if (await attempt(() => chain.drop("a"))) kept.delete("a");
  else if (!chain.list().some(({ name }) => name === "a")) kept.delete("a");
  await attempt(() => chain.merge());
  await attempt(() => chain.resize(clone.size + 70_000));
  await write();
  await snapshot("c");
  const target = kept.get("b");
  if (await attempt(() => chain.rollback("b"))) model.become(target as Int32Array);
  await write();
  await attempt(() => chain.merge());
  await attempt(() => clone.close());
  return said;
}

async function verbsEverywhere(plan: Omit<Plan, "count" | "failAt">, by: number, expected: string[]) {
  for (let failAt = 0; ; failAt += by) {
    const folder = await sectorWorkshop();
    const path = folder.path("c.qcow2");
    try {
      const now: Plan = { ...plan, count: 0, failAt };
      const model = new SectorModel();
      const kept = new Map<string, Int32Array>();
      const said = await verbs(path, now, model, kept);
      const where = `${plan.trouble} at ${plan.what} ${failAt}: ${said.join(" ")}`;
      for (const code of said) assert.ok([...expected, "SNAPSHOT_UNKNOWN"].includes(code), where);
      const clone = await openClone(path, { merges: false });
      const chain = clone.chain as Chain;
      for (const [name, values] of kept) {
        const { disk, release } = await chain.hold(name);
        assert.deepEqual(await readSectors(disk), values, `${where}: snapshot ${name}`);
        release();
      }
      const before = await readSectors(clone);
      assert.deepEqual(model.accepts(before), { lost: 0, garbage: 0 }, where);
      await chain.snapshot("after");
      await chain.merge();
      assert.deepEqual(await readSectors(clone), before, where);
      await clone.close();
      for (const name of readdirSync(folder.path("")).filter((one) => /^c\.qcow2(\.\d+)?$/.test(one)))
        assert.deepEqual(checkQcow2(folder.path(name)).corruptions, [], `${where}: ${name}`);
      if (failAt >= now.count) {
        assert.deepEqual(said, [], "a plan that never struck");
        return;
      }
    } finally {
      folder.remove();
    }
  }
}

for (const [what, trouble, times, every, codes] of [
  ["write", "ENOSPC", 1, 9, ["DISK_FULL"]],
  ["write", "ENOSPC", 40, 9, ["DISK_FULL", "DISK_IO"]],
  ["write", "EIO", 1, 9, ["DISK_IO"]],
  ["sync", "EIO", 1, 3, ["DISK_IO"]],
] as const)
  test(`snapshots, drops, merges, growth, rollback with ${trouble} for ${times} ${what}s: an error or done, nothing in between`, () =>
    verbsEverywhere({ what, trouble, for: times }, rounds(every, 1), [...codes]));

const step = rounds(7, 1);

test("a full disk for one write: somebody is told DISK_FULL, all else goes on, and nothing flushed is lost", () =>
  everyPlace({ what: "write", trouble: "ENOSPC", for: 1 }, step, ["DISK_FULL"]));
test("a full disk for a while: DISK_FULL until there is space again", () =>
  everyPlace({ what: "write", trouble: "ENOSPC", for: 25 }, step, ["DISK_FULL"]));
test("a broken disk for one write: DISK_IO, and nothing flushed is lost", () =>
  everyPlace({ what: "write", trouble: "EIO", for: 1 }, step, ["DISK_IO"]));
test("a sync that fails once: DISK_IO for good, the clone takes no more writes", () =>
  everyPlace({ what: "sync", trouble: "EIO", for: 1 }, 1, ["DISK_IO"]));
