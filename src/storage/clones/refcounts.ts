import { BrambleError } from "../../base/errors.ts";
import { HEADER_AT, type Qcow2Header } from "../../formats/qcow2.ts";
import { decodeOffsets, encodeOffset } from "../../formats/qcow2-tables.ts";
import type { HostFile } from "./host-file.ts";

const PAGE = 4096;

/** Clusters in a row. */
interface Run {
  first: number;
  count: number;
}

interface Block {
  offset: number;
  bytes: Uint8Array;
  /** Pages of it that the file does not have yet. */
  dirty: Set<number>;
}

/** Accurate refcounts of 16 bits, and from them the free clusters. A cluster is used once or not at all: no internal snapshots. */
export class Refcounts {
  readonly #file: HostFile;
  readonly #clusterSize: number;
  readonly #perBlock: number;
  readonly #blocks: (Block | undefined)[] = [];
  readonly #dirty = new Set<Block>();
  /** The table, the one that the file's header points at (the same, unless it just grew), and those that never were. */
  #table: Run;
  #linked: Run;
  #outgrown: Run[] = [];
  /** Blocks that the table in the file does not name yet. */
  #fresh: number[] = [];
  #free: number[] = [];
  /** The first cluster that was never used. */
  #next: number;

  constructor(file: HostFile, header: Qcow2Header) {
    this.#file = file;
    this.#clusterSize = 2 ** header.clusterBits;
    this.#perBlock = this.#clusterSize / 2;
    const first = header.refcountTableOffset / this.#clusterSize;
    this.#table = { first, count: header.refcountTableClusters };
    this.#linked = this.#table;
    const table = new Uint8Array(this.#table.count * this.#clusterSize);
    file.read(table, header.refcountTableOffset);
    for (const [i, offset] of decodeOffsets(table, this.#clusterSize).entries()) {
      if (offset === 0) continue;
      const bytes = new Uint8Array(this.#clusterSize);
      file.read(bytes, offset);
      this.#blocks[i] = { offset, bytes, dirty: new Set() };
    }
    this.#next = Math.ceil(file.size() / this.#clusterSize);
  }

  /** Clusters of the host file, used or not. */
  get clusters(): number {
    return this.#next;
  }
  get freeClusters(): number {
    return this.#free.length;
  }

  get(cluster: number): number {
    const block = this.#blocks[Math.floor(cluster / this.#perBlock)];
    const at = (cluster % this.#perBlock) * 2;
    return block ? ((block.bytes[at] as number) << 8) | (block.bytes[at + 1] as number) : 0;
  }

  set(cluster: number, count: number): void {
    const i = Math.floor(cluster / this.#perBlock);
    const block = this.#blocks[i] ?? this.#newBlock(i);
    const at = (cluster % this.#perBlock) * 2;
    block.bytes[at] = count >>> 8;
    block.bytes[at + 1] = count & 0xff;
    block.dirty.add(Math.floor(at / PAGE));
    this.#dirty.add(block);
  }

  #newBlock(i: number): Block {
    if (i * 8 >= this.#table.count * this.#clusterSize) {
      this.#growTable(i);
      const made = this.#blocks[i]; // the table's own clusters may lie in this very block
      if (made) return made;
    }
    const cluster = this.#next++;
    const block = {
      offset: cluster * this.#clusterSize,
      bytes: new Uint8Array(this.#clusterSize),
      dirty: new Set<number>(),
    };
    this.#blocks[i] = block;
    this.#fresh.push(i);
    this.set(cluster, 1);
    return block;
  }

  /** A bigger table at the end of the file; the old one's clusters are free after the commit that moves the header's pointer. */
  #growTable(i: number): void {
    if (this.#table !== this.#linked) this.#outgrown.push(this.#table);
    const count = Math.ceil(((i + 1) * 8 * 1.5) / this.#clusterSize);
    this.#table = { first: this.#next, count };
    this.#next += count;
    for (let k = 0; k < count; k++) this.set(this.#table.first + k, 1);
  }

  /** `count` clusters in a row, marked as used. More than one always comes from the end of the file. */
  allocate(count: number): number {
    const recycled = count === 1 ? this.#free.pop() : undefined;
    const first = recycled ?? this.#next;
    if (recycled === undefined) this.#next += count;
    for (let i = 0; i < count; i++) this.set(first + i, 1);
    return first;
  }

  /** Gives clusters back that no table in the file points at. */
  release(cluster: number): void {
    this.set(cluster, 0);
    this.#free.push(cluster);
  }
  /** As release(), but not to be used again yet: reuse() does that. */
  forget(cluster: number): void {
    this.set(cluster, 0);
  }
  reuse(cluster: number): void {
    this.#free.push(cluster);
  }

  /** Only when every cluster in use has its refcount, those of a replayed journal too; else their data would be overwritten. */
  buildFreeList(): void {
    this.#free = [];
    for (let cluster = this.#next - 1; cluster > 0; cluster--)
      if (this.get(cluster) === 0) this.#free.push(cluster);
  }

  /** Makes the counts what `used` says, after a crash. A cluster that two tables claim is damage that we do not touch. */
  recount(used: Iterable<number>): void {
    const counts = new Uint8Array(this.#next);
    const mark = (cluster: number) => {
      if (cluster >= counts.length || counts[cluster])
        throw new BrambleError(
          "FORMAT_VALUE",
          `${this.#file.path}: cluster ${cluster} is used twice or past the end`,
          {
            hint: "qemu-img check tells more; the clone can still be opened read-only",
          },
        );
      counts[cluster] = 1;
    };
    for (const cluster of used) mark(cluster);
    for (let k = 0; k < this.#table.count; k++) mark(this.#table.first + k);
    for (const block of this.#blocks) if (block) mark(block.offset / this.#clusterSize);
    for (let cluster = 0; cluster < counts.length; cluster++) {
      const count = counts[cluster] as number;
      if (this.get(cluster) !== count) this.set(cluster, count);
    }
  }

  /** New blocks, or a new table: the commit needs a sync more. */
  get grew(): boolean {
    return this.#fresh.length > 0 || this.#table !== this.#linked;
  }
  get isDirty(): boolean {
    return this.#dirty.size > 0 || this.grew;
  }

  /**
   * Growing, before a sync of its own: new blocks and a moved table, whole; nothing points at them yet. The function that
   * comes back is for after that sync: it writes the pointers and gives the clusters that are free after the commit.
   */
  writeGrowth(): () => number[] {
    const [fresh, table] = [[...this.#fresh], this.#table];
    for (const i of fresh) {
      const block = this.#blocks[i] as Block;
      this.#file.write(block.bytes, block.offset);
    }
    const moved = table !== this.#linked;
    if (moved) {
      const bytes = new Uint8Array(table.count * this.#clusterSize);
      for (const [i, block] of this.#blocks.entries())
        if (block) bytes.set(encodeOffset(block.offset, false), i * 8);
      this.#file.write(bytes, table.first * this.#clusterSize);
    }
    return () => {
      const gone = moved ? this.#moveTable(table) : [];
      if (!moved)
        for (const i of fresh)
          this.#file.write(
            encodeOffset((this.#blocks[i] as Block).offset, false),
            table.first * this.#clusterSize + i * 8,
          );
      this.#fresh = this.#fresh.filter((i) => !fresh.includes(i));
      return gone;
    };
  }

  /** Offset and length of the table are neighbours in the header: one write, within one sector. */
  #moveTable(table: Run): number[] {
    const pointer = new Uint8Array(12);
    pointer.set(encodeOffset(table.first * this.#clusterSize, false));
    new DataView(pointer.buffer).setUint32(8, table.count);
    this.#file.write(pointer, HEADER_AT.refcountTable);
    const gone = [this.#linked, ...this.#outgrown.filter((run) => run !== table)];
    this.#linked = table;
    this.#outgrown = [];
    return gone.flatMap(({ first, count }) => Array.from({ length: count }, (_, k) => first + k));
  }

  /** The pages that changed, into the page cache; a page that could not be written stays dirty. */
  writeDirty(): void {
    for (const block of this.#dirty) {
      for (const page of block.dirty) {
        const from = page * PAGE;
        this.#file.write(block.bytes.subarray(from, from + PAGE), block.offset + from);
        block.dirty.delete(page);
      }
      this.#dirty.delete(block);
    }
  }
}
