import type { Die } from "../../testing/die.ts";
import type { TreeFile } from "../host.ts";
import type { MemoryHost } from "./memory-host.ts";

const SECTOR = 512;

type Change = { offset: number; bytes: Uint8Array } | { size: number };

/** What a file holds, and what of it is not on the disk yet. */
export class Contents {
  links = 0;
  size: number;
  #bytes: Uint8Array;
  /** As an ended sync left it; undefined: as it is, nothing has happened since. */
  #durable: Uint8Array | undefined;
  readonly #log: Change[] = [];
  /** Changes that are on the disk. */
  #before = 0;

  constructor(bytes: Uint8Array = new Uint8Array(0)) {
    this.#bytes = bytes;
    this.size = bytes.length;
  }

  now(): Uint8Array {
    return this.#bytes.slice(0, this.size);
  }
  allocated(): number {
    return this.size;
  }

  apply(change: Change): void {
    this.#durable ??= this.now();
    this.#log.push("size" in change ? change : { offset: change.offset, bytes: change.bytes.slice() });
    this.#put(change);
  }
  #put(change: Change): void {
    if ("size" in change) {
      if (change.size < this.size) this.#bytes.fill(0, change.size, this.size);
      this.#grow(change.size);
      this.size = change.size;
      return;
    }
    const end = change.offset + change.bytes.length;
    this.#grow(end);
    this.#bytes.set(change.bytes, change.offset);
    this.size = Math.max(this.size, end);
  }
  #grow(size: number): void {
    if (size <= this.#bytes.length) return;
    const more = new Uint8Array(Math.max(size, this.#bytes.length * 2));
    more.set(this.#bytes.subarray(0, this.size));
    this.#bytes = more;
  }

  read(into: Uint8Array, offset: number): void {
    const there = this.#bytes.subarray(
      Math.min(offset, this.size),
      Math.min(offset + into.length, this.size),
    );
    into.set(there);
    into.fill(0, there.length);
  }

  /** How to say later that all up to now is on the disk. */
  mark(): () => void {
    const upTo = this.#before + this.#log.length;
    return () => {
      const covered = this.#log.splice(0, Math.max(0, upTo - this.#before));
      if (covered.length === 0) return; // a later sync was faster
      this.#before += covered.length;
      const left = new Contents(this.#durable);
      for (const change of covered) left.#put(change);
      this.#durable = left.now();
    };
  }

  /** What a power cut may leave. */
  remains(die: Die): Uint8Array<ArrayBuffer> {
    const left = new Contents((this.#durable ?? this.now()).slice());
    const small = this.#log.flatMap((change) => ("size" in change ? [change] : sectorsOf(change)));
    const mode = die.below(5);
    const kept =
      mode === 0
        ? this.#log.filter(() => die.oneIn(2))
        : mode === 1
          ? small.slice(0, die.below(small.length + 1))
          : mode === 2
            ? small.filter(() => die.oneIn(2))
            : mode === 3
              ? small.filter(() => !die.oneIn(20))
              : [];
    for (const change of kept) left.#put(change);
    return left.now() as Uint8Array<ArrayBuffer>;
  }
}

const sectorsOf = ({ offset, bytes }: { offset: number; bytes: Uint8Array }): Change[] => {
  const pieces: Change[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = Math.min(bytes.length - at, SECTOR - ((offset + at) % SECTOR));
    pieces.push({ offset: offset + at, bytes: bytes.subarray(at, at + length) });
    at += length;
  }
  return pieces;
};

/** An open file of a MemoryHost. */
export class MemoryFile implements TreeFile {
  readonly #host: MemoryHost;
  readonly #path: string;
  readonly #contents: Contents;
  #isClosed = false;

  constructor(host: MemoryHost, path: string, contents: Contents) {
    this.#host = host;
    this.#path = path;
    this.#contents = contents;
    host.openFiles += 1;
  }

  #mustBeOpen(): void {
    if (this.#isClosed && !this.#host.isDead) throw new Error(`${this.#path} is closed`);
  }
  size(): number {
    return this.#contents.size;
  }
  allocated(): number {
    return this.#contents.allocated();
  }
  links(): number {
    return this.#contents.links;
  }
  read(into: Uint8Array, offset: number): void {
    this.#mustBeOpen();
    this.#contents.read(into, offset);
  }
  async fetch(into: Uint8Array, offset: number): Promise<void> {
    await new Promise((next) => setImmediate(next));
    this.read(into, offset);
  }
  write(from: Uint8Array, offset: number): void {
    this.#mustBeOpen();
    if (this.#host.isDead) return;
    this.#host.risk("write", this.#path);
    this.#host.takeRoom(Math.max(0, offset + from.length - this.#contents.size), this.#path);
    if (this.#host.step()) this.#contents.apply({ offset, bytes: from });
  }
  truncate(size: number): void {
    this.#mustBeOpen();
    if (this.#host.step()) this.#contents.apply({ size });
  }
  async sync(): Promise<void> {
    this.#mustBeOpen();
    this.#host.risk("sync", this.#path);
    const covered = this.#contents.mark();
    await this.#host.pass();
    if (!this.#host.lies(this.#path)) covered();
  }
  close(): void {
    if (!this.#isClosed) this.#host.openFiles -= 1;
    this.#isClosed = true;
  }
}
