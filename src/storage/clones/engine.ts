import type { Extent } from "../../base/disk.ts";
import { BrambleError } from "../../base/errors.ts";
import type { Commits } from "./commit.ts";
import type { GiveBack } from "./give-back.ts";
import { hostError } from "./host-file.ts";
import type { Journal } from "./journal.ts";
import { checkRange } from "./layer.ts";
import type { Pending } from "./pending.ts";
import type { Reading } from "./reading.ts";
import type { Refcounts } from "./refcounts.ts";
import type { Writing } from "./writing.ts";

/** With this many changes waiting, writes wait for a commit; with half of it, one begins. */
const MOST_CHANGES = 65_536;

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

/** What only a clone that is open for writing has. */
export interface Writer {
  writing: Writing;
  pending: Pending;
  commits: Commits;
  refcounts: Refcounts;
  journal: Journal | undefined;
  giveBack: GiveBack;
  timer: Timer;
  commitMs: number;
  /** Marks the file as closed in order. */
  seal: () => Promise<void>;
  unlock: () => void;
}

/** A node's disk. See openClone(). */
export class OpenClone {
  readonly id: string;
  readonly size: number;
  readonly blockSize: number;
  /** Counts writes, zeros and trims: unchanged means unchanged bytes. */
  generation = 0;
  readonly #reading: Reading;
  readonly #writer: Writer | undefined;
  #cancelTimer: (() => void) | undefined;
  #closed: Promise<void> | undefined;

  constructor(id: string, reading: Reading, writer?: Writer) {
    this.id = id;
    this.size = reading.size;
    this.blockSize = Math.min(4096, 1 << reading.mapping.geometry.subclusterBits);
    this.#reading = reading;
    this.#writer = writer;
  }

  read(into: Uint8Array, offset: number): void | Promise<void> {
    this.#open();
    return this.#reading.read(into, offset);
  }

  status(offset: number, length: number): Extent[] {
    this.#open();
    return this.#reading.status(offset, length);
  }

  write(from: Uint8Array, offset: number): void | Promise<void> {
    const { writing, pending, commits } = this.#writable();
    checkRange(this.size, offset, from.length);
    const unit = this.blockSize;
    if (
      pending.changes < MOST_CHANGES &&
      ((offset | from.length) % unit === 0 || !isCold(writing, offset, from.length))
    ) {
      this.generation += 1;
      writing.write(from, offset);
      if (pending.any) this.#metadataWaits(pending, commits);
      return;
    }
    return this.#writeLater(from, offset);
  }

  async #writeLater(from: Uint8Array, offset: number): Promise<void> {
    const { writing, pending, commits } = await this.#room();
    for (const edge of writing.coldEdges(offset, from.length))
      await this.#reading.warm(edge.offset, edge.length);
    this.#writable();
    this.generation += 1;
    writing.write(from, offset);
    if (pending.any) this.#metadataWaits(pending, commits);
  }

  zero(offset: number, length: number, keep = false): void | Promise<void> {
    return this.#clear(offset, length, { keep, trim: false });
  }
  trim(offset: number, length: number): void | Promise<void> {
    return this.#clear(offset, length, { keep: false, trim: true });
  }

  #clear(offset: number, length: number, how: { keep: boolean; trim: boolean }): void | Promise<void> {
    const { writing, pending, commits } = this.#writable();
    checkRange(this.size, offset, length);
    if (length === 0) return;
    if (pending.changes >= MOST_CHANGES || (!how.trim && isCold(writing, offset, length)))
      return this.#clearLater(offset, offset + length, how);
    this.generation += 1;
    const end = offset + length;
    const at = writing.zero(offset, end, { ...how, most: MOST_CHANGES / 8 });
    if (pending.any) this.#metadataWaits(pending, commits);
    if (at < end) return this.#clearLater(at, end, how);
  }

  /** In steps: a trim of a whole disk is more changes than may wait at once, and other nodes want their turn. */
  async #clearLater(from: number, end: number, how: { keep: boolean; trim: boolean }): Promise<void> {
    let at = from;
    while (at < end) {
      const { writing, pending, commits } = await this.#room();
      if (!how.trim)
        for (const edge of writing.coldEdges(at, end - at))
          await this.#reading.warm(edge.offset, edge.length);
      this.#writable();
      this.generation += 1;
      at = writing.zero(at, end, { ...how, most: MOST_CHANGES / 8 });
      if (pending.any) this.#metadataWaits(pending, commits);
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** Waits until the number of changes that wait is bearable. */
  async #room(): Promise<Writer> {
    const writer = this.#writable();
    while (writer.pending.changes >= MOST_CHANGES) {
      await writer.commits.flush();
      this.#writable();
    }
    return writer;
  }

  #metadataWaits(pending: Pending, commits: Commits): void {
    if (pending.changes >= MOST_CHANGES / 2) commits.begin();
    if (this.#cancelTimer || !this.#writer) return;
    this.#cancelTimer = this.#writer.timer(this.#writer.commitMs, () => {
      this.#cancelTimer = undefined;
      commits.begin();
    });
  }

  /** All writes that had ended are durable when it ends. Callers share commits. */
  flush(): void | Promise<void> {
    this.#open();
    return this.#writer?.commits.flush();
  }

  /**
   * Before replies to writes leave: what was written since the last one outlives a kill of this process. DISK_FULL, DISK_IO:
   * these writes must be answered with the error; after DISK_FULL all goes on as soon as there is space.
   */
  endBatch(): void {
    const { journal, commits } = this.#writer ?? {};
    if (!journal || journal.pending === 0 || commits?.failed) return;
    try {
      journal.write();
    } catch (error) {
      const why = hostError(error, "journal");
      throw why.code === "DISK_FULL" ? why : (commits?.fail(why) ?? why);
    }
  }

  /** Bytes that the clone takes on the host's disk, its tables too. */
  ownBytes(): number {
    this.#open();
    return this.#reading.own.file.allocated();
  }
  /** Has the clone itself said anything about these bytes, so that the image no longer speaks for all of them? */
  ownExtents(offset: number, length: number): boolean {
    this.#open();
    return this.#reading.owns(offset, length);
  }

  stats(): CloneStats {
    const w = this.#writer;
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
    const writer = this.#writer;
    this.#cancelTimer?.();
    let sealed = false;
    try {
      if (!writer) return;
      await writer.commits.flush();
      await writer.giveBack.close();
      await writer.seal();
      sealed = true;
    } finally {
      await writer?.giveBack.close();
      writer?.journal?.close({ keep: !sealed });
      this.#reading.close();
      writer?.unlock();
    }
  }

  #open(): void {
    if (this.#closed) throw new BrambleError("INTERNAL", `the clone ${this.id} is closed`);
  }
  #writable(): Writer {
    this.#open();
    if (!this.#writer) throw new BrambleError("DISK_READ_ONLY", `the clone ${this.id} is open read-only`);
    if (this.#writer.commits.failed) throw this.#writer.commits.failed;
    return this.#writer;
  }
}

const isCold = (writing: Writing, offset: number, length: number): boolean =>
  writing.coldEdges(offset, length).length > 0;
