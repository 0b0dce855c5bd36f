import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { Die, rounds } from "../testing/die.ts";
import type { Clone } from "./clone.ts";
import { HostFile, hostError } from "./host-file.ts";
import { chainOf, expectWhole, filled, layerFiles, withClone } from "./testing/chain-rig.ts";
import { checkQcow2 } from "./testing/check.ts";
import { bytesOf, expectSame } from "./testing/contents.ts";
import { MIB } from "./testing/workshop.ts";

/** A node that writes all the time, and every byte compared all the time. */
async function busyNode(clone: Clone, model: Uint8Array, die: Die, until: Promise<unknown>): Promise<number> {
  let over = false;
  void until.finally(() => {
    over = true;
  });
  let steps = 0;
  while (!over || steps < 20) {
    const offset = die.below(model.length / 512) * 512;
    const length = Math.min(model.length - offset, (1 + die.below(die.pick([1, 8, 200]))) * 512);
    const kind = die.below(10);
    if (kind < 6) {
      const value = 1 + die.below(255);
      model.fill(value, offset, offset + length);
      await clone.write(filled(value, length), offset);
    } else if (kind < 8) {
      model.fill(0, offset, offset + length);
      await clone.zero(offset, length, die.oneIn(3));
    } else if (kind < 9) await clone.flush();
    const at = die.below(model.length - 70_000);
    const seen = new Uint8Array(70_000);
    await clone.read(seen, at);
    expectSame(seen, model.subarray(at, at + seen.length), `while it merges, from byte ${at}`);
    steps += 1;
    if (die.oneIn(4)) await new Promise((next) => setImmediate(next));
  }
  return steps;
}

test("whatever is snapshotted, dropped, rolled back and merged, every byte is what a model holds, at any time", async () => {
  for (let seed = 1; seed <= rounds(6, 60); seed++)
    await withClone(async ({ open, model, folder, path }) => {
      const die = new Die(seed);
      let live = model;
      let clone = await open({ merges: true });
      const kept = new Map<string, Uint8Array>();
      for (let turn = 0; turn < 14; turn++) {
        const chain = chainOf(clone);
        const names = [...kept.keys()];
        const kind = die.below(10);
        if (kind < 5) {
          const name = `s${turn}`;
          await chain.snapshot(name);
          kept.set(name, live.slice());
        } else if (kind < 7 && names.length > 0) {
          const name = die.pick(names);
          await chain.drop(name);
          kept.delete(name);
        } else if (kind < 8 && names.length > 0) {
          const name = die.pick(names);
          await chain.rollback(name);
          live = (kept.get(name) as Uint8Array).slice();
        } else if (kind < 9) {
          await clone.close();
          clone = await open({ merges: true });
        }
        await busyNode(clone, live, die, die.oneIn(2) ? chainOf(clone).merge() : Promise.resolve());
        for (const [name, bytes] of kept) {
          const { disk, release } = await chainOf(clone).hold(name);
          expectSame(await bytesOf(disk), bytes, `seed ${seed}, turn ${turn}, snapshot ${name}`);
          release();
        }
      }
      await chainOf(clone).merge();
      const space = chainOf(clone).space();
      assert.ok(space.chained <= 4, `${space.chained} files`);
      assert.deepEqual(
        chainOf(clone)
          .list()
          .map(({ name }) => name)
          .sort(),
        [...kept.keys()].sort(),
      );
      expectSame(await bytesOf(clone), live, `seed ${seed}, at the end`);
      await clone.close();
      expectWhole(folder, live);
      assert.ok(layerFiles(folder).length <= 2 + 2 * kept.size, layerFiles(folder).join(" "));
      void path;
    });
});

test("five snapshots in a row: the chain stays at four, each of them stays what it was", () =>
  withClone(async ({ open, write, model, folder }) => {
    const clone = await open({ merges: true });
    const kept: Uint8Array[] = [];
    for (let i = 0; i < 7; i++) {
      await write(clone, i * 300_000, i + 1, 200_000);
      await chainOf(clone).snapshot(`s${i}`);
      kept.push(model.slice());
    }
    await chainOf(clone).merge();
    assert.equal(chainOf(clone).space().chained, 4);
    for (const [i, bytes] of kept.entries()) {
      const { disk, release } = await chainOf(clone).hold(`s${i}`);
      expectSame(await bytesOf(disk), bytes, `s${i}`);
      release();
    }
    await clone.close();
    expectWhole(folder, model);
  }));

test("a dropped snapshot's space comes back, and what a trim freed in the node with it", () =>
  withClone(async ({ open, write, model, folder, path }) => {
    const clone = await open();
    await write(clone, 0, 5, 3 * MIB);
    await chainOf(clone).snapshot("big");
    model.fill(0, 0, 3 * MIB);
    await clone.trim(0, 3 * MIB);
    await clone.flush();
    assert.ok(chainOf(clone).space().sharedBytes > 3 * MIB, "the snapshot still needs it");
    await chainOf(clone).drop("big");
    await chainOf(clone).merge();
    assert.ok(clone.ownBytes() < MIB, `${clone.ownBytes()}`);
    expectSame(await bytesOf(clone), model, "after it");
    assert.equal(existsSync(`${path}.1`), false);
    await clone.close();
    expectWhole(folder, model);
  }));

test("a small change over a large dropped snapshot is merged down, not the large one up", () =>
  withClone(async ({ open, write, model, folder }) => {
    const clone = await open();
    await write(clone, 0, 5, 30 * MIB);
    await chainOf(clone).snapshot("large");
    await write(clone, 0, 6, 8192);
    await chainOf(clone).snapshot("small");
    await clone.flush();
    await chainOf(clone).drop("large");
    const before = readFileSync(folder.path("c.qcow2.1")).length;
    await chainOf(clone).merge();
    assert.deepEqual(layerFiles(folder), ["c.qcow2", "c.qcow2.2"]);
    assert.ok(
      readFileSync(folder.path("c.qcow2.2")).length >= before,
      "the large file took the small one's place",
    );
    const { disk, release } = await chainOf(clone).hold("small");
    expectSame(await bytesOf(disk), model, "small");
    release();
    await clone.close();
    expectWhole(folder, model);
  }, 32 * MIB));

test("a merge that other verbs interrupt again and again loses nothing", () =>
  withClone(async ({ open, write, model, folder }) => {
    let clone = await open();
    await write(clone, 0, 5, 6 * MIB);
    await chainOf(clone).snapshot("lower");
    await write(clone, 8 * MIB, 6, 8 * MIB);
    await chainOf(clone).snapshot("upper");
    const upper = model.slice();
    await write(clone, 3 * MIB, 7, MIB);
    await chainOf(clone).drop("lower"); // up into "upper", which is frozen
    let steps = 0;
    const merged = chainOf(clone).merge(() => {
      steps += 1;
      if (steps % 2 === 0 && steps < 12) void chainOf(clone).setQuota(1000 * MIB + steps);
    });
    await merged;
    assert.ok(steps > 4, `${steps} steps`);
    await clone.close();
    expectWhole(folder, model);
    clone = await open();
    const { disk, release } = await chainOf(clone).hold("upper");
    expectSame(await bytesOf(disk), upper, "upper");
    release();
    expectSame(await bytesOf(clone), model, "the clone");
  }, 20 * MIB));

test("a merge that meets a full disk is gone on with, and the clone is whole in between", () =>
  withClone(async ({ open, write, model, folder, path }) => {
    let room = Number.POSITIVE_INFINITY;
    class SmallDisk extends HostFile {
      override write(from: Uint8Array, offset: number): void {
        if (this.path.endsWith(".2") && room-- <= 0)
          throw hostError(Object.assign(new Error("full"), { code: "ENOSPC" }), `write ${this.path}`);
        super.write(from, offset);
      }
    }
    const failed: string[] = [];
    let clone = await open({
      hostFile: (at, mode) => new SmallDisk(at, mode),
      on: (event) => void (event.kind === "mergeFailed" && failed.push(event.why.code)),
    });
    await write(clone, 0, 5, 2 * MIB);
    await chainOf(clone).snapshot("lower");
    await write(clone, 4 * MIB, 6, 3 * MIB);
    await chainOf(clone).snapshot("upper");
    for (const at of [0, 2, 5]) {
      room = at;
      if (at === 0) await chainOf(clone).drop("lower");
      await assert.rejects(chainOf(clone).merge(), { code: "DISK_FULL" }, `after ${at} writes`);
      expectSame(await bytesOf(clone), model, `after ${at} writes`);
      assert.deepEqual(checkQcow2(`${path}.2`).corruptions, []);
    }
    room = Number.POSITIVE_INFINITY;
    await chainOf(clone).merge();
    assert.ok(failed.length > 0, "it was told");
    expectSame(await bytesOf(clone), model, "in the end");
    assert.deepEqual(layerFiles(folder), ["c.qcow2", "c.qcow2.2"]);
    await clone.close();
    expectWhole(folder, model);
    clone = await open();
    expectSame(await bytesOf(clone), model, "opened anew");
  }, 8 * MIB));
