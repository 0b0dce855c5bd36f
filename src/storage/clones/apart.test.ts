import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { Die, rounds } from "../testing/die.ts";
import { type Clone, openClone } from "./clone.ts";
import { OpenClone } from "./engine.ts";
import { HostFile, hostError } from "./host-file.ts";
import { PutQueue } from "./put-queue.ts";
import { checkQcow2 } from "./testing/check.ts";
import { expectSame } from "./testing/contents.ts";
import { cloneOf, MIB } from "./testing/workshop.ts";

const KIB = 1024;
const filled = (value: number, length: number) => new Uint8Array(length).fill(value);
const turns = async (count: number) => {
  for (let turn = 0; turn < count; turn++) await new Promise((next) => setImmediate(next));
};

/** A host whose syncs and large writes take some turns, and are held while the test says so. */
class SlowHost {
  apart = 0;
  /** So many large writes from now on find the disk full, at once. */
  full = 0;
  readonly #die: Die;
  readonly #held = new Map<string, (() => void)[]>();

  constructor(seed: number) {
    this.#die = new Die(seed);
  }
  async pass(what: "syncs" | "writes"): Promise<void> {
    const gates = this.#held.get(what);
    if (gates) await new Promise<void>((go) => gates.push(go));
    await turns(this.#die.below(5));
  }
  hold(): void {
    for (const what of ["syncs", "writes"]) this.#held.set(what, []);
  }
  release(what: "syncs" | "writes"): void {
    const gates = this.#held.get(what) ?? [];
    this.#held.delete(what);
    for (const go of gates) go();
  }
  readonly open = (path: string, mode: "read" | "write" | "create"): HostFile => {
    const host = this;
    return new (class extends HostFile {
      override async sync(what: "contents" | "mapping") {
        await host.pass("syncs");
        await super.sync(what);
      }
      override async writeApart(from: Uint8Array, offset: number) {
        host.apart += 1;
        if (host.full-- > 0)
          throw hostError(Object.assign(new Error("full"), { code: "ENOSPC" }), `write ${this.path}`);
        await host.pass("writes");
        await super.writeApart(from, offset);
      }
    })(path, mode);
  };
}

async function withClone(
  act: (rig: { clone: Clone; host: SlowHost; bytes: Uint8Array; path: string }) => Promise<void>,
  seed = 1,
): Promise<void> {
  const { folder, path, bytes } = await cloneOf({ imageSize: 4 * MIB });
  const host = new SlowHost(seed);
  const timer = () => () => undefined;
  const clone = await openClone(path, { hostFile: host.open, timer });
  try {
    await act({ clone, host, bytes: bytes.slice(), path });
  } finally {
    host.release("syncs");
    host.release("writes");
    await clone.close();
    folder.remove();
  }
}

async function contentsOf(clone: Clone): Promise<Uint8Array> {
  const bytes = new Uint8Array(clone.size);
  await clone.read(bytes, 0);
  return bytes;
}

/** A commit that runs until syncs are released; from then on large writes are held, too. */
function holdCommit(clone: Clone, host: SlowHost): Promise<void> {
  assert.equal(clone.write(filled(1, 4096), clone.size - 4096), undefined);
  host.hold();
  return clone.flush() as Promise<void>;
}

test("large writes go to another thread while a commit runs, and only then; others need not wait for them", () =>
  withClone(async ({ clone, host }) => {
    assert.equal(clone.write(filled(2, 128 * KIB), 0), undefined);
    assert.equal(host.apart, 0);
    const flushed = holdCommit(clone, host);
    const large = clone.write(filled(3, 256 * KIB), 0);
    assert.ok(large);
    assert.equal(clone.write(filled(4, 4096), MIB), undefined, "a small one elsewhere");
    const over = clone.write(filled(5, 4096), 64 * KIB);
    assert.ok(over, "one in the same place");
    const cleared = clone.trim(0, 64 * KIB);
    assert.ok(cleared, "a trim in the same place");
    host.release("syncs");
    host.release("writes");
    await Promise.all([flushed, large, over, cleared]);
    assert.ok(host.apart > 0);
    const now = await contentsOf(clone);
    expectSame(now.subarray(0, 64 * KIB), filled(0, 64 * KIB), "the range");
    expectSame(now.subarray(64 * KIB, 68 * KIB), filled(5, 4 * KIB), "the range");
    expectSame(now.subarray(68 * KIB, 256 * KIB), filled(3, 188 * KIB), "the range");
    expectSame(now.subarray(MIB, MIB + 4096), filled(4, 4096), "the range");
  }));

/** Has it ended? */
function watch(what: Promise<unknown> | undefined): () => boolean {
  let ended = !what;
  const end = () => {
    ended = true;
  };
  what?.then(end, end);
  return () => ended;
}

test("what lands behind a commit that began after it is not taken for durable by the next flush", () =>
  withClone(async ({ clone, host }) => {
    await clone.write(filled(1, 128 * KIB), 0);
    const running = holdCommit(clone, host);
    const rewrite = clone.write(filled(2, 128 * KIB), 0);
    host.release("syncs");
    await running;
    await clone.flush();
    host.release("writes");
    await rewrite;
    const { syncs } = clone.stats();
    await clone.flush();
    assert.equal(clone.stats().syncs, syncs + 1, "its data, whose places were known");
  }));

test("a full disk under a write apart: the error comes when nothing of it is under way, nothing has changed, no cluster is lost", () =>
  withClone(async ({ clone, host, bytes, path }) => {
    await clone.write(filled(1, 128 * KIB), 0); // a rewrite and new clusters: two pieces
    const running = holdCommit(clone, host);
    host.full = 1;
    const write = Promise.resolve(clone.write(filled(9, 384 * KIB), 64 * KIB));
    const ended = watch(write);
    await turns(20);
    assert.ok(!ended(), "its clusters are not given back while somebody writes to them");
    host.release("writes");
    await assert.rejects(write, { code: "DISK_FULL" });
    host.release("syncs");
    await running;
    await clone.flush();
    const now = await contentsOf(clone);
    expectSame(now.subarray(128 * KIB, 512 * KIB), bytes.subarray(128 * KIB, 512 * KIB), "untouched");
    assert.deepEqual(checkQcow2(path), { corruptions: [], leaks: 0 });
  }));

test("what a merge copies under a write apart is replaced, and its cluster given back", () =>
  withClone(async ({ clone, host, path }) => {
    const running = holdCommit(clone, host);
    const write = clone.write(filled(7, 256 * KIB), MIB);
    assert.ok(clone instanceof OpenClone);
    assert.ok(clone.fill((writing) => writing.write(filled(3, 64 * KIB), MIB)));
    host.release("writes");
    host.release("syncs");
    await Promise.all([running, write]);
    await clone.flush();
    expectSame((await contentsOf(clone)).subarray(MIB, MIB + 256 * KIB), filled(7, 256 * KIB), "the write");
    assert.deepEqual(checkQcow2(path), { corruptions: [], leaks: 0 });
  }));

test("a snapshot waits for writes that are under way, and has them", () =>
  withClone(async ({ clone, host }) => {
    const running = holdCommit(clone, host);
    const write = clone.write(filled(7, 512 * KIB), MIB);
    assert.ok(clone instanceof OpenClone);
    let alone = false;
    const first = clone.exclusive(async () => {
      alone = true;
      return undefined;
    });
    const snapshot = clone.chain?.snapshot("s");
    host.release("syncs");
    await running;
    await turns(20);
    assert.ok(!alone, "nobody works on the files meanwhile");
    host.release("writes");
    await Promise.all([write, first, snapshot]);
    await clone.write(filled(6, 512 * KIB), MIB);
    await clone.chain?.rollback("s");
    expectSame(
      (await contentsOf(clone)).subarray(MIB, MIB + 512 * KIB),
      filled(7, 512 * KIB),
      "the snapshot",
    );
  }));

test("closing waits for writes that are under way", () =>
  withClone(async ({ clone, host, path }) => {
    const running = holdCommit(clone, host);
    const write = clone.write(filled(7, 512 * KIB), MIB);
    const closed = clone.close();
    const ended = watch(closed);
    host.release("syncs");
    await running;
    await turns(100);
    assert.ok(!ended());
    host.release("writes");
    await Promise.all([write, closed]);
    const again = await openClone(path);
    try {
      expectSame((await contentsOf(again)).subarray(MIB, MIB + 512 * KIB), filled(7, 512 * KIB), "the write");
    } finally {
      await again.close();
    }
  }));

for (let seed = 1; seed <= rounds(12, 2000); seed++)
  test(`many at once over commits: each sector is as one of those left it that wrote it (seed ${seed})`, () =>
    withClone(async ({ clone, host, path }) => {
      const die = new Die(seed);
      let before = await contentsOf(clone);
      for (let batch = 0; batch < 12; batch++) {
        const under: (void | Promise<void>)[] = [clone.flush()];
        const wrote: { from: number; to: number; value: number }[] = [];
        for (let i = 0; i < 10; i++) {
          const unit = die.pick([512, 4096, 65_536]);
          const from = unit * die.below(Math.floor((2 * MIB) / unit));
          const length = Math.min(unit * (1 + die.below(die.pick([1, 4, 12]))), 2 * MIB - from);
          const value = die.oneIn(5) ? 0 : 1 + die.below(255);
          if (value === 0) under.push(clone.zero(from, length, die.oneIn(2)));
          else under.push(clone.write(filled(value, length), from));
          wrote.push({ from, to: from + length, value });
          if (die.oneIn(4)) await turns(die.below(3));
        }
        await Promise.all(under);
        const now = await contentsOf(clone);
        for (let at = 0; at < now.length; at += 512) {
          const sector = now.subarray(at, at + 512);
          const by = wrote.filter(({ from, to }) => from <= at && at < to);
          const is = by.length
            ? by.some(({ value }) => Buffer.compare(sector, filled(value, 512)) === 0)
            : Buffer.compare(sector, before.subarray(at, at + 512)) === 0;
          assert.ok(
            is,
            `batch ${batch}: the sector at ${at} has ${sector[0]}, written by ${by.map((w) => w.value)}`,
          );
        }
        before = now;
      }
      assert.ok(host.apart > 0);
      await clone.flush();
      assert.deepEqual(checkQcow2(path).corruptions, []);
    }, seed));

test("puts go one at a time, neighbours together, and each learns of its own call's error", async () => {
  const calls: { offset: number; lengths: number[]; end: (error?: Error) => void }[] = [];
  const queue = new PutQueue(
    (from, offset) =>
      new Promise((done, failed) => {
        const end = (error?: Error) => (error ? failed(error) : done());
        calls.push({ offset, lengths: from.map(({ length }) => length), end });
      }),
  );
  const ends: string[] = [];
  for (const [name, offset, length] of [
    ["a", 0, 10],
    ["b", 10, 10],
    ["c", 20, 5],
    ["d", 100, 10],
    ["e", 110, 2 << 20],
  ] as const)
    queue.put(new Uint8Array(length), offset).then(
      () => ends.push(name),
      (error: Error) => ends.push(`${name} ${error.message}`),
    );
  assert.equal(calls.length, 1);
  calls[0]?.end();
  await turns(1);
  calls[1]?.end(new Error("full"));
  await turns(1);
  calls[2]?.end();
  await turns(1);
  calls[3]?.end();
  await turns(1);
  assert.deepEqual(
    calls.map(({ offset, lengths }) => [offset, ...lengths]),
    [
      [0, 10],
      [10, 10, 5],
      [100, 10],
      [110, 2 << 20],
    ],
  );
  assert.deepEqual(ends, ["a", "b full", "c full", "d", "e"]);
});

test("a host that takes less than it was given gets the rest", async () => {
  const { folder, path } = await cloneOf({});
  const at = folder.path("plain");
  const file = new HostFile(at, "create");
  await Promise.all([
    file.writeApart(filled(1, 3000), 0),
    file.writeApart(filled(2, 5000), 3000),
    file.writeApart(filled(3, 10), 8000),
  ]);
  file.close();
  assert.ok(path);
  assert.deepEqual(
    new Uint8Array(readFileSync(at)),
    Uint8Array.from([...filled(1, 3000), ...filled(2, 5000), ...filled(3, 10)]),
  );
  folder.remove();
});
