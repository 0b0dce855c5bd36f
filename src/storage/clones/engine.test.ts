import assert from "node:assert/strict";
import { copyFileSync, existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { needs } from "../../../test/tools.ts";
import { type Clone, type OpenOptions, openClone } from "./clone.ts";
import { HostFile, type HostMode } from "./host-file.ts";
import { checkQcow2 } from "./testing/check.ts";
import { cloneOf, MIB } from "./testing/workshop.ts";

const healthy = { corruptions: [], leaks: 0 };
const block = (value: number, length = 4096) => new Uint8Array(length).fill(value);

interface Rig {
  path: string;
  folder: Awaited<ReturnType<typeof cloneOf>>["folder"];
  open(options?: OpenOptions): Promise<Clone>;
  /** What the timer was asked for; call it to let that time pass. */
  due: { afterMs: number; act: () => void }[];
}

/** A clone of 4 MiB in a folder of its own; whatever the test left open is closed. */
async function withClone(act: (rig: Rig) => Promise<void>, size = 4 * MIB): Promise<void> {
  const { folder, path } = await cloneOf({ imageSize: 2 * MIB, size });
  const due: Rig["due"] = [];
  const opened: Clone[] = [];
  try {
    await act({
      ...{ path, folder, due },
      async open(options) {
        const timer = (afterMs: number, act: () => void) => {
          const job = { afterMs, act };
          due.push(job);
          return () => void due.splice(due.indexOf(job), 1);
        };
        const clone = await openClone(path, { timer, ...options });
        opened.push(clone);
        return clone;
      },
    });
  } finally {
    for (const clone of opened) await clone.close();
    folder.remove();
  }
}

const read = async (clone: Clone, offset: number, length: number) => {
  const bytes = new Uint8Array(length);
  await clone.read(bytes, offset);
  return bytes;
};

test("a clone has one writer: a second one is refused until the first has closed", () =>
  withClone(async ({ open, path }) => {
    const first = await open();
    await assert.rejects(openClone(path), { code: "CLONE_BUSY" });
    await assert.rejects(openClone(path, { readOnly: true }), { code: "CLONE_BUSY" });
    await first.close();
    assert.ok(!existsSync(`${path}.lock`));
    await open();
  }));

test("the lock of a process that is gone is taken over, that of another boot too", () =>
  withClone(async ({ open, path }) => {
    const stat = readFileSync("/proc/self/stat", "latin1")
      .replace(/^.*\) /s, "")
      .split(" ")[19];
    const boot = readFileSync("/proc/sys/kernel/random/boot_id", "latin1").trim();
    for (const owner of [
      `4194300 1 ${boot}`,
      `${process.pid} 1 ${boot}`,
      `${process.pid} ${stat} other`,
      "",
    ]) {
      writeFileSync(`${path}.lock`, owner);
      await (await open()).close();
    }
    writeFileSync(`${path}.lock`, `${process.pid} ${stat} ${boot}\n`);
    await assert.rejects(openClone(path), { code: "CLONE_BUSY" });
    rmSync(`${path}.lock`);
  }));

test("another image under a clone is found out", () =>
  withClone(async ({ open, path, folder }) => {
    await assert.rejects(openClone(path, { sha256: "00" }), { code: "IMAGE_CHECKSUM" });
    await (await open({ sha256: folder.sha256 })).close();
    writeFileSync(folder.image, block(1, 2 * MIB));
    await assert.rejects(openClone(path), { code: "IMAGE_CHECKSUM" });
    writeFileSync(folder.image, folder.bytes.subarray(0, MIB));
    await assert.rejects(openClone(path), { code: "IMAGE_CHECKSUM" });
    rmSync(folder.image);
    await assert.rejects(openClone(path), { code: "FILE_UNKNOWN" });
    writeFileSync(folder.image, folder.bytes);
    await open();
  }));

test("a write is committed by the timer when nobody flushes, and no timer is left after close", () =>
  withClone(async ({ open, due, path }) => {
    const clone = await open({ commitMs: 2000 });
    await clone.write(block(7), 0);
    await clone.write(block(8), 65536);
    assert.deepEqual(
      due.map(({ afterMs }) => afterMs),
      [2000],
    );
    due.shift()?.act();
    await clone.flush(); // joins the commit that the timer began
    assert.equal(clone.stats().commits, 1);
    assert.deepEqual(checkQcow2(path), healthy);
    await clone.write(block(9), 131072);
    assert.equal(due.length, 1);
    await clone.close();
    assert.equal(due.length, 0);
  }));

test("flushes that come together share commits: one runs, one waits", () =>
  withClone(async ({ open }) => {
    const clone = await open();
    const calls: unknown[] = [];
    for (let i = 0; i < 16; i++) {
      await clone.write(block(i), i * 4096);
      calls.push(clone.flush());
    }
    await Promise.all(calls);
    assert.equal(clone.stats().commits, 2);
    assert.equal(clone.flush(), undefined, "nothing to do");
    const before = clone.stats().syncs;
    await clone.write(block(99), 0);
    await clone.flush();
    assert.equal(clone.stats().syncs - before, 1, "a rewrite needs one fdatasync");
    await clone.write(block(99), MIB);
    await clone.flush();
    assert.equal(clone.stats().syncs - before, 3, "a first write needs two");
  }));

test("never two commits at once, also when somebody flushes in the moment between one and the next", () =>
  withClone(async ({ open }) => {
    let running = 0;
    let most = 0;
    class CountingFile extends HostFile {
      override async sync() {
        running += 1;
        most = Math.max(most, running);
        await new Promise((next) => setImmediate(next));
        running -= 1;
      }
    }
    const clone = await open({ hostFile: (at: string, mode: HostMode) => new CountingFile(at, mode) });
    let begun = 0;
    for (let turn = 0; turn < 3; turn++) {
      clone.write(block(1), (turn * 3 + 1) * 65536);
      const first = clone.flush();
      assert.ok(first, "a commit runs");
      // Told of its end before the one that waits: nothing runs then, so this one begins a commit.
      const between = first.then(async () => {
        clone.write(block(2), (turn * 3 + 2) * 65536);
        begun = clone.stats().commits;
        const flushed = clone.flush();
        assert.equal(clone.stats().commits, begun + 1, "it begins at once");
        await flushed;
      });
      clone.write(block(3), (turn * 3 + 3) * 65536);
      const waiting = clone.flush();
      assert.notEqual(waiting, first, "another one waits");
      await Promise.all([between, waiting]);
      assert.equal(clone.stats().commits, begun + 1, "the one that waited had nothing left to do");
    }
    assert.equal(most, 1);
  }));

test("writes wait for a commit when 65,536 changes are pending, and a trim of everything goes through", () =>
  withClone(async ({ open, path }) => {
    let release = () => {};
    let held = false;
    class SlowFile extends HostFile {
      override async sync(what: "contents" | "mapping") {
        if (held) await new Promise<void>((resolve) => (release = resolve));
        await super.sync(what);
      }
    }
    const clone = await open({ hostFile: (at: string, mode: HostMode) => new SlowFile(at, mode) });
    held = true;
    let waited: void | Promise<void>;
    let writes = 0;
    do {
      waited = clone.write(block(1, 2048), writes * 2048);
      writes += 1;
    } while (waited === undefined && writes < 200_000);
    assert.ok(waited, "a write waits");
    // Half way a commit began; what came since is bounded.
    assert.ok(writes > 65_536 && writes <= 65_536 + 32_768 + 2, `after ${writes}`);
    held = false;
    release();
    await waited;
    await clone.trim(0, clone.size);
    await clone.flush();
    assert.deepEqual(await read(clone, 0, MIB), block(0, MIB));
    assert.equal(clone.stats().pending, 0);
    assert.deepEqual(checkQcow2(path), healthy);
  }, 512 * MIB));

test("space of freed clusters is used again, and not before the commit that freed them", () =>
  withClone(async ({ open }) => {
    const clone = await open();
    await clone.write(block(1, 512 * 1024), 0);
    await clone.flush();
    const before = clone.stats().hostClusters;
    await clone.trim(0, 512 * 1024);
    await clone.write(block(2, 65536), 2 * MIB);
    assert.equal(clone.stats().hostClusters, before + 1, "not yet");
    await clone.flush();
    assert.equal(clone.stats().freeClusters, 8);
    await clone.write(block(3, 100), 3 * MIB);
    assert.equal(clone.stats().freeClusters, 7);
    assert.equal(clone.stats().hostClusters, before + 1);
  }));

test("partial trims take subclusters away, and the cluster with the last of them", () =>
  withClone(async ({ open }) => {
    const clone = await open();
    await clone.write(block(1, 65536), 0);
    await clone.flush();
    await clone.trim(2048, 65536 - 2048);
    await clone.trim(100, 1000); // less than a subcluster: stays
    assert.deepEqual(await read(clone, 0, 2048), block(1, 2048));
    assert.deepEqual(clone.status(0, 65536), [
      { offset: 0, length: 2048, kind: "data" },
      { offset: 2048, length: 63488, kind: "zero" },
    ]);
    await clone.trim(0, 2048);
    await clone.flush();
    assert.equal(clone.stats().freeClusters, 1);
    assert.equal(clone.ownExtents(0, 65536), true);
    assert.equal(clone.ownExtents(65536, 65536), false);
  }));

test("large freed space goes back to the host, after the commit", async (t) => {
  if (!needs(t, "fallocate", "util-linux")) return;
  await withClone(async ({ open, path }) => {
    const clone = await open();
    await clone.write(block(1, 4 * MIB), 0);
    await clone.flush();
    const before = clone.ownBytes();
    await clone.trim(0, 3 * MIB);
    await clone.flush();
    await clone.close(); // waits for the process that punches
    const again = await open();
    assert.ok(again.ownBytes() < before - 2 * MIB, `${before} to ${again.ownBytes()}`);
    assert.deepEqual(await read(again, 3 * MIB, MIB), block(1, MIB));
    assert.deepEqual(checkQcow2(path), healthy);
  });
});

test("what the journal alone knows is taken up before the free clusters are counted", () =>
  withClone(async ({ open, path, folder }) => {
    const clone = await open();
    await clone.write(block(1, 65536), 0);
    await clone.flush();
    await clone.write(block(2, 65536), 65536);
    await clone.write(block(3, 700), 131072);
    clone.endBatch();
    for (const half of ["", ".ja", ".jb"]) copyFileSync(path + half, folder.path(`killed.qcow2${half}`));
    await clone.close();
    const reader = await openClone(folder.path("killed.qcow2"), { readOnly: true });
    assert.deepEqual(await read(reader, 65536, 65536), block(2, 65536), "a reader sees it, too");
    await reader.close();
    const after = await openClone(folder.path("killed.qcow2"));
    // Writes that need clusters must not get those.
    for (let i = 0; i < 8; i++) await after.write(block(9, 65536), 2 * MIB + i * 65536);
    await after.flush();
    assert.deepEqual(await read(after, 65536, 65536), block(2, 65536));
    assert.deepEqual(await read(after, 131072, 700), block(3, 700));
    await after.close();
    assert.deepEqual(checkQcow2(folder.path("killed.qcow2")), healthy);
  }));

test("a clone whose sync failed answers reads, refuses writes, and is whole when it is opened again", () =>
  withClone(async ({ open, path }) => {
    let sick = false;
    class SickFile extends HostFile {
      override async sync(what: "contents" | "mapping") {
        if (sick) throw Object.assign(new Error("EIO"), { code: "EIO" });
        await super.sync(what);
      }
    }
    const clone = await openClone(path, { hostFile: (at, mode) => new SickFile(at, mode) });
    await clone.write(block(1), 0);
    await clone.flush();
    sick = true;
    await clone.write(block(2), 65536);
    await assert.rejects(async () => clone.flush(), { code: "DISK_IO" });
    sick = false;
    await assert.rejects(async () => clone.flush(), { code: "DISK_IO" });
    await assert.rejects(async () => clone.write(block(3), 0), { code: "DISK_IO" });
    await assert.rejects(async () => clone.trim(0, 4096), { code: "DISK_IO" });
    assert.deepEqual(await read(clone, 0, 4096), block(1));
    await assert.rejects(clone.close(), { code: "DISK_IO" });
    const again = await open();
    assert.deepEqual(await read(again, 0, 4096), block(1));
    assert.deepEqual(await read(again, 65536, 4096), block(2), "the host lives: its page cache has it");
  }));

test("a read-only clone refuses writes, and a closed one everything", () =>
  withClone(async ({ open }) => {
    const clone = await open({ readOnly: true });
    for (const act of [() => clone.write(block(1), 0), () => clone.zero(0, 1), () => clone.trim(0, 1)])
      await assert.rejects(async () => act(), { code: "DISK_READ_ONLY" });
    await clone.close();
    await assert.rejects(async () => clone.read(block(0), 0), { code: "INTERNAL" });
  }));

test("generation counts what changes bytes", () =>
  withClone(async ({ open }) => {
    const clone = await open();
    const before = clone.generation;
    await clone.read(block(0), 0);
    await clone.flush();
    assert.equal(clone.generation, before);
    await clone.write(block(1), 0);
    await clone.zero(0, 512);
    await clone.trim(0, 65536);
    assert.equal(clone.generation, before + 3);
  }));
