import type { WarmFile } from "./image.ts";
import { MOST_RESERVED } from "./journal.ts";
import { DATA, HOLE, type Mapping, type Table, ZERO } from "./mapping.ts";
import type { Pending } from "./pending.ts";
import type { Quota } from "./quota.ts";
import type { Reading } from "./reading.ts";
import type { Refcounts } from "./refcounts.ts";

/** New clusters of the file, one behind the other, for clusters of the disk within one table. */
interface Fresh {
  cluster: number;
  host: number;
  count: number;
}

/** How parts of a write come into the file. */
interface Puts {
  put(part: Uint8Array, at: number): void;
  clusters(part: Uint8Array, cluster: number, count: number): void;
}

/**
 * Writes, zeros and trims. Data goes to the host file first, then the mapping changes in memory, then the journal is told:
 * a write that fails half way has changed no mapping.
 */
export class Writing {
  readonly #reading: Reading;
  readonly #mapping: Mapping;
  readonly #own: WarmFile;
  readonly #refcounts: Refcounts;
  readonly #pending: Pending;
  readonly #quota: Quota | undefined;
  readonly #scratch: Uint8Array;
  readonly #here: Puts = {
    put: (part, at) => this.#put(part, at),
    clusters: (part, cluster, count) => this.#writeClusters(part, cluster, count),
  };

  constructor(parts: {
    reading: Reading;
    refcounts: Refcounts;
    pending: Pending;
    quota?: Quota | undefined;
  }) {
    this.#reading = parts.reading;
    this.#mapping = parts.reading.mapping;
    this.#own = parts.reading.own;
    this.#refcounts = parts.refcounts;
    this.#pending = parts.pending;
    this.#quota = parts.quota;
    this.#scratch = new Uint8Array(this.#mapping.geometry.clusterSize);
  }

  /** Does a write or zero of these bytes first have to read what surrounds them, from a disk that may be slow? */
  coldEdges(offset: number, length: number): { offset: number; length: number }[] {
    const unit = 1 << this.#mapping.geometry.subclusterBits;
    const cold: { offset: number; length: number }[] = [];
    const end = offset + length;
    if (offset % unit) this.#addCold(cold, offset - (offset % unit), unit);
    if (end % unit) this.#addCold(cold, end - (end % unit), unit);
    return cold;
  }
  #addCold(cold: { offset: number; length: number }[], offset: number, unit: number): void {
    const length = Math.min(unit, this.#mapping.size - offset);
    this.#mapping.run(offset, offset + 1);
    if (this.#mapping.kind === HOLE && !this.#reading.isWarm(offset, length)) cold.push({ offset, length });
  }

  write(from: Uint8Array, offset: number): void {
    this.#each(from, offset, this.#here);
  }

  /**
   * As write(), with what is large put into the file on other threads; `from` must stay untouched until it ends. Until then
   * nothing else may change these bytes: what they replace is where it was, and whole new clusters have no mapping yet.
   */
  async writeApart(from: Uint8Array, offset: number): Promise<void> {
    const puts: Promise<void>[] = [];
    const fresh: Fresh[] = [];
    try {
      this.#each(from, offset, {
        put: (part, at) => void puts.push(this.#putApart(part, at)),
        clusters: (part, cluster, count) => {
          this.#quota?.take(part.length);
          const host = this.#refcounts.allocate(count);
          fresh.push({ cluster, host, count });
          puts.push(this.#putApart(part, host * this.#mapping.geometry.clusterSize));
        },
      });
      await Promise.all(puts);
      this.#pending.data = true; // a commit in between did not sync these bytes
      for (let piece = fresh[0]; piece; piece = fresh[0]) {
        this.#publish(piece);
        fresh.shift();
      }
    } catch (error) {
      await Promise.allSettled(puts); // a cluster must not be used again while somebody writes to it
      for (const piece of fresh) this.#release(piece);
      throw error;
    }
  }

  /** Each part of a write to where it belongs: data that has a place, whole clusters that have none, and the rest. */
  #each(from: Uint8Array, offset: number, to: Puts): void {
    const { clusterSize } = this.#mapping.geometry;
    const end = offset + from.length;
    this.#pending.data = true;
    for (let at = offset; at < end; ) {
      const known = this.#mapping.run(at, end);
      if (this.#mapping.kind === DATA) {
        to.put(from.subarray(at - offset, at - offset + known), this.#mapping.at);
        at += known;
        continue;
      }
      const cluster = Math.floor(at / clusterSize);
      const fresh =
        at % clusterSize === 0 ? this.#freshClusters(cluster, Math.floor((end - at) / clusterSize)) : 0;
      const stop = fresh > 0 ? at + fresh * clusterSize : Math.min(end, (cluster + 1) * clusterSize);
      const part = from.subarray(at - offset, stop - offset);
      if (fresh > 0) to.clusters(part, cluster, fresh);
      else this.#writePart(part, cluster, at - cluster * clusterSize);
      at = stop;
    }
  }

  async #putApart(from: Uint8Array, at: number): Promise<void> {
    await this.#own.file.writeApart(from, at);
    this.#own.written(at, from.length);
  }

  #put(from: Uint8Array, at: number): void {
    this.#own.file.write(from, at);
    this.#own.written(at, from.length);
  }

  /** The table of a cluster; a new one gets its place in the file now and is published by the next commit. */
  #table(cluster: number): Table {
    const t = Math.floor(cluster / this.#mapping.geometry.entries);
    const table = this.#mapping.tableOf(cluster);
    if (this.#mapping.offsets[t] === 0) {
      this.#mapping.offsets[t] = this.#refcounts.allocate(1) * this.#mapping.geometry.clusterSize;
      this.#pending.newTable(t);
    }
    return table;
  }

  /** How many whole clusters from here on, within one table, have no place in the file yet. */
  #freshClusters(cluster: number, most: number): number {
    const { entries } = this.#mapping.geometry;
    const table = this.#mapping.tables[Math.floor(cluster / entries)];
    const i = cluster % entries;
    const limit = Math.min(most, entries - i, MOST_RESERVED);
    if (!table) return limit;
    let count = 0;
    while (count < limit && table.host[i + count] === 0) count += 1;
    return count;
  }

  #writeClusters(from: Uint8Array, cluster: number, count: number): void {
    this.#quota?.take(from.length);
    const fresh = { cluster, host: this.#refcounts.allocate(count), count };
    try {
      this.#put(from, fresh.host * this.#mapping.geometry.clusterSize);
      this.#publish(fresh);
    } catch (error) {
      this.#release(fresh);
      throw error;
    }
  }

  #release({ host, count }: Fresh): void {
    for (let k = count - 1; k >= 0; k--) this.#refcounts.release(host + k);
  }

  /** Whole clusters whose data is in the file: from now on they are what is read. DISK_FULL, from the journal: nothing has changed. */
  #publish({ cluster, host, count }: Fresh): void {
    const { entries, all } = this.#mapping.geometry;
    this.#pending.reserve(count);
    const table = this.#table(cluster);
    for (let k = 0; k < count; k++) {
      const i = (cluster + k) % entries;
      const before = table.host[i] as number;
      if (before) this.#pending.freed(before); // a merge has copied there what this replaces
      table.host[i] = host + k;
      table.alloc[i] = all;
      table.zero[i] = 0;
      this.#pending.changed(cluster + k, table, i);
    }
  }

  /** Less than a cluster, or one that has a place: fills up to whole subclusters with what reads there now. */
  #writePart(from: Uint8Array, cluster: number, within: number): void {
    const { clusterSize, entries, subclusterBits } = this.#mapping.geometry;
    this.#quota?.take(from.length);
    this.#pending.reserve(1);
    const table = this.#table(cluster);
    const i = cluster % entries;
    const stop = within + from.length;
    const first = within >>> subclusterBits;
    const last = (stop - 1) >>> subclusterBits;
    const isData = (sub: number) => (((table.alloc[i] as number) >>> sub) & 1) === 1;
    const start = isData(first) ? within : first << subclusterBits;
    const end = isData(last) ? stop : (last + 1) << subclusterBits;
    let bytes = from;
    if (start < within || end > stop) {
      bytes = this.#scratch.subarray(start, end);
      this.#fill(table, cluster, start, within);
      this.#fill(table, cluster, stop, end);
      this.#scratch.set(from, within);
    }
    const place = table.host[i] as number;
    const host = place || this.#refcounts.allocate(1);
    try {
      this.#put(bytes, host * clusterSize + start);
    } catch (error) {
      if (!place) this.#refcounts.release(host);
      throw error;
    }
    const mask = maskOf(first, last + 1);
    table.host[i] = host;
    table.alloc[i] = ((table.alloc[i] as number) | mask) >>> 0;
    table.zero[i] = ((table.zero[i] as number) & ~mask) >>> 0;
    this.#pending.changed(cluster, table, i);
  }

  /** Into the scratch cluster: what a piece of one subcluster that is no data reads as. */
  #fill(table: Table, cluster: number, from: number, to: number): void {
    if (from >= to) return;
    const { clusterSize, entries, subclusterBits } = this.#mapping.geometry;
    const into = this.#scratch.subarray(from, to);
    const isZero = ((table.zero[cluster % entries] as number) >>> (from >>> subclusterBits)) & 1;
    if (isZero) into.fill(0);
    else this.#reading.readBelow(into, cluster * clusterSize + from);
  }

  /**
   * From `offset` on, at most to `end` and at most `most` clusters of changes; gives back how far it came. What reads as
   * zeros already costs nothing. `trim`: pieces of subclusters may stay as they are.
   */
  zero(offset: number, end: number, how: { keep: boolean; trim: boolean; most: number }): number {
    const { clusterSize } = this.#mapping.geometry;
    const below = this.#reading.below?.size ?? 0;
    this.#pending.data = true;
    let done = 0;
    let at = offset;
    while (at < end && done < how.most) {
      const run = this.#mapping.run(at, end);
      if (this.#mapping.kind === ZERO || (this.#mapping.kind === HOLE && at >= below)) {
        at += run;
        continue;
      }
      const cluster = Math.floor(at / clusterSize);
      const stop = Math.min(end, (cluster + 1) * clusterSize);
      this.#zeroCluster(cluster, at - cluster * clusterSize, stop - cluster * clusterSize, how);
      done += 1;
      at = stop;
    }
    return at;
  }

  #zeroCluster(cluster: number, from: number, to: number, how: { keep: boolean; trim: boolean }): void {
    const { clusterSize, entries, subclusterBits, all, extended } = this.#mapping.geometry;
    const start = cluster * clusterSize;
    const whole = from === 0 && (to === clusterSize || start + to === this.#mapping.size);
    const unit = 1 << subclusterBits;
    const first = whole ? 0 : Math.ceil(from / unit);
    const last = whole ? (extended ? 32 : 1) : Math.floor(to / unit);
    if (!how.trim && !whole) {
      const middle = Math.min(to, first * unit);
      if (from < middle) this.#writeZeros(start + from, start + middle);
      const tail = Math.max(middle, last * unit);
      if (tail < to) this.#writeZeros(start + tail, start + to);
    }
    if (first >= last) return;
    this.#pending.reserve(1);
    const table = this.#table(cluster);
    const i = cluster % entries;
    const mask = whole ? all : maskOf(first, last);
    const host = table.host[i] as number;
    table.alloc[i] = ((table.alloc[i] as number) & ~mask) >>> 0;
    table.zero[i] = ((table.zero[i] as number) | mask) >>> 0;
    if (host && table.alloc[i] === 0 && !how.keep) {
      table.host[i] = 0;
      this.#pending.freed(host);
    }
    this.#pending.changed(cluster, table, i);
  }

  #writeZeros(from: number, to: number): void {
    this.#mapping.run(from, to);
    if (this.#mapping.kind !== ZERO) this.write(new Uint8Array(to - from), from);
  }
}

/** Bits `from` up to, not including, `to` (at most 32). */
const maskOf = (from: number, to: number): number => ((0xffffffff >>> (32 - (to - from))) << from) >>> 0;
