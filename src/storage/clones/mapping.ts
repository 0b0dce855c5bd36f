import { BrambleError } from "../../base/errors.ts";
import type { Qcow2Header } from "../../formats/qcow2.ts";
import { INCOMPATIBLE } from "../../formats/qcow2.ts";
import {
  decodeL2,
  decodeOffsets,
  type Geometry,
  geometry,
  type L2Entries,
  type Packed,
} from "../../formats/qcow2-tables.ts";
import type { HostFile } from "./host-file.ts";

/** What a stretch of the disk is, in the words of run(). */
export const HOLE = 0;
export const DATA = 1;
export const ZERO = 2;
export const PACKED = 3;

/** One L2 table in memory. `changed` marks entries that the next commit publishes. */
export interface Table extends L2Entries {
  readonly changed: Uint8Array;
}

/**
 * Where each piece of the disk lies: all L1 and L2 tables, in memory. It is ahead of the file: what is in here and not
 * yet in the file is published by the next commit.
 */
export class Mapping {
  readonly geometry: Geometry;
  /** Of the disk, bytes. */
  size: number;
  /** Host offset of each table, 0 = none yet. */
  offsets: Float64Array;
  readonly tables: (Table | undefined)[];
  /** Compressed clusters (read-only files), by cluster number. */
  readonly packed = new Map<number, Packed>();
  /** Answers of run(): what the stretch is, and the host offset where it starts if it is data. */
  kind = HOLE;
  at = 0;

  constructor(file: HostFile, header: Qcow2Header) {
    this.geometry = geometry(header.clusterBits, (header.incompatible & INCOMPATIBLE.extendedL2) !== 0n);
    this.size = header.size;
    const { clusterSize, entries } = this.geometry;
    const l1 = new Uint8Array(header.l1Entries * 8);
    file.read(l1, header.l1Offset);
    this.offsets = decodeOffsets(l1, clusterSize);
    this.tables = new Array(header.l1Entries).fill(undefined);
    const bytes = new Uint8Array(clusterSize);
    const fileSize = file.size();
    const mustHave = (offset: number, what: string) => {
      if (offset < fileSize) return;
      throw new BrambleError("FORMAT_SHORT", `${file.path}: ${what} is past the file's end`, {
        hint: "the file was cut short: put back a copy of it, or reset the clone",
      });
    };
    mustHave(header.l1Offset + l1.length - 1, "the L1 table");
    for (const [i, offset] of this.offsets.entries()) {
      if (offset === 0) continue;
      mustHave(offset, `L2 table ${i}`);
      file.read(bytes, offset);
      const table = this.#newTable(i);
      for (const [j, where] of decodeL2(bytes, this.geometry, table)) this.packed.set(i * entries + j, where);
      for (let j = 0; j < entries; j++)
        if (table.alloc[j] !== 0) mustHave((table.host[j] as number) * clusterSize, "a cluster of data");
    }
  }

  /** The disk has become larger, and the L1 table in the file with it. */
  grow(size: number, l1Entries: number): void {
    const offsets = new Float64Array(l1Entries);
    offsets.set(this.offsets);
    this.offsets = offsets;
    while (this.tables.length < l1Entries) this.tables.push(undefined);
    this.size = size;
  }

  /** The table of a cluster, made in memory where there is none. */
  tableOf(cluster: number): Table {
    const i = Math.floor(cluster / this.geometry.entries);
    return this.tables[i] ?? this.#newTable(i);
  }

  #newTable(i: number): Table {
    const { entries } = this.geometry;
    const table: Table = {
      host: new Uint32Array(entries),
      alloc: new Uint32Array(entries),
      zero: new Uint32Array(entries),
      changed: new Uint8Array(entries),
    };
    this.tables[i] = table;
    return table;
  }

  /**
   * How many bytes from `offset`, at most up to `end`, are of one kind (and, if data, in one piece of the host file).
   * The kind and the place are left in `kind` and `at`: no object for each read.
   */
  run(offset: number, end: number): number {
    const { clusterSize, entries, subclusterBits, all } = this.geometry;
    let cluster = Math.floor(offset / clusterSize);
    let within = offset - cluster * clusterSize;
    let at = offset;
    let kind = -1;
    let next = 0;
    for (;;) {
      const t = Math.floor(cluster / entries);
      const table = this.tables[t];
      let here = HOLE;
      let host = 0;
      let length = clusterSize - within;
      if (!table) length = ((t + 1) * entries - cluster) * clusterSize - within;
      else {
        const i = cluster - t * entries;
        const alloc = table.alloc[i] as number;
        const zero = table.zero[i] as number;
        host = (table.host[i] as number) * clusterSize + within;
        if (alloc === all) here = DATA;
        else if (zero === all) here = ZERO;
        else if (alloc !== 0 || zero !== 0) {
          let sub = within >>> subclusterBits;
          here = kindOf(alloc, zero, sub);
          do sub += 1;
          while (sub < 32 && kindOf(alloc, zero, sub) === here);
          length = Math.min(length, (sub << subclusterBits) - within);
        } else if (this.packed.size > 0 && this.packed.has(cluster)) here = PACKED;
      }
      if (kind < 0) {
        kind = here;
        this.at = host;
      } else if (here !== kind || (here === DATA && host !== next) || here === PACKED) break;
      at += length;
      if (at >= end) {
        at = end;
        break;
      }
      next = host + length;
      cluster = Math.floor(at / clusterSize);
      within = at - cluster * clusterSize;
    }
    this.kind = kind;
    return at - offset;
  }
}

const kindOf = (alloc: number, zero: number, sub: number): number =>
  (zero >>> sub) & 1 ? ZERO : (alloc >>> sub) & 1 ? DATA : HOLE;
