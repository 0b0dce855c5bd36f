import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { type TestContext, test } from "node:test";
import { needs, which } from "../../../test/tools.ts";
import { Die, rounds } from "../testing/die.ts";
import type { Chain } from "./chain.ts";
import { type Clone, createVolume, type OpenOptions, openClone } from "./clone.ts";
import { HostFile, hostError } from "./host-file.ts";
import { checkQcow2 } from "./testing/check.ts";
import { bytesOf, contents, expectSame } from "./testing/contents.ts";
import { MIB, qemu, workshop } from "./testing/workshop.ts";

const healthy = { corruptions: [], leaks: 0 };
const filled = (value: number, length = 4096) => new Uint8Array(length).fill(value);
const chainOf = (clone: Clone): Chain => clone.chain as Chain;

interface Rig {
  path: string;
  folder: ReturnType<typeof workshop>;
  model: Uint8Array;
  open(options?: OpenOptions): Promise<Clone>;
  write(clone: Clone, offset: number, value: number, length?: number): Promise<void>;
}

async function withClone(act: (rig: Rig) => Promise<void>, size = 4 * MIB): Promise<void> {
  const folder = workshop(size);
  await folder.clone("c.qcow2");
  const model = folder.bytes.slice();
  const opened: Clone[] = [];
  try {
    await act({
      ...{ path: folder.path("c.qcow2"), folder, model },
      async open(options) {
        const clone = await openClone(folder.path("c.qcow2"), { merges: false, ...options });
        opened.push(clone);
        return clone;
      },
      async write(clone, offset, value, length = 4096) {
        model.fill(value, offset, offset + length);
        await clone.write(filled(value, length), offset);
      },
    });
  } finally {
    for (const clone of opened) await clone.close().catch(() => {});
    folder.remove();
  }
}

const layerFiles = (folder: ReturnType<typeof workshop>) =>
  readdirSync(folder.path(""))
    .filter((name) => /^c\.qcow2(\.\d+)?$/.test(name))
    .sort();

/** Each qcow2 file alone, by us and by QEMU; and the chain as QEMU reads it. */
function expectWhole(folder: ReturnType<typeof workshop>, model: Uint8Array): void {
  for (const name of layerFiles(folder)) {
    assert.deepEqual(checkQcow2(folder.path(name)), healthy, name);
    if (which("qemu-img")) qemu.check(folder.path(name));
  }
  if (!which("qemu-img")) return;
  qemu.img("convert", "-O", "raw", folder.path("c.qcow2"), folder.path("flat.raw"));
  expectSame(readFileSync(folder.path("flat.raw")), model, "as qemu-img reads it");
}

test("a snapshot keeps what was, while writes go on without error", () =>
  withClone(async ({ open, write, model, folder, path }) => {
    const clone = await open();
    await write(clone, 0, 1);
    await write(clone, MIB, 2, 100_000);
    const writes: (void | Promise<void>)[] = [];
    const taken = chainOf(clone).snapshot("first");
    for (let i = 0; i < 200; i++) {
      const value = 10 + (i % 200);
      model.fill(value, 2 * MIB + i * 512, 2 * MIB + i * 512 + 512);
      writes.push(clone.write(filled(value, 512), 2 * MIB + i * 512));
      if (i % 20 === 0) await new Promise((next) => setImmediate(next));
    }
    const facts = await taken;
    await Promise.all(writes);
    assert.equal(facts.name, "first");
    assert.equal(facts.size, clone.size);
    const { disk, release } = await chainOf(clone).hold("first");
    const before = await bytesOf(disk);
    assert.deepEqual(before.subarray(0, 2 * MIB), model.subarray(0, 2 * MIB));
    // Each write is in it or not, none is torn, and none is in it that came after one that is not.
    let ended = false;
    for (let i = 0; i < 200; i++) {
      const at = 2 * MIB + i * 512;
      const now = before.subarray(at, at + 512);
      const isIn = now.every((byte) => byte === 10 + (i % 200));
      const isOut = Buffer.compare(now, folder.bytes.subarray(at, at + 512)) === 0;
      assert.ok(isIn || isOut, `write ${i} is torn`);
      assert.ok(!(ended && isIn && !isOut), `write ${i} came after one that is missing`);
      ended ||= !isIn;
    }
    release();
    await write(clone, 0, 99);
    expectSame(await bytesOf(clone), model, "the clone");
    await clone.close();
    expectWhole(folder, model);
    expectSame(await contents(`${path}.1`), before, "the snapshot, closed");
    assert.equal(existsSync(`${path}.lock`), false);
  }));

test("rollback gives back what a snapshot holds, also forward again; the serial stays", () =>
  withClone(async ({ open, write, model, folder }) => {
    const clone = await open();
    const { id } = clone;
    await write(clone, 0, 1);
    await chainOf(clone).snapshot("one");
    const one = model.slice();
    await write(clone, 0, 2, 200_000);
    await chainOf(clone).snapshot("two");
    const two = model.slice();
    await write(clone, 3 * MIB, 3);
    const { generation } = clone;
    await chainOf(clone).rollback("one");
    assert.notEqual(clone.generation, generation, "what is cached of it is old");
    expectSame(await bytesOf(clone), one, "rolled back");
    await clone.write(filled(77), MIB);
    await chainOf(clone).rollback("two");
    expectSame(await bytesOf(clone), two, "forward");
    assert.equal(clone.id, id);
    await assert.rejects(chainOf(clone).rollback("three"), { code: "SNAPSHOT_UNKNOWN", hint: /one, two/ });
    await clone.close();
    expectWhole(folder, two);
    const again = await open();
    assert.equal(again.id, id);
    assert.deepEqual(
      chainOf(again)
        .list()
        .map(({ name, on, isBelow }) => ({ name, on, isBelow })),
      [
        { name: "one", on: undefined, isBelow: true },
        { name: "two", on: "one", isBelow: true },
      ],
    );
  }));

test("reset begins with the image again and keeps snapshots, or lets them go", () =>
  withClone(async ({ open, write, folder }) => {
    const clone = await open();
    await write(clone, 0, 1, 300_000);
    await chainOf(clone).snapshot("kept");
    await chainOf(clone).reset();
    expectSame(await bytesOf(clone), folder.bytes, "the image");
    assert.equal(clone.ownExtents(0, clone.size), false);
    assert.equal(chainOf(clone).list().length, 1);
    await clone.write(filled(9), 0);
    await chainOf(clone).reset({ dropSnapshots: true });
    await chainOf(clone).merge();
    expectSame(await bytesOf(clone), folder.bytes, "the image again");
    assert.deepEqual(layerFiles(folder), ["c.qcow2"]);
  }));

test("names of snapshots are checked", () =>
  withClone(async ({ open }) => {
    const chain = chainOf(await open());
    for (const name of ["", "a/b", "..", ".x", "a b", "x".repeat(64), "-rf"])
      await assert.rejects(chain.snapshot(name), { code: "BAD_INPUT" }, name);
    await chain.snapshot("a");
    await assert.rejects(chain.snapshot("a"), { code: "BAD_INPUT" });
    await assert.rejects(chain.drop("b"), { code: "SNAPSHOT_UNKNOWN" });
  }));

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

test("another image: a new clone over it, the old one stays as a snapshot until it is dropped", () =>
  withClone(async ({ open, write, model, folder }) => {
    const other = workshop(6 * MIB, 9);
    try {
      const clone = await open();
      await write(clone, 0, 1);
      await clone.flush();
      const image = { path: other.image, size: 6 * MIB, sha256: other.sha256 };
      await chainOf(clone).rebase(image, "before");
      assert.equal(clone.size, 6 * MIB);
      expectSame(await bytesOf(clone), other.bytes, "the new image");
      assert.deepEqual(chainOf(clone).space().images.sort(), [folder.sha256, other.sha256].sort());
      await clone.write(filled(3), 0);
      await chainOf(clone).rollback("before");
      expectSame((await bytesOf(clone)).subarray(0, 4 * MIB), model, "the old one again");
      await chainOf(clone).rebase(image, "again");
      for (const name of ["before", "again"]) await chainOf(clone).drop(name);
      await chainOf(clone).merge();
      assert.deepEqual(chainOf(clone).space().images, [other.sha256]);
      assert.deepEqual(layerFiles(folder), ["c.qcow2"]);
      await clone.close();
      expectWhole(folder, other.bytes);
    } finally {
      other.remove();
    }
  }));

test("a disk grows while it is used, snapshots keep their size, and it does not shrink", () =>
  withClone(async ({ open, write, model, folder }) => {
    const clone = await open();
    await write(clone, 4 * MIB - 4096, 1);
    await chainOf(clone).snapshot("small");
    await chainOf(clone).resize(600 * MIB + 512);
    assert.equal(clone.size, 600 * MIB + 512);
    const tail = new Uint8Array(MIB);
    await clone.read(tail, clone.size - MIB);
    assert.ok(tail.every((byte) => byte === 0));
    await clone.write(filled(7), clone.size - 4096);
    await clone.write(filled(8, 10_000), 4 * MIB - 512);
    model.fill(8, 4 * MIB - 512);
    await assert.rejects(chainOf(clone).resize(MIB), { code: "BAD_INPUT" });
    await assert.rejects(chainOf(clone).resize(2 ** 50), { code: "BAD_INPUT" });
    await assert.rejects(chainOf(clone).resize(Number.NaN), { code: "BAD_INPUT" });
    assert.equal(chainOf(clone).list()[0]?.size, 4 * MIB);
    await chainOf(clone).snapshot("large");
    await chainOf(clone).drop("small");
    await chainOf(clone).merge();
    const head = new Uint8Array(4 * MIB + 12_288);
    await clone.read(head, 0);
    expectSame(head.subarray(0, 4 * MIB), model, "what was there");
    assert.deepEqual(head.subarray(4 * MIB, 4 * MIB + 9488), filled(8, 9488));
    assert.ok(head.subarray(4 * MIB + 9488).every((byte) => byte === 0));
    await clone.read(tail, clone.size - MIB);
    assert.deepEqual(tail.subarray(-4096), filled(7));
    await clone.close();
    for (const name of layerFiles(folder)) assert.deepEqual(checkQcow2(folder.path(name)), healthy, name);
    if (which("qemu-img")) assert.match(qemu.img("info", folder.path("c.qcow2")), /629146112 bytes/);
  }));

test("a volume is zeros at first and has no image; all verbs work on it", async () => {
  const folder = workshop(4096);
  try {
    const path = folder.path("c.qcow2");
    await createVolume({ path, size: 3 * MIB });
    await assert.rejects(createVolume({ path, size: MIB }), { code: "BAD_INPUT" });
    const clone = await openClone(path, { merges: false });
    const model = new Uint8Array(3 * MIB);
    expectSame(await bytesOf(clone), model, "zeros");
    await clone.write(filled(1, 300_000), 5000);
    model.fill(1, 5000, 305_000);
    await chainOf(clone).snapshot("a");
    await clone.write(filled(2), 0);
    await chainOf(clone).snapshot("b");
    await chainOf(clone).rollback("a");
    await chainOf(clone).drop("b");
    await chainOf(clone).drop("a");
    await chainOf(clone).merge();
    expectSame(await bytesOf(clone), model, "a");
    await chainOf(clone).snapshot("c");
    await chainOf(clone).reset();
    expectSame(await bytesOf(clone), new Uint8Array(3 * MIB), "reset");
    assert.deepEqual(chainOf(clone).space().images, []);
    await chainOf(clone).rollback("c");
    await clone.close();
    expectWhole(folder, model);
  } finally {
    folder.remove();
  }
});

test("quota: a warning at 90 %, DISK_FULL for new space at 100 %, rewrites go on, a trim makes room", () =>
  withClone(async ({ open }) => {
    const events: string[] = [];
    const clone = await open({
      on: (event) => void (event.kind === "quota" && events.push(`${event.percent}`)),
    });
    await chainOf(clone).setQuota(4 * MIB);
    let written = 0;
    await assert.rejects(
      async () => {
        for (; ; written += 65536) await clone.write(filled(1, 65536), written);
      },
      { code: "DISK_FULL", hint: /fstrim/ },
    );
    assert.deepEqual(events, ["90", "100"]);
    assert.ok(written > 3.5 * MIB && written <= 4 * MIB, `${written}`);
    await clone.write(filled(2, 65536), 0); // has its place
    await clone.flush();
    await clone.trim(0, 3 * MIB);
    await clone.flush();
    await clone.close();
    const again = await open();
    assert.equal(chainOf(again).space().quota, 4 * MIB, "it is kept");
    await again.write(filled(3, MIB), 10 * MIB);
    await chainOf(again).setQuota(undefined);
    await again.write(filled(3, 8 * MIB), 20 * MIB);
  }, 32 * MIB));

/** What somebody may do to the files by hand, and what we say then. */
test("a chain that was changed by hand is refused with what to do", async (t: TestContext) => {
  if (!needs(t, "qemu-io", "qemu-utils")) return;
  await withClone(async ({ open, write, path, folder, model }) => {
    const clone = await open();
    await write(clone, 0, 1, MIB);
    await chainOf(clone).snapshot("a");
    await write(clone, 0, 2);
    await clone.close();
    const layer = readFileSync(`${path}.1`);
    rmSync(`${path}.1`);
    await assert.rejects(openClone(path), {
      code: "FILE_UNKNOWN",
      message: /layer.*missing/,
      hint: /put it back/,
    });
    writeFileSync(`${path}.1`, layer);
    qemu.io(`${path}.1`, ["write -P 9 2M 64k"]);
    await assert.rejects(openClone(path), {
      code: "CLONE_DAMAGED",
      message: /another program/,
      hint: /copy/,
    });
    for (const length of [0, 50, 1000, 70_000, 200_000, 300_000, layer.length - MIB / 2]) {
      writeFileSync(`${path}.1`, layer.subarray(0, length));
      await assert.rejects(openClone(path), { code: /^(FORMAT|WIRE)_/ }, `cut to ${length} bytes`);
    }
    writeFileSync(`${path}.1`, layer);
    writeFileSync(`${path}.layers`, "{");
    await assert.rejects(openClone(path), { code: "CLONE_DAMAGED", hint: /none is lost/ });
    rmSync(`${path}.layers`);
    const again = await open();
    assert.deepEqual(
      chainOf(again)
        .list()
        .map(({ name }) => name),
      ["layer-1"],
      "without index a layer is a snapshot",
    );
    expectSame(await bytesOf(again), model, "the clone");
    await again.close();
    rmSync(folder.image);
    await assert.rejects(openClone(path), {
      code: "FILE_UNKNOWN",
      message: /image.*missing/,
      hint: /sha256/,
    });
    writeFileSync(folder.image, filled(1, 4 * MIB));
    await assert.rejects(openClone(path), { code: "IMAGE_CHECKSUM" });
    writeFileSync(folder.image, folder.bytes);
  });
});
