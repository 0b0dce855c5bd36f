import { inflateRawSync } from "node:zlib";
import type { Extent } from "../../base/disk.ts";
import { BrambleError } from "../../base/errors.ts";
import type { WarmFile } from "./image.ts";
import { checkRange, type Layer } from "./layer.ts";
import { DATA, HOLE, type Mapping, PACKED } from "./mapping.ts";

const NAMES = ["hole", "data", "zero", "data"] as const;

/** Reads through a clone's tables: its own clusters, zeros, and the layer below. */
export class Reading implements Layer {
  readonly mapping: Mapping;
  readonly own: WarmFile;
  /** What it stands on. Only a merge changes it, when the bytes read the same before and after. */
  below: Layer | undefined;

  constructor(mapping: Mapping, own: WarmFile, below: Layer | undefined) {
    this.mapping = mapping;
    this.own = own;
    this.below = below;
  }

  get size(): number {
    return this.mapping.size;
  }

  /** Done at once where all of it is warm; else read ahead first, and then copied in one go. */
  read(into: Uint8Array, offset: number): void | Promise<void> {
    checkRange(this.size, offset, into.length);
    if (into.length === 0) return;
    if (this.isWarm(offset, into.length)) this.readNow(into, offset);
    else return this.warm(offset, into.length).then(() => this.readNow(into, offset));
  }

  readNow(into: Uint8Array, offset: number): void {
    const { mapping } = this;
    const end = offset + into.length;
    for (let at = offset; at < end; ) {
      const length = mapping.run(at, end);
      const part = length === into.length ? into : into.subarray(at - offset, at - offset + length);
      if (mapping.kind === DATA) this.own.readNow(part, mapping.at);
      else if (mapping.kind === PACKED) this.#unpack(part, at);
      else if (mapping.kind === HOLE) this.readBelow(part, at);
      else part.fill(0);
      at += length;
    }
  }

  readBelow(into: Uint8Array, offset: number): void {
    const left = (this.below?.size ?? 0) - offset;
    if (!this.below || left <= 0) into.fill(0);
    else if (left >= into.length) this.below.readNow(into, offset);
    else {
      this.below.readNow(into.subarray(0, left), offset);
      into.fill(0, left);
    }
  }

  isWarm(offset: number, length: number): boolean {
    const { mapping } = this;
    const end = offset + length;
    for (let at = offset; at < end; ) {
      const n = mapping.run(at, end);
      if (mapping.kind === DATA ? !this.own.isWarm(mapping.at, n) : !this.#isWarmBelow(at, n)) return false;
      at += n;
    }
    return true;
  }

  #isWarmBelow(offset: number, length: number): boolean {
    if (this.mapping.kind !== HOLE || !this.below) return true;
    const left = Math.min(length, this.below.size - offset);
    return left <= 0 || this.below.isWarm(offset, left);
  }

  async warm(offset: number, length: number): Promise<void> {
    const { mapping } = this;
    const jobs: Promise<void>[] = [];
    const end = offset + length;
    for (let at = offset; at < end; ) {
      const n = mapping.run(at, end);
      const left = Math.min(n, (this.below?.size ?? 0) - at);
      if (mapping.kind === DATA) jobs.push(this.own.warm(mapping.at, n));
      else if (mapping.kind === HOLE && this.below && left > 0) jobs.push(this.below.warm(at, left));
      at += n;
    }
    await Promise.all(jobs);
  }

  /** A compressed cluster (read-only files): raw deflate, RFC 1951. */
  #unpack(into: Uint8Array, offset: number): void {
    const { clusterSize } = this.mapping.geometry;
    const cluster = Math.floor(offset / clusterSize);
    const where = this.mapping.packed.get(cluster);
    if (!where) throw new BrambleError("INTERNAL", `cluster ${cluster} is not compressed`);
    const bytes = new Uint8Array(where.length);
    this.own.file.read(bytes, where.offset);
    let plain: Uint8Array;
    try {
      plain = inflateRawSync(bytes, { maxOutputLength: clusterSize });
    } catch (cause) {
      throw new BrambleError(
        "FORMAT_VALUE",
        `${this.own.file.path}: compressed cluster ${cluster} is damaged`,
        {
          cause,
        },
      );
    }
    const from = offset - cluster * clusterSize;
    if (plain.length < clusterSize)
      throw new BrambleError(
        "FORMAT_SHORT",
        `${this.own.file.path}: compressed cluster ${cluster} ends early`,
      );
    into.set(plain.subarray(from, from + into.length));
  }

  /** A hole is where the image shows through; past the end of what lies below, it reads as zeros and is called so. */
  status(offset: number, length: number): Extent[] {
    checkRange(this.size, offset, length);
    const extents: Extent[] = [];
    this.#addStatus(offset, offset + length, extents);
    return extents;
  }

  #addStatus(offset: number, end: number, extents: Extent[]): void {
    const below = this.below?.size ?? 0;
    for (let at = offset; at < end; ) {
      const stop = at < below ? Math.min(end, below) : end;
      const n = this.mapping.run(at, stop);
      const isHole = this.mapping.kind === HOLE;
      if (isHole && at < below && this.below instanceof Reading) this.below.#addStatus(at, at + n, extents);
      else {
        const kind = isHole && at >= below ? "zero" : (NAMES[this.mapping.kind] ?? "data");
        const last = extents.at(-1);
        if (last?.kind === kind) last.length += n;
        else extents.push({ offset: at, length: n, kind });
      }
      at += n;
    }
  }

  /** Does the clone itself, in any of its layers, say anything about the range, data or zeros? */
  owns(offset: number, length: number): boolean {
    checkRange(this.size, offset, length);
    for (let at = offset; at < offset + length; ) {
      const n = this.mapping.run(at, offset + length);
      if (this.mapping.kind !== HOLE) return true;
      if (this.below instanceof Reading && at < this.below.size) {
        if (this.below.owns(at, Math.min(n, this.below.size - at))) return true;
      }
      at += n;
    }
    return false;
  }

  allocated(): number {
    return this.own.file.allocated();
  }

  close(): void {
    this.own.file.close();
    this.below?.close();
  }
}
