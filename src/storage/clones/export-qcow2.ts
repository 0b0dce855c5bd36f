import { encodeHeader } from "../../formats/qcow2.ts";
import { encodeL2, encodeOffset, geometry, type L2Entries } from "../../formats/qcow2-tables.ts";

const CLUSTER_BITS = 16;

/**
 * Writes a qcow2 file front to back, for every QEMU since 1.1: plain clusters of 64 KiB, no subclusters, no backing file.
 * Cluster 0 is the header, then L1, then data as it comes, then L2 tables, refcount blocks and their table; the header
 * is written last. Tables are kept in memory: 64 KiB for 512 MiB of disk that hold anything.
 */
export class Qcow2Export {
  readonly #size: number;
  readonly #write: (bytes: Uint8Array, offset: number) => Promise<void>;
  readonly #geometry = geometry(CLUSTER_BITS, false);
  readonly #tables: (L2Entries | undefined)[];
  readonly #l1Clusters: number;
  #next: number;

  constructor(size: number, write: (bytes: Uint8Array, offset: number) => Promise<void>) {
    const { clusterSize, entries } = this.#geometry;
    this.#size = Math.ceil(size / 512) * 512;
    this.#write = write;
    this.#tables = new Array(Math.max(1, Math.ceil(Math.ceil(size / clusterSize) / entries))).fill(undefined);
    this.#l1Clusters = Math.ceil((this.#tables.length * 8) / clusterSize);
    this.#next = 1 + this.#l1Clusters;
  }

  /** Bytes of the disk; pieces in any order, the same place more than once only within one cluster. */
  async put(bytes: Uint8Array, offset: number): Promise<void> {
    const { clusterSize } = this.#geometry;
    for (let at = 0; at < bytes.length; ) {
      const cluster = Math.floor((offset + at) / clusterSize);
      const within = offset + at - cluster * clusterSize;
      const part = bytes.subarray(at, at + clusterSize - within);
      await this.#write(part, this.#place(cluster) * clusterSize + within);
      at += part.length;
    }
  }

  #place(cluster: number): number {
    const { entries } = this.#geometry;
    const t = Math.floor(cluster / entries);
    let table = this.#tables[t];
    if (!table) {
      table = {
        host: new Uint32Array(entries),
        alloc: new Uint32Array(entries),
        zero: new Uint32Array(entries),
      };
      this.#tables[t] = table;
    }
    const i = cluster % entries;
    if (table.host[i] === 0) {
      table.host[i] = this.#next++;
      table.alloc[i] = 1;
    }
    return table.host[i] as number;
  }

  /** Tables and header; gives the length that the file must have. */
  async finish(): Promise<number> {
    const { clusterSize, entries } = this.#geometry;
    const l1 = new Uint8Array(this.#tables.length * 8);
    for (const [t, table] of this.#tables.entries()) {
      if (!table) continue;
      const offset = this.#next++ * clusterSize;
      await this.#write(encodeL2(table, this.#geometry, { from: 0, to: entries }), offset);
      l1.set(encodeOffset(offset, true), t * 8);
    }
    await this.#write(l1, clusterSize);
    const { first, blocks, tableClusters } = this.#refcountPlaces();
    const total = first + blocks + tableClusters;
    const refcountTable = new Uint8Array(blocks * 8);
    for (let b = 0; b < blocks; b++) {
      const counts = new Uint8Array(clusterSize);
      const here = Math.min(total - (b * clusterSize) / 2, clusterSize / 2);
      for (let k = 0; k < here; k++) counts[k * 2 + 1] = 1;
      await this.#write(counts, (first + b) * clusterSize);
      refcountTable.set(encodeOffset((first + b) * clusterSize, false), b * 8);
    }
    await this.#write(refcountTable, (first + blocks) * clusterSize);
    const header = encodeHeader({
      ...{ version: 3, clusterBits: CLUSTER_BITS, size: this.#size, refcountOrder: 4 },
      ...{ l1Entries: this.#tables.length, l1Offset: clusterSize, snapshots: 0, cryptMethod: 0 },
      ...{ refcountTableOffset: (first + blocks) * clusterSize, refcountTableClusters: tableClusters },
      ...{ compressionType: 0, incompatible: 0n, compatible: 0n, autoclear: 0n, extensions: [] },
    });
    await this.#write(header, 0);
    return total * clusterSize;
  }

  /** As many blocks as it takes to count all clusters, the blocks and their table too. */
  #refcountPlaces() {
    const { clusterSize } = this.#geometry;
    const first = this.#next;
    let [blocks, tableClusters] = [1, 1];
    for (;;) {
      const needed = Math.ceil((first + blocks + tableClusters) / (clusterSize / 2));
      const table = Math.ceil((needed * 8) / clusterSize);
      if (needed === blocks && table === tableClusters) return { first, blocks, tableClusters };
      [blocks, tableClusters] = [Math.max(needed, blocks), Math.max(table, tableClusters)];
    }
  }
}
