import type { Extent } from "../../base/disk.ts";
import { BrambleError } from "../../base/errors.ts";
import { Apart } from "./apart.ts";
import type { Chain } from "./chain.ts";
import { hostError } from "./host-file.ts";
import type { Journal } from "./journal.ts";
import { checkRange } from "./layer.ts";
import { type QcowLayer, qcowLayers } from "./open-layers.ts";
import { Readers } from "./readers.ts";
import type { Writer } from "./writer.ts";
import type { Writing } from "./writing.ts";

/** With this many changes waiting, writes wait for a commit; with half of it, one begins. */
const MOST_CHANGES = 65_536;

/**
 * Bytes. While a commit runs the host's file system is busy writing out and lets a write wait for long; from this size on another
 * thread waits then, not all other nodes. Without a commit that would cost more than it gives.
 */
const APART = 65_536;

/** Calls `act` once, later; what comes back takes it back. */
export type Timer = (afterMs: number, act: () => void) => () => void;

export interface CloneStats {
  commits: number;
  syncs: number;
  /** Mappings that no commit has taken. */
  pending: number;
  hostClusters: number;
  freeClusters: number;
  /** Reads that were thought warm and were not. */
  stalls: number;
  /** Bytes of the file that went back to the host. */
  givenBack: number;
}

/** What a clone that is open for writing has, whatever file it writes to. */
export interface WriteSide {
  writer: Writer;
  journal: Journal | undefined;
  timer: Timer;
  commitMs: number;
  unlock: () => void;
}

/** What a clone is made of at one moment. */
export interface Top {
  reading: QcowLayer;
  writer: Writer;
}

/** A node's disk. See openClone(). */
export class OpenClone {
  readonly id: string;
  readonly blockSize: number;
  /** Counts writes, zeros and trims, and whatever else changes bytes: unchanged means unchanged bytes. */
  generation = 0;
  /** Snapshots and what else is done to the files; undefined where the clone is open read-only, or not of our making. */
  chain: Chain | undefined;
  #reading: QcowLayer;
  readonly #side: WriteSide | undefined;
  readonly #readers = new Readers();
  readonly #apart = new Apart();
  #cancelTimer: (() => void) | undefined;
  #closed: Promise<void> | undefined;
  /** While it is there, no write begins. */
  #gate: Promise<void> | undefined;

  constructor(id: string, reading: QcowLayer, side?: WriteSide) {
    this.id = id;
    this.blockSize = Math.min(4096, 1 << reading.mapping.geometry.subclusterBits);
    this.#reading = reading;
    this.#side = side;
  }

  /** Bytes. Only resize and a change of the image change it. */
  get size(): number {
    return this.#reading.size;
  }

  read(into: Uint8Array, offset: number): void | Promise<void> {
    this.#open();
    const waits = this.#reading.read(into, offset);
    if (waits) return this.#readers.hold(waits);
  }

  status(offset: number, length: number): Extent[] {
    this.#open();
    return this.#reading.status(offset, length);
  }

  write(from: Uint8Array, offset: number): void | Promise<void> {
    const { writer } = this.#writable();
    checkRange(this.size, offset, from.length);
    if (
      !this.#hindrance(writer, offset, from.length) &&
      ((offset | from.length) % this.blockSize === 0 || !isCold(writer.writing, offset, from.length))
    )
      return this.#writeNow(writer, from, offset);
    return this.#writeLater(from, offset);
  }

  #writeNow(writer: Writer, from: Uint8Array, offset: number): void | Promise<void> {
    if (from.length >= APART && writer.commits.isRunning)
      return this.#apart.add(offset, from.length, this.#writeApart(writer, from, offset));
    this.generation += 1;
    writer.writing.write(from, offset);
    if (writer.pending.any) this.#metadataWaits(writer);
  }

  async #writeApart(writer: Writer, from: Uint8Array, offset: number): Promise<void> {
    this.generation += 1;
    try {
      await writer.writing.writeApart(from, offset);
    } finally {
      this.generation += 1;
      if (writer.pending.any) this.#metadataWaits(writer);
    }
    if (writer.commits.failed) throw writer.commits.failed;
  }

  async #writeLater(from: Uint8Array, offset: number): Promise<void> {
    for (let warmed = false; ; ) {
      const { writer } = this.#writable();
      const hindrance = this.#hindrance(writer, offset, from.length);
      if (hindrance) {
        await hindrance();
        continue;
      }
      const cold = warmed ? [] : writer.writing.coldEdges(offset, from.length);
      if (cold.length === 0) return this.#writeNow(writer, from, offset);
      await this.#warm(cold);
      warmed = true;
    }
  }

  async #warm(edges: { offset: number; length: number }[]): Promise<void> {
    for (const { offset, length } of edges) await this.#readers.hold(this.#reading.warm(offset, length));
  }

  zero(offset: number, length: number, keep = false): void | Promise<void> {
    return this.#clear(offset, length, { keep, trim: false });
  }
  trim(offset: number, length: number): void | Promise<void> {
    return this.#clear(offset, length, { keep: false, trim: true });
  }

  #clear(offset: number, length: number, how: { keep: boolean; trim: boolean }): void | Promise<void> {
    const { writer } = this.#writable();
    checkRange(this.size, offset, length);
    if (length === 0) return;
    if (this.#hindrance(writer, offset, length) || (!how.trim && isCold(writer.writing, offset, length)))
      return this.#clearLater(offset, offset + length, how);
    this.generation += 1;
    const end = offset + length;
    const at = writer.writing.zero(offset, end, { ...how, most: MOST_CHANGES / 8 });
    if (writer.pending.any) this.#metadataWaits(writer);
    if (at < end) return this.#clearLater(at, end, how);
  }

  /** In steps: a trim of a whole disk is more changes than may wait at once, and other nodes want their turn. */
  async #clearLater(from: number, end: number, how: { keep: boolean; trim: boolean }): Promise<void> {
    for (let at = from, warmed = how.trim; at < end; ) {
      const { writer } = this.#writable();
      const hindrance = this.#hindrance(writer, at, end - at);
      if (hindrance) {
        await hindrance();
        continue;
      }
      const cold = warmed ? [] : writer.writing.coldEdges(at, end - at);
      if (cold.length > 0) {
        await this.#warm(cold);
        warmed = true;
        continue;
      }
      this.generation += 1;
      at = writer.writing.zero(at, end, { ...how, most: MOST_CHANGES / 8 });
      if (writer.pending.any) this.#metadataWaits(writer);
      warmed = how.trim;
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  #canWrite(writer: Writer): boolean {
    return this.#gate === undefined && writer.pending.changes < MOST_CHANGES;
  }

  /** What to wait for, and then to ask again, before these bytes are changed. */
  #hindrance(writer: Writer, offset: number, length: number): (() => Promise<unknown>) | undefined {
    if (!this.#canWrite(writer)) return () => this.wait();
    const other = this.#apart.before(offset, length);
    return other && (() => other);
  }

  /** Until writes may go on: somebody works on the files, or too many changes wait. */
  async wait(): Promise<void> {
    const { writer } = this.#writable();
    if (this.#gate) await this.#gate;
    else if (writer.pending.changes >= MOST_CHANGES) await writer.commits.flush();
  }

  /** For merges: writes what reads the same before and after. False: not now, wait(). */
  fill(act: (writing: Writing) => void): boolean {
    const { writer } = this.#writable();
    if (!this.#canWrite(writer)) return false;
    act(writer.writing);
    if (writer.pending.any) this.#metadataWaits(writer);
    return true;
  }

  /** Holds writes back while `act` runs; what it gives back takes the place of what was there. Reads go on. */
  async exclusive(act: (now: Top) => Promise<Top | undefined>): Promise<void> {
    while (this.#gate) await this.#gate;
    const side = this.#writable();
    let open = () => {};
    this.#gate = new Promise((resolve) => {
      open = resolve;
    });
    try {
      await this.#apart.idle();
      const next = await act({ reading: this.#reading, writer: side.writer });
      if (!next) return;
      this.#cancelTimer?.();
      this.#cancelTimer = undefined;
      this.#reading = next.reading;
      side.writer = next.writer;
    } finally {
      this.#gate = undefined;
      open();
    }
  }

  /** The layers under the clone and itself, from the top down. */
  layers(): QcowLayer[] {
    return qcowLayers(this.#reading);
  }
  /** `close` is called when nobody reads any more who may have begun before. */
  retire(close: () => void): void {
    this.#readers.retire(close);
  }

  #metadataWaits({ pending, commits }: Writer): void {
    if (pending.changes >= MOST_CHANGES / 2) commits.begin();
    if (this.#cancelTimer || !this.#side) return;
    this.#cancelTimer = this.#side.timer(this.#side.commitMs, () => {
      this.#cancelTimer = undefined;
      this.#side?.writer.commits.begin();
    });
  }

  /** All writes that had ended are durable when it ends. Callers share commits. */
  flush(): void | Promise<void> {
    this.#open();
    return this.#side?.writer.commits.flush();
  }

  /**
   * Before replies to writes leave: what was written since the last one outlives a kill of this process. DISK_FULL, DISK_IO:
   * these writes must be answered with the error; after DISK_FULL all goes on as soon as there is space.
   */
  endBatch(): void {
    const { journal, writer } = this.#side ?? {};
    if (!journal || journal.pending === 0 || writer?.commits.failed) return;
    try {
      journal.write();
    } catch (error) {
      const why = hostError(error, "journal");
      throw why.code === "DISK_FULL" ? why : (writer?.commits.fail(why) ?? why);
    }
  }

  /** Bytes that the clone takes on the host's disk: its layers and their tables, those of its snapshots too. */
  ownBytes(): number {
    this.#open();
    if (this.chain) return this.chain.ownBytes();
    return this.layers().reduce((sum, layer) => sum + layer.own.file.allocated(), 0);
  }
  /** Has the clone itself said anything about these bytes, so that the image no longer speaks for all of them? */
  ownExtents(offset: number, length: number): boolean {
    this.#open();
    return this.#reading.owns(offset, length);
  }

  stats(): CloneStats {
    const w = this.#side?.writer;
    return {
      commits: w?.commits.commits ?? 0,
      syncs: w?.commits.syncs ?? 0,
      pending: w?.pending.changes ?? 0,
      hostClusters: w?.refcounts.clusters ?? 0,
      freeClusters: w?.refcounts.freeClusters ?? 0,
      stalls: this.#reading.own.stalls,
      givenBack: w?.giveBack.bytes ?? 0,
    };
  }

  /** Flushes, and lets go of files, lock and timer also when that fails: then the next open takes up the journal. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    await this.chain?.stop();
    while (this.#gate) await this.#gate;
    await this.#apart.idle();
    const side = this.#side;
    this.#cancelTimer?.();
    let sealed = false;
    try {
      if (!side) return;
      await side.writer.commits.flush();
      await side.writer.giveBack.close();
      await side.writer.seal();
      sealed = true;
    } finally {
      await side?.writer.giveBack.close();
      side?.journal?.close({ keep: !sealed });
      await new Promise<void>((resolve) => this.retire(resolve));
      this.#reading.close();
      side?.unlock();
    }
  }

  #open(): void {
    if (this.#closed) throw new BrambleError("INTERNAL", `the clone ${this.id} is closed`);
  }
  #writable(): WriteSide {
    this.#open();
    if (!this.#side) throw new BrambleError("DISK_READ_ONLY", `the clone ${this.id} is open read-only`);
    if (this.#side.writer.commits.failed) throw this.#side.writer.commits.failed;
    return this.#side;
  }
}

const isCold = (writing: Writing, offset: number, length: number): boolean =>
  writing.coldEdges(offset, length).length > 0;
