import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { type TestContext, test } from "node:test";
import { needs } from "../../../test/tools.ts";
import { openXz, packXz } from "../images/xz.ts";
import { Die } from "../testing/die.ts";
import type { Chain } from "./chain.ts";
import { type Clone, openClone } from "./clone.ts";
import { type ExportFormat, exportDisk } from "./export.ts";
import { checkQcow2 } from "./testing/check.ts";
import { bytesOf, contents, expectSame } from "./testing/contents.ts";
import { MIB, qemu, workshop } from "./testing/workshop.ts";

interface Rig {
  clone: Clone;
  chain: Chain;
  model: Uint8Array;
  folder: ReturnType<typeof workshop>;
  out: string;
}

/** A clone of 8 MiB over an image of 5, with data, zeros and a layer below. */
async function withClone(act: (rig: Rig) => Promise<void>): Promise<void> {
  const folder = workshop(5 * MIB + 512);
  try {
    const size = 600 * MIB + 1536;
    await folder.clone("c.qcow2", { size });
    const clone = await openClone(folder.path("c.qcow2"), { merges: false });
    try {
      const model = new Uint8Array(size);
      model.set(folder.bytes);
      const die = new Die(4);
      const chain = clone.chain as Chain;
      for (let i = 0; i < 120; i++) {
        const at = die.below(40) === 0 ? size - 700 : die.below(8 * MIB);
        const length = Math.min(1 + die.below(70_000), size - at);
        const value = die.below(3) ? 1 + die.below(255) : 0;
        model.fill(value, at, at + length);
        if (value) await clone.write(new Uint8Array(length).fill(value), at);
        else await clone.zero(at, length);
        if (i === 60) await chain.snapshot("half");
      }
      await act({ clone, chain, model, folder, out: folder.path("out") });
    } finally {
      await clone.close();
    }
  } finally {
    folder.remove();
  }
}

const leftovers = (folder: ReturnType<typeof workshop>) =>
  readdirSync(folder.path("")).filter((name) => name.startsWith("out"));

async function exported(rig: Rig, format: ExportFormat): Promise<{ done: number[] }> {
  const done: number[] = [];
  const { disk, release } = await rig.chain.hold(undefined);
  try {
    await exportDisk(disk, { to: rig.out, format, onProgress: (at) => done.push(at) });
  } finally {
    release();
  }
  return { done };
}

test("raw: every byte, and as many holes as there are zeros", () =>
  withClone(async (rig) => {
    const { done } = await exported(rig, "raw");
    expectSame(readFileSync(rig.out), rig.model, "raw");
    assert.ok(statSync(rig.out).blocks * 512 < 10 * MIB, `${statSync(rig.out).blocks} blocks`);
    assert.equal(done.at(-1), rig.clone.size);
    assert.deepEqual(
      done,
      done.toSorted((a, b) => a - b),
    );
    assert.deepEqual(leftovers(rig.folder), ["out"]);
  }));

test("qcow2: stands on nothing, is whole, and holds every byte for us and for QEMU", (t: TestContext) =>
  withClone(async (rig) => {
    await exported(rig, "qcow2");
    assert.deepEqual(checkQcow2(rig.out), { corruptions: [], leaks: 0 });
    expectSame(await contents(rig.out), rig.model, "qcow2");
    if (!needs(t, "qemu-img", "qemu-utils")) return;
    qemu.check(rig.out);
    const info = JSON.parse(qemu.img("info", "--output=json", rig.out));
    assert.equal(info["backing-filename"], undefined);
    assert.equal(info["format-specific"].data["extended-l2"], false, "for QEMU before 5.2, too");
    writeFileSync(rig.folder.path("model.raw"), rig.model);
    qemu.img("compare", "-q", "-f", "qcow2", "-F", "raw", rig.out, rig.folder.path("model.raw"));
  }));

test("xz: what the program unpacks is every byte", async (t: TestContext) => {
  if (!needs(t, "xz", "xz-utils")) return;
  await withClone(async (rig) => {
    await exported(rig, "xz");
    const unpacked: Uint8Array[] = [];
    for await (const bytes of openXz([readFileSync(rig.out)] as never)) unpacked.push(bytes);
    expectSame(Buffer.concat(unpacked), rig.model, "xz");
  });
});

test("xz without the program: liblzma inside Node packs what the program unpacks", async (t: TestContext) => {
  if (!needs(t, "xz", "xz-utils")) return;
  const bytes = new Uint8Array(MIB).map((_, i) => (i * i) >> 7);
  const packed: Uint8Array[] = [];
  for await (const part of packXz(
    (async function* () {
      yield bytes;
    })(),
    "native",
  ))
    packed.push(part);
  const unpacked: Uint8Array[] = [];
  for await (const part of openXz(
    (async function* () {
      yield Buffer.concat(packed);
    })(),
    "program",
  ))
    unpacked.push(part);
  expectSame(Buffer.concat(unpacked), bytes, "round trip");
});

test("what is exported is one moment, whatever is written meanwhile", () =>
  withClone(async (rig) => {
    const before = rig.model.slice(0, 8 * MIB);
    const { disk, release } = await rig.chain.hold(undefined);
    let written = 0;
    await exportDisk(disk, {
      to: rig.out,
      format: "raw",
      onProgress() {
        void rig.clone.write(new Uint8Array(65536).fill(99), (written++ * 65536) % (8 * MIB));
      },
    });
    release();
    assert.ok(written > 4);
    expectSame(readFileSync(rig.out).subarray(0, before.length), before, "as it was");
  }));

test("a snapshot is exported as it is, also while it is dropped and merged away", () =>
  withClone(async (rig) => {
    const held = await rig.chain.hold("half");
    const before = await bytesOf(held.disk);
    await rig.chain.drop("half");
    await rig.chain.merge();
    await exportDisk(held.disk, { to: rig.out, format: "raw" });
    expectSame(readFileSync(rig.out), before, "half");
    held.release();
    await rig.chain.merge();
    assert.equal(rig.chain.list().length, 0);
    expectSame((await bytesOf(rig.clone)).subarray(0, 8 * MIB), rig.model.subarray(0, 8 * MIB), "the clone");
  }));

test("cancelled: nothing is left", () =>
  withClone(async (rig) => {
    for (const format of ["raw", "qcow2", "xz"] as const) {
      const stop = new AbortController();
      const { disk, release } = await rig.chain.hold("half");
      const { signal } = stop;
      const job = exportDisk(disk, { to: rig.out, format, signal, onProgress: () => stop.abort() });
      await assert.rejects(job, { code: "CANCELLED" }, format);
      release();
      assert.deepEqual(leftovers(rig.folder), [], format);
    }
  }));

test("a full disk: DISK_FULL, and nothing is left", (t: TestContext) => {
  if (!existsSync("/dev/full")) return t.skip("needs /dev/full");
  return withClone(async (rig) => {
    // The draft's name leads to a device that is always full.
    for (const format of ["raw", "qcow2", "xz"] as const) {
      symlinkSync("/dev/full", `${rig.out}.part`);
      const { disk, release } = await rig.chain.hold("half");
      await assert.rejects(exportDisk(disk, { to: rig.out, format }), { code: "DISK_FULL" }, format);
      release();
      assert.deepEqual(leftovers(rig.folder), [], format);
    }
  });
});

test("a file that is there is not replaced, a folder that is not there is named", () =>
  withClone(async (rig) => {
    writeFileSync(rig.out, "mine");
    const { disk, release } = await rig.chain.hold("half");
    await assert.rejects(exportDisk(disk, { to: rig.out, format: "raw" }), { code: "BAD_INPUT" });
    assert.equal(readFileSync(rig.out, "utf8"), "mine");
    await assert.rejects(exportDisk(disk, { to: rig.folder.path("no/such"), format: "raw" }), {
      code: "FILE_UNKNOWN",
    });
    release();
  }));
