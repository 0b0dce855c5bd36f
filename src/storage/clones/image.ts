import { createHash } from "node:crypto";
import { performance } from "node:perf_hooks";
import { type HostFile, type OpenHostFile, openHostFile } from "./host-file.ts";
import type { Layer } from "./layer.ts";
import { WARM_BITS, WarmMap } from "./warm.ts";

/** A sync read that takes longer came from the disk, or the host had no time for us: the count of disk reads tells. */
export const STALL_MS = 1;
const BLOCK = 2 ** WARM_BITS;
const SAMPLES = 8;
/** Read-ahead lands here and is never looked at, so that all may share it. */
const scratch = new Uint8Array(1 << 20);

/** Reads a host file through the page cache: at once where it is warm, read ahead on another thread first where it is not. */
export class WarmFile {
  readonly file: HostFile;
  readonly #map: WarmMap;
  readonly #clock: () => number;
  readonly #diskReads: () => number;
  #readsSeen = 0;
  #ahead = new Map<number, Promise<void>>();
  stalls = 0;

  /** `clock` in milliseconds; `diskReads` counts what this process has read from disks so far, not from the page cache. */
  constructor(
    file: HostFile,
    bytes: number,
    clock: () => number = () => performance.now(),
    diskReads: () => number = () => process.resourceUsage().fsRead,
  ) {
    this.file = file;
    this.#map = new WarmMap(bytes);
    this.#clock = clock;
    this.#diskReads = diskReads;
    this.#readsSeen = diskReads();
  }

  isWarm(offset: number, length: number): boolean {
    return this.#map.has(offset, length);
  }
  written(offset: number, length: number): void {
    this.#map.add(offset, length);
  }

  readNow(into: Uint8Array, offset: number): void {
    const before = this.#clock();
    this.file.read(into, offset);
    const now = this.#clock();
    this.#map.tick(now);
    if (now - before > STALL_MS && this.#sawDisk()) {
      this.stalls += 1;
      this.#map.clear();
    }
    this.#map.add(offset, into.length);
  }

  #sawDisk(): boolean {
    const before = this.#readsSeen;
    this.#readsSeen = this.#diskReads();
    return this.#readsSeen !== before;
  }

  async warm(offset: number, length: number): Promise<void> {
    const jobs: Promise<void>[] = [];
    const end = Math.ceil((offset + length) / BLOCK) * BLOCK;
    for (let at = Math.floor(offset / BLOCK) * BLOCK; at < end; ) {
      const running = this.#ahead.get(at);
      let stop = at + BLOCK;
      if (running) jobs.push(running);
      else if (!this.#map.has(at, BLOCK)) {
        while (
          stop < end &&
          stop - at < scratch.length &&
          !this.#map.has(stop, BLOCK) &&
          !this.#ahead.has(stop)
        )
          stop += BLOCK;
        jobs.push(this.#readAhead(at, stop));
      }
      at = stop;
    }
    await Promise.all(jobs);
  }

  #readAhead(from: number, to: number): Promise<void> {
    const job = this.file.warm(scratch.subarray(0, to - from), from).then(() => {
      this.#map.add(from, to - from);
      this.#readsSeen = this.#diskReads();
    });
    const done = job.finally(() => {
      for (let at = from; at < to; at += BLOCK) this.#ahead.delete(at);
    });
    for (let at = from; at < to; at += BLOCK) this.#ahead.set(at, done);
    return done;
  }
}

/** A raw image, opened once for all clones of it. */
class Image implements Layer {
  readonly size: number;
  readonly fingerprint: string;
  readonly #reader: WarmFile;
  readonly #key: string;
  users = 1;

  constructor(file: HostFile, key: string) {
    this.size = file.size();
    this.#reader = new WarmFile(file, this.size);
    this.#key = key;
    this.fingerprint = fingerprint(file, this.size);
  }

  isWarm(offset: number, length: number): boolean {
    return offset >= this.size || this.#reader.isWarm(offset, Math.min(length, this.size - offset));
  }
  async warm(offset: number, length: number): Promise<void> {
    if (offset < this.size) await this.#reader.warm(offset, Math.min(length, this.size - offset));
  }
  readNow(into: Uint8Array, offset: number): void {
    if (offset >= this.size) into.fill(0);
    else this.#reader.readNow(into, offset);
  }
  allocated(): number {
    return this.#reader.file.allocated();
  }
  close(): void {
    this.users -= 1;
    if (this.users > 0) return;
    images.delete(this.#key);
    this.#reader.file.close();
  }
}

const images = new Map<string, Image>();

/** The image's size, and 8 blocks of 4 KiB spread over it, hashed: tells another image from this one in no time. */
function fingerprint(file: HostFile, size: number): string {
  const hash = createHash("sha256").update(String(size));
  const block = new Uint8Array(4096);
  for (let i = 0; i < SAMPLES; i++) {
    file.read(block, Math.floor((Math.max(0, size - block.length) * i) / (SAMPLES - 1) / 4096) * 4096);
    hash.update(block);
  }
  return hash.digest("hex");
}

/** Opens a raw image read-only, or gives the one that is open already. Each caller closes once. */
export function openImage(path: string, open: OpenHostFile = openHostFile): Image {
  const file = open(path, "read");
  const key = file.stamp();
  const image = images.get(key);
  if (image) {
    file.close();
    image.users += 1;
    return image;
  }
  const fresh = new Image(file, key);
  images.set(key, fresh);
  return fresh;
}
