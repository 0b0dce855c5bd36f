import assert from "node:assert/strict";
import { test } from "node:test";
import type { Disk } from "../../base/disk.ts";
import { Die } from "./die.ts";

export interface ContractSubject {
  disk: Disk;
  /** What it holds at first; zeros where absent. */
  bytes?: Uint8Array;
  close(): void | Promise<void>;
}

const MOST = 300_000;

/** What every layer promises. `make` gives a fresh writable disk of a few MiB. */
export function diskContract(name: string, make: () => ContractSubject | Promise<ContractSubject>): void {
  const using = (what: string, act: (subject: ContractSubject, model: Uint8Array) => Promise<void>) =>
    test(`${name} ${what}`, async () => {
      const subject = await make();
      const model = new Uint8Array(subject.disk.size);
      if (subject.bytes) model.set(subject.bytes);
      try {
        await act(subject, model);
      } finally {
        await subject.close();
      }
    });

  using("reads what it held at first, whole and in pieces", async ({ disk }, model) => {
    await expectSame(disk, model);
    const piece = new Uint8Array(10_001);
    await disk.read(piece, disk.size - piece.length);
    assert.deepEqual(piece, model.subarray(disk.size - piece.length));
  });

  using(
    "keeps what was written at any place, zeros what was zeroed, and tells it",
    async ({ disk }, model) => {
      const die = new Die(7);
      for (let i = 0; i < 150; i++) await step(disk, model, die);
      await disk.flush();
      await expectSame(disk, model);
      await expectStatus(disk, model);
    },
  );

  using("takes calls that do not wait for each other", async ({ disk }, model) => {
    const die = new Die(11);
    const calls: (void | Promise<void>)[] = [];
    for (let place = 0; place + 70_000 <= disk.size; place += 70_000) {
      const from = filled(1 + die.below(70_000), 1 + die.below(255));
      model.set(from, place);
      calls.push(disk.write(from, place));
      if (die.oneIn(5)) calls.push(disk.flush());
    }
    await Promise.all(calls);
    disk.endBatch?.();
    await expectSame(disk, model);
  });

  using("does not keep the caller's buffer", async ({ disk }, model) => {
    const from = filled(9000, 5);
    model.set(from, 3000);
    await disk.write(from, 3000);
    from.fill(99);
    disk.endBatch?.();
    await disk.flush();
    const into = new Uint8Array(9000);
    await disk.read(into, 3000);
    into.fill(77);
    await expectSame(disk, model);
  });

  using("refuses what lies outside, and does nothing then", async ({ disk }, model) => {
    const bytes = filled(4096, 1);
    for (const offset of [-1, disk.size, disk.size - 4095, disk.size * 2, Number.NaN, 0.5]) {
      for (const act of [
        () => disk.read(bytes.slice(), offset),
        () => disk.write(bytes, offset),
        () => disk.zero(offset, 4096),
        () => disk.trim(offset, 4096),
        () => disk.status(offset, 4096),
      ])
        await assert.rejects(async () => act(), { code: "DISK_RANGE" });
    }
    await expectSame(disk, model);
  });

  using("takes nothing at all, anywhere on the disk and at its end", async ({ disk }, model) => {
    for (const offset of [0, 4097, disk.size]) {
      await disk.read(new Uint8Array(0), offset);
      await disk.write(new Uint8Array(0), offset);
      await disk.zero(offset, 0);
      await disk.trim(offset, 0);
      assert.deepEqual(await disk.status(offset, 0), []);
    }
    await expectSame(disk, model);
  });

  using("reads zeros after zero(), whatever was there", async ({ disk }, model) => {
    await disk.write(filled(200_000, 8), 1000);
    await disk.zero(0, 300_000, true);
    await disk.zero(66_000, 66_001);
    model.fill(0, 0, 300_000);
    await expectSame(disk, model);
    await disk.zero(0, disk.size);
    await expectSame(disk, model.fill(0));
  });
}

const filled = (length: number, value: number) => new Uint8Array(length).fill(value);

async function step(disk: Disk, model: Uint8Array, die: Die): Promise<void> {
  const unit = die.pick([1, 512, 4096, 65_536]);
  const offset = die.below(Math.floor(disk.size / unit)) * unit;
  const length = Math.min(disk.size - offset, die.below(Math.ceil(MOST / unit)) * unit);
  const kind = die.below(10);
  if (kind < 6) {
    const from = filled(length, 1 + die.below(255));
    model.set(from, offset);
    await disk.write(from, offset);
  } else if (kind < 8) {
    model.fill(0, offset, offset + length);
    await disk.zero(offset, length, die.oneIn(2));
  } else if (kind < 9) {
    // A trim leaves zeros or what was there, and that stays.
    await disk.trim(offset, length);
    const now = new Uint8Array(length);
    await disk.read(now, offset);
    for (const [i, byte] of now.entries())
      assert.ok(byte === 0 || byte === model[offset + i], `byte ${offset + i} after a trim is ${byte}`);
    model.set(now, offset);
  } else await disk.flush();
}

async function expectSame(disk: Disk, model: Uint8Array): Promise<void> {
  const now = new Uint8Array(disk.size);
  await disk.read(now, 0);
  if (Buffer.compare(now, model) === 0) return;
  const at = now.findIndex((byte, i) => byte !== model[i]);
  assert.fail(`byte ${at} is ${now[at]}, should be ${model[at]}`);
}

async function expectStatus(disk: Disk, model: Uint8Array): Promise<void> {
  let at = 0;
  for (const { offset, length, kind } of await disk.status(0, disk.size)) {
    assert.equal(offset, at);
    assert.ok(length > 0);
    at += length;
    if (kind === "zero")
      assert.ok(
        model.subarray(offset, at).every((byte) => byte === 0),
        `${offset}+${length} is called zero`,
      );
  }
  assert.equal(at, disk.size);
}
