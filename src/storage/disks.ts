import { performance } from "node:perf_hooks";
import type { Disk, Extent } from "../base/disk.ts";
import { BrambleError, type Code } from "../base/errors.ts";
import { openImage } from "./clones/image.ts";
import { checkRange } from "./clones/layer.ts";

const CHUNK = 65_536;

/** A disk in memory, zeros at first. Takes what was written, in chunks of 64 KiB; zeroed chunks are given back. */
export function memoryDisk(size: number): Disk {
  const chunks = new Map<number, Uint8Array>();
  /** Calls `act` for the part of each chunk that the range touches. */
  const each = (offset: number, length: number, act: (chunk: number, from: number, to: number) => void) => {
    checkRange(size, offset, length);
    for (let at = offset; at < offset + length; ) {
      const chunk = Math.floor(at / CHUNK);
      const to = Math.min(offset + length - chunk * CHUNK, CHUNK);
      act(chunk, at - chunk * CHUNK, to);
      at = chunk * CHUNK + to;
    }
  };
  const zero = (offset: number, length: number) =>
    each(offset, length, (chunk, from, to) => {
      if (to - from === CHUNK) chunks.delete(chunk);
      else chunks.get(chunk)?.fill(0, from, to);
    });
  return {
    size,
    blockSize: 4096,
    read(into, offset) {
      let done = 0;
      each(offset, into.length, (chunk, from, to) => {
        const bytes = chunks.get(chunk);
        if (bytes) into.set(bytes.subarray(from, to), done);
        else into.fill(0, done, done + to - from);
        done += to - from;
      });
    },
    write(data, offset) {
      let done = 0;
      each(offset, data.length, (chunk, from, to) => {
        const bytes = chunks.get(chunk) ?? new Uint8Array(CHUNK);
        chunks.set(chunk, bytes);
        bytes.set(data.subarray(done, done + to - from), from);
        done += to - from;
      });
    },
    zero,
    trim: zero,
    flush() {},
    status(offset, length) {
      const extents: Extent[] = [];
      each(offset, length, (chunk, from, to) => {
        const kind = chunks.has(chunk) ? "data" : "zero";
        const last = extents.at(-1);
        if (last?.kind === kind) last.length += to - from;
        else extents.push({ offset: chunk * CHUNK + from, length: to - from, kind });
      });
      return extents;
    },
  };
}

/** A raw image, read-only; all that open the same one share its file. */
export function fileDisk(path: string): Disk & { close(): void } {
  const image = openImage(path);
  const refuse = () => {
    throw new BrambleError("DISK_READ_ONLY", `${path} is an image: make a clone of it`);
  };
  return {
    size: image.size,
    blockSize: 4096,
    read(into, offset) {
      checkRange(image.size, offset, into.length);
      const now = () => image.readNow(into, offset);
      return image.isWarm(offset, into.length) ? now() : image.warm(offset, into.length).then(now);
    },
    write: refuse,
    zero: refuse,
    trim: refuse,
    flush() {},
    status(offset, length) {
      checkRange(image.size, offset, length);
      return length === 0 ? [] : [{ offset, length, kind: "data" }];
    },
    close: () => image.close(),
  };
}

export interface Limit {
  /** 10^6 bytes, reads and writes together. */
  mbPerSecond?: number;
  operationsPerSecond?: number;
  /** What may go at once after a pause. */
  burstMs?: number;
  clock?: () => number;
  sleep?: (ms: number) => Promise<void>;
}

/** Holds back reads and writes so that one node cannot take the whole host's disk. Calls keep their order. */
export function limited(disk: Disk, limit: Limit): Disk {
  const { mbPerSecond = Infinity, operationsPerSecond = Infinity, burstMs = 100 } = limit;
  const clock = limit.clock ?? (() => performance.now());
  const sleep = limit.sleep ?? ((ms: number) => new Promise((resolve) => setTimeout(resolve, ms)));
  let paidUntil = 0;
  /** Undefined: go on now. */
  const pay = (bytes: number): Promise<void> | undefined => {
    const now = clock();
    paidUntil =
      Math.max(paidUntil, now - burstMs) + bytes / (mbPerSecond * 1000) + 1000 / operationsPerSecond;
    return paidUntil > now ? sleep(paidUntil - now) : undefined;
  };
  const held = <T>(bytes: number, act: () => T | Promise<T>): T | Promise<T> => {
    const wait = pay(bytes);
    return wait ? wait.then(act) : act();
  };
  return {
    ...around(disk),
    read: (into, offset) => held(into.length, () => disk.read(into, offset)),
    write: (from, offset) => held(from.length, () => disk.write(from, offset)),
    zero: (offset, length, keep) => held(0, () => disk.zero(offset, length, keep)),
    trim: (offset, length) => held(0, () => disk.trim(offset, length)),
  };
}

export interface Faults {
  /** Chances from 0 to 1. */
  failRead?: number;
  failWrite?: number;
  failFlush?: number;
  code?: Extract<Code, "DISK_IO" | "DISK_FULL">;
  seed: number;
}

/** Fails now and then by a seeded die. What fails is not done at all. */
export function faulty(disk: Disk, faults: Faults): Disk {
  const { failRead = 0, failWrite = 0, failFlush = 0, code = "DISK_IO" } = faults;
  let state = (faults.seed * 2_654_435_761) >>> 0 || 1;
  /** xorshift32 */
  const roll = () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
  const risk = (chance: number, what: string) => {
    if (roll() < chance) throw new BrambleError(code, `${what}: a fault that was asked for`);
  };
  return {
    ...around(disk),
    read(into, offset) {
      risk(failRead, "read");
      return disk.read(into, offset);
    },
    write(from, offset) {
      risk(failWrite, "write");
      return disk.write(from, offset);
    },
    zero(offset, length, keep) {
      risk(failWrite, "zero");
      return disk.zero(offset, length, keep);
    },
    trim(offset, length) {
      risk(failWrite, "trim");
      return disk.trim(offset, length);
    },
    flush() {
      risk(failFlush, "flush");
      return disk.flush();
    },
  };
}

/** The disk itself, method for method: what a layer does not change. */
const around = (disk: Disk): Disk => ({
  size: disk.size,
  blockSize: disk.blockSize,
  read: (into, offset) => disk.read(into, offset),
  write: (from, offset) => disk.write(from, offset),
  zero: (offset, length, keep) => disk.zero(offset, length, keep),
  trim: (offset, length) => disk.trim(offset, length),
  flush: () => disk.flush(),
  status: (offset, length) => disk.status(offset, length),
  endBatch: () => disk.endBatch?.(),
});
