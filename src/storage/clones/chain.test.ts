import assert from "node:assert/strict";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { type TestContext, test } from "node:test";
import { needs, which } from "../../../test/tools.ts";
import { createVolume, openClone } from "./clone.ts";
import { chainOf, expectWhole, filled, healthy, layerFiles, withClone } from "./testing/chain-rig.ts";
import { checkQcow2 } from "./testing/check.ts";
import { bytesOf, contents, expectSame } from "./testing/contents.ts";
import { MIB, qemu, workshop } from "./testing/workshop.ts";

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
