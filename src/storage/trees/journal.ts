import type { BrambleError } from "../../base/errors.ts";
import { hostError } from "../clones/host-file.ts";
import type { Host } from "./host.ts";
import { BatchWriter, type EntryKind, type Owner, stampBatch } from "./journal-format.ts";
import { type Scanned, type Segment, scanJournal } from "./journal-scan.ts";
import { OpenSegment, type SegmentPlace, Spare, STEP } from "./journal-segment.ts";

interface JournalSettings {
  host: Host;
  folder: string;
  /** A segment that is longer is not begun upon any more. */
  segmentBytes?: number;
  /** Called whenever more has become durable. */
  onDurable?: (sequence: number) => void;
}

/** Of each tree. durable: settled is on the disk. fast: settled is in the page cache; what a later durable() has ended for is on the disk. */
export type Durability = "durable" | "fast";

/** A batch that is not known to be on the disk: its bytes are kept, for a disk that fails to take them. */
interface Sealed {
  sequence: number;
  bytes: Uint8Array;
}

interface Waiter {
  sequence: number;
  promise: Promise<void>;
  resolve: () => void;
  reject: (error: BrambleError) => void;
}

const SEGMENT = 8 << 20;
/** What an op may log besides file data: names, replies, a symlink's target. */
const MARGIN = 16 * 1024;
/** Kept back from ops that make nothing smaller, so that a file can be removed on a full disk. */
const RESERVE = 256 * 1024;
/** Larger buffers are not kept. */
const MOST_KEPT = 4 << 20;
/** With more than that waiting for the disk (mode fast), it is not waited for a better time. */
const MOST_UNDURABLE = 65_536;
const MOST_UNDURABLE_BYTES = 32 << 20;

/**
 * The one journal of all trees: entries gather in a batch, a batch is written by one write(2) and made durable by one fdatasync for all that wait, one at a time: what comes
 * meanwhile is the next batch. A batch whose write or fdatasync failed stays, everybody who waits for it is told, and each later call tries it again;
 * ready() says so before an op begins.
 */
export class Journal {
  readonly #settings: JournalSettings;
  readonly #place: SegmentPlace;
  readonly #segmentBytes: number;
  #open = new BatchWriter();
  /** Two buffers take turns. */
  #spare: BatchWriter | undefined = new BatchWriter();
  #lent: BatchWriter | undefined;
  /** Of the batch under way. */
  #sequence: number;
  #durable: number;
  #undurable: Sealed[] = [];
  /** So many of them are in their segment. */
  #written = 0;
  #undurableBytes = 0;
  #current: OpenSegment | undefined;
  /** Segments before the current one that have batches which are not durable. */
  #behind: OpenSegment[] = [];
  #old: Segment[];
  #waiters: Waiter[] = [];
  #isFlying = false;
  /** A batch could not be written, or could not be made durable. */
  #unwritten: BrambleError | undefined;
  #unsynced: BrambleError | undefined;

  constructor(settings: JournalSettings, scanned: Scanned, spare: Spare) {
    this.#settings = settings;
    this.#old = scanned.segments;
    this.#sequence = scanned.last + 1;
    this.#durable = scanned.last;
    const { host, folder, segmentBytes = SEGMENT } = settings;
    this.#segmentBytes = segmentBytes;
    this.#place = { host, folder, next: scanned.nextNumber, step: Math.min(STEP, segmentBytes), spare };
  }

  /** Of the batch that log() adds to. */
  get sequence(): number {
    return this.#sequence;
  }
  /** All batches up to this one are on the disk. */
  get durableSequence(): number {
    return this.#durable;
  }
  /** Bytes of all segments that are not dropped, about. */
  get bytes(): number {
    return this.#old.reduce((sum, { bytes }) => sum + bytes, this.#current?.end ?? 0);
  }
  /** Sequence of the last batch in the oldest segment that could go; undefined: there is only the one that is written to. */
  get oldest(): number | undefined {
    return this.#old[0]?.last;
  }

  /** Throws DISK_FULL or DISK_IO where an op's entries could not be kept. `frees`: the op makes room. */
  ready({ bytes = 0, frees = false }: { bytes?: number; frees?: boolean } = {}): void {
    if (this.#unwritten) this.#write();
    if (this.#unsynced) {
      this.#tryAgain();
      throw this.#unsynced;
    }
    const need = this.#open.length + bytes + MARGIN + (frees ? 0 : Math.min(RESERVE, this.#segmentBytes));
    if (this.#current && this.#current.room >= need) return;
    this.#segment(need).reserve(need);
  }

  /** `bytes` is copied. */
  log(owner: Owner, kind: EntryKind, bytes: Uint8Array): void {
    this.#open.add(owner, kind, bytes);
  }

  /** See Keep.settled(), of who logged nothing after this batch. Who asks for `fast` does not wait for others' fdatasync. */
  settled(durability: Durability, sequence = Number.POSITIVE_INFINITY): void | Promise<void> {
    if (durability === "durable") return this.durable(sequence);
    if (sequence < this.#sequence && !this.#unwritten) return;
    try {
      this.#write();
    } catch (error) {
      return Promise.reject(error);
    }
    if (this.#undurable.length > MOST_UNDURABLE || this.#undurableBytes > MOST_UNDURABLE_BYTES)
      this.#tryAgain();
  }

  /** Makes durable what there is; who waits is told how it went, ready() remembers it. */
  #tryAgain(): void {
    const soon = this.durable();
    if (soon) soon.catch(() => undefined);
  }

  /** The last batch that has anything in it. */
  #last(): number {
    return this.#open.isEmpty ? this.#sequence - 1 : this.#sequence;
  }

  /** Everything up to this batch, the one under way too, is on the disk when it ends; void: it is. */
  durable(wanted = Number.POSITIVE_INFINITY): void | Promise<void> {
    const sequence = Math.min(wanted, this.#last());
    if (sequence <= this.#durable) return;
    let waiter = this.#waiters.at(-1);
    if (waiter?.sequence !== sequence) {
      waiter = newWaiter(sequence);
      this.#waiters.push(waiter);
    }
    if (!this.#isFlying) void this.#fly();
    return waiter.promise;
  }

  /** Rejects nothing: who waits is told. */
  async #fly(): Promise<void> {
    this.#isFlying = true;
    while (this.#waiters.length > 0) {
      try {
        this.#write();
        const upTo = this.#sequence - 1;
        await this.#sync();
        this.#becameDurable(upTo);
      } catch (error) {
        const trouble = hostError(error, "journal of the trees");
        for (const waiter of this.#waiters.splice(0)) waiter.reject(trouble);
      }
    }
    this.#isFlying = false;
  }

  /** Into the page cache, also what failed before. Throws what the disk says. */
  #write(): void {
    if (!this.#open.isEmpty) this.#close();
    try {
      for (; this.#written < this.#undurable.length; this.#written++) {
        const written = this.#undurable[this.#written] as Sealed;
        const { sequence, bytes } = written;
        const segment = this.#segment(bytes.length);
        stampBatch(bytes, { segment: segment.number, sequence, durable: this.#durable });
        segment.append(bytes, sequence);
      }
      this.#unwritten = undefined;
    } catch (error) {
      this.#unwritten = hostError(error, "journal of the trees");
      throw this.#unwritten;
    }
  }

  /** The batch under way is over. Where one at a time is not durable its buffer is lent, where there may be many it is copied. */
  #close(): void {
    const sealed = this.#open.seal();
    const isLent = this.#spare !== undefined;
    const bytes = isLent ? sealed : sealed.slice();
    this.#undurable.push({ sequence: this.#sequence, bytes });
    this.#undurableBytes += bytes.length;
    this.#sequence += 1;
    const [open, spare] = [this.#open, this.#spare];
    if (isLent) {
      this.#open = spare as BatchWriter;
      this.#lent = open;
      this.#spare = undefined;
    } else open.clear();
  }

  async #sync(): Promise<void> {
    const current = this.#current;
    const behind = [...this.#behind];
    try {
      await Promise.all([...behind, ...(current ? [current] : [])].map((segment) => segment.sync()));
      this.#unsynced = undefined;
    } catch (error) {
      this.#unsynced = hostError(error, "journal of the trees");
      this.#startAgain();
      throw error;
    }
    for (const segment of behind) segment.close();
    this.#behind = this.#behind.filter((segment) => !behind.includes(segment));
  }

  /** What the kernel still holds of a file whose fdatasync failed cannot be known: what is not durable is written anew, to another segment. */
  #startAgain(): void {
    this.#written = 0;
    for (const segment of this.#behind) segment.close();
    this.#behind = [];
    if (this.#current) {
      this.#old.push(this.#current.facts());
      this.#current.close();
    }
    this.#current = undefined;
  }

  #becameDurable(upTo: number): void {
    this.#durable = Math.max(this.#durable, upTo);
    const done = this.#undurable.filter(({ sequence }) => sequence <= upTo);
    this.#undurable = this.#undurable.slice(done.length);
    this.#written -= done.length;
    for (const { bytes } of done) this.#undurableBytes -= bytes.length;
    if (this.#lent && this.#undurable.length === 0) this.#takeBack(this.#lent);
    const waiters = this.#waiters.filter(({ sequence }) => sequence <= upTo);
    this.#waiters = this.#waiters.filter(({ sequence }) => sequence > upTo); // they are not in the order of their batches
    this.#settings.onDurable?.(this.#durable);
    for (const waiter of waiters) waiter.resolve();
  }

  #takeBack(lent: BatchWriter): void {
    lent.clear();
    this.#spare = lent.capacity <= MOST_KEPT ? lent : new BatchWriter();
    this.#lent = undefined;
  }

  #segment(bytes: number): OpenSegment {
    const current = this.#current;
    if (current && current.end < this.#segmentBytes) return current;
    try {
      this.#current = OpenSegment.begin(this.#place, MARGIN);
    } catch (error) {
      if (current && current.room >= bytes) return current;
      throw error;
    }
    if (current) {
      this.#old.push(current.facts());
      this.#behind.push(current);
    }
    return this.#current;
  }

  /** Segments whose batches all come before this one are not needed any more. Not before that is true on the disk. */
  drop(before: number): void {
    while ((this.#old[0]?.last ?? Number.POSITIVE_INFINITY) < Math.min(before, this.#durable + 1)) {
      this.#place.spare.put((this.#old[0] as Segment).path);
      this.#old.shift();
    }
  }

  /** Everything is on the disk when it ends, if the disk lets it. */
  async close(): Promise<void> {
    try {
      await this.durable();
    } finally {
      for (const segment of this.#behind) segment.close();
      this.#current?.close();
      this.#current = undefined;
    }
  }
}

function newWaiter(sequence: number): Waiter {
  let resolve = (): void => undefined;
  let reject: Waiter["reject"] = () => undefined;
  const promise = new Promise<void>((done, fail) => {
    resolve = done;
    reject = fail;
  });
  return { sequence, promise, resolve, reject };
}

/** What is in the journal, and a journal that goes on behind it. TREE_DAMAGED: see scanJournal(). */
export async function openJournal(
  settings: JournalSettings,
): Promise<{ journal: Journal; scanned: Scanned }> {
  const { host, folder } = settings;
  const scanned = scanJournal(host, folder);
  // What a killed process had not made durable is built upon from now on.
  for (const { path } of scanned.segments) await syncFile(host, path);
  const spare = new Spare(host, folder);
  await spare.open();
  return { journal: new Journal(settings, scanned, spare), scanned };
}

async function syncFile(host: Host, path: string): Promise<void> {
  const file = host.open(path, "write");
  try {
    await file.sync("contents");
  } finally {
    file.close();
  }
}
