import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { faulty, fileDisk, limited, memoryDisk } from "./disks.ts";
import { diskContract } from "./testing/disk-contract.ts";

const SIZE = 3 * 1024 * 1024 + 512;
const close = () => undefined;

diskContract("memoryDisk()", () => ({ disk: memoryDisk(SIZE), close }));
diskContract("limited()", () => ({
  disk: limited(memoryDisk(SIZE), { mbPerSecond: 50, burstMs: 0, sleep: async () => undefined }),
  close,
}));
diskContract("faulty() without faults", () => ({ disk: faulty(memoryDisk(SIZE), { seed: 1 }), close }));
diskContract("a limit over faults over a limit", () => ({
  disk: limited(faulty(limited(memoryDisk(SIZE), { operationsPerSecond: 1e9 }), { seed: 2 }), {
    mbPerSecond: 1e6,
  }),
  close,
}));

test("limited() lets bytes through at its rate, a burst after a pause, and holds the rest", async () => {
  let now = 1000;
  const slept: number[] = [];
  const disk = limited(memoryDisk(SIZE), {
    mbPerSecond: 1,
    burstMs: 10,
    clock: () => now,
    sleep: async (ms) => {
      slept.push(ms);
      now += ms;
    },
  });
  const started = now;
  assert.equal(disk.write(new Uint8Array(10_000), 0), undefined, "the burst goes at once");
  for (let i = 0; i < 9; i++) await disk.write(new Uint8Array(10_000), 0);
  assert.equal(Math.round(now - started), 90, "100 kB at 1 MB/s, less 10 ms of burst");
  assert.equal(slept.length, 9);
});

test("limited() holds operations back, too", async () => {
  let now = 0;
  const sleep = async (ms: number) => {
    now += ms;
  };
  const disk = limited(memoryDisk(SIZE), { operationsPerSecond: 100, burstMs: 0, clock: () => now, sleep });
  for (let i = 0; i < 20; i++) await disk.trim(0, 512);
  assert.equal(Math.round(now), 200);
});

test("faulty() fails as often as asked, the same way for the same seed, and what fails is not done", async () => {
  const story = async (seed: number) => {
    const inner = memoryDisk(SIZE);
    const disk = faulty(inner, { failWrite: 0.3, failRead: 0.1, failFlush: 1, code: "DISK_FULL", seed });
    let failed = "";
    for (let i = 0; i < 400; i++) {
      const done = await attempt(() => disk.write(new Uint8Array(512).fill(1), i * 512));
      failed += done ? "." : "x";
      const seen = new Uint8Array(512);
      await inner.read(seen, i * 512);
      assert.equal(seen[0], done ? 1 : 0);
    }
    await assert.rejects(async () => disk.flush(), { code: "DISK_FULL" });
    return failed;
  };
  const first = await story(4);
  const share = first.split("x").length / 400;
  assert.ok(share > 0.2 && share < 0.4, `${share} failed`);
  assert.equal(await story(4), first);
  assert.notEqual(await story(5), first);
});

async function attempt(act: () => void | Promise<void>): Promise<boolean> {
  try {
    await act();
    return true;
  } catch (error) {
    assert.equal((error as { code: string }).code, "DISK_FULL");
    return false;
  }
}

test("layers pass endBatch() on", () => {
  let ends = 0;
  const inner = { ...memoryDisk(SIZE), endBatch: () => void ends++ };
  limited(faulty(inner, { seed: 1 }), {}).endBatch?.();
  assert.equal(ends, 1);
});

test("fileDisk() reads an image and never writes it", async () => {
  const folder = mkdtempSync(join(tmpdir(), "bramble-disks-"));
  try {
    const path = join(folder, "image.img");
    const bytes = Uint8Array.from({ length: 200_001 }, (_, i) => i % 251);
    writeFileSync(path, bytes);
    const disk = fileDisk(path);
    const again = fileDisk(path);
    for (const act of [() => disk.write(new Uint8Array(1), 0), () => disk.zero(0, 1), () => disk.trim(0, 1)])
      await assert.rejects(async () => act(), { code: "DISK_READ_ONLY" });
    const into = new Uint8Array(bytes.length);
    await disk.read(into, 0);
    assert.deepEqual(into, bytes);
    // More than one try: a read that the host interrupted for a millisecond counts as cold.
    let atOnce = false;
    for (let i = 0; i < 50 && !atOnce; i++) {
      const call = disk.read(into, 0);
      atOnce = call === undefined;
      await call;
    }
    assert.ok(atOnce, "what was read before is warm, and done at once");
    await assert.rejects(async () => disk.read(into, 1), { code: "DISK_RANGE" });
    disk.close();
    await again.read(into, 0);
    again.close();
  } finally {
    rmSync(folder, { recursive: true });
  }
});
