// The journal of all trees, in bytes. A segment is batches one after the other, each on a multiple of 8; numbers are little endian.
// Batch: "BRT1", length of the body u32, crc32c u32 of all that follows, segment u32, sequence u64, `durable` u64, body.
// Body: runs. Run: length u32 of what follows, first entry u64, incarnation u64, id (u8 length), entries. Entry: kind u8, length u32, bytes.

import { crc32c } from "../../base/crc32c.ts";
import { BrambleError } from "../../base/errors.ts";
import { latin1, toLatin1 } from "../../base/text.ts";

const MAGIC = 0x31545242;
const HEADER = 32;
const ALIGN = 8;
const CRC_FROM = 12;

/** What an entry of the journal is: a TreeChange, or what the keep of a tree tells itself. */
export const ENTRY = { change: 1, synced: 2, cut: 3, opened: 4, closed: 5 } as const;
export type EntryKind = (typeof ENTRY)[keyof typeof ENTRY];
const MOST_KIND = ENTRY.closed;

/** Whose entries they are. */
export interface Owner {
  readonly id: string;
  /** Another one after each reset and rollback: older entries are nobody's. */
  readonly incarnation: number;
  /** Entries that were ever logged: the number of the last one. */
  entries: number;
}

/** A batch under way. Its buffer grows and is used again. */
export class BatchWriter {
  #bytes: Uint8Array<ArrayBuffer>;
  #view: DataView;
  #at = HEADER;
  #run: { owner: Owner; at: number } | undefined;

  constructor(capacity = 64 * 1024) {
    this.#bytes = new Uint8Array(capacity);
    this.#view = new DataView(this.#bytes.buffer);
  }

  get isEmpty(): boolean {
    return this.#at === HEADER;
  }
  get length(): number {
    return this.#at;
  }
  get capacity(): number {
    return this.#bytes.length;
  }

  add(owner: Owner, kind: EntryKind, bytes: Uint8Array): void {
    if (this.#run?.owner !== owner) this.#begin(owner);
    owner.entries += 1;
    const at = this.#room(5 + bytes.length);
    this.#view.setUint8(at, kind);
    this.#view.setUint32(at + 1, bytes.length, true);
    this.#bytes.set(bytes, at + 5);
  }

  #begin(owner: Owner): void {
    this.#endRun();
    const id = toLatin1(owner.id);
    const at = this.#room(21 + id.length);
    this.#run = { owner, at };
    put64(this.#view, at + 4, owner.entries + 1);
    put64(this.#view, at + 12, owner.incarnation);
    this.#view.setUint8(at + 20, id.length);
    this.#bytes.set(id, at + 21);
  }
  #endRun(): void {
    if (this.#run) this.#view.setUint32(this.#run.at, this.#at - this.#run.at - 4, true);
    this.#run = undefined;
  }

  /** The batch, but for its stamp: a window on the buffer. */
  seal(): Uint8Array {
    this.#endRun();
    this.#view.setUint32(0, MAGIC, true);
    this.#view.setUint32(4, this.#at - HEADER, true);
    while (this.#at % ALIGN !== 0) this.#bytes[this.#room(1)] = 0;
    return this.#bytes.subarray(0, this.#at);
  }

  clear(): void {
    this.#at = HEADER;
    this.#run = undefined;
  }

  #room(bytes: number): number {
    const at = this.#at;
    this.#at += bytes;
    if (this.#at + ALIGN > this.#bytes.length) {
      const more = new Uint8Array(Math.max(this.#at + ALIGN, this.#bytes.length * 2));
      more.set(this.#bytes);
      this.#bytes = more;
      this.#view = new DataView(more.buffer);
    }
    return at;
  }
}

/** Makes a sealed batch one of this segment; may be done again for another one. */
export function stampBatch(
  bytes: Uint8Array,
  { segment, sequence, durable }: { segment: number; sequence: number; durable: number },
): void {
  const view = viewOf(bytes);
  const body = view.getUint32(4, true);
  view.setUint32(12, segment, true);
  put64(view, 16, sequence);
  put64(view, 24, durable);
  view.setUint32(8, crc32c(bytes.subarray(CRC_FROM, HEADER + body), body), true);
}

export interface Batch {
  sequence: number;
  /** All batches up to this one were on the disk when this one was written. */
  durable: number;
  /** Where its body is; behind it, the next one may begin at `next`. */
  from: number;
  to: number;
  next: number;
}

/** The batch that begins at `at` in a segment; undefined: there is no whole one. */
export function readBatch(bytes: Uint8Array, at: number, segment: number): Batch | undefined {
  if (at + HEADER > bytes.length) return undefined;
  const view = viewOf(bytes);
  if (view.getUint32(at, true) !== MAGIC || view.getUint32(at + 12, true) !== segment) return undefined;
  const body = view.getUint32(at + 4, true);
  const to = at + HEADER + body;
  if (body === 0 || to > bytes.length) return undefined;
  if (crc32c(bytes.subarray(at + CRC_FROM, to), body) !== view.getUint32(at + 8, true)) return undefined;
  return {
    sequence: get64(view, at + 16),
    durable: get64(view, at + 24),
    from: at + HEADER,
    to,
    next: to + ((ALIGN - (to % ALIGN)) % ALIGN),
  };
}

/** Where a batch that is whole begins, at `from` or behind it. */
export function findBatch(
  bytes: Uint8Array,
  from: number,
  segment: number,
): { at: number; batch: Batch } | undefined {
  for (let at = from + ((ALIGN - (from % ALIGN)) % ALIGN); at + HEADER <= bytes.length; at += ALIGN) {
    const batch = readBatch(bytes, at, segment);
    if (batch) return { at, batch };
  }
  return undefined;
}

export interface Run {
  id: string;
  incarnation: number;
  /** Number of its first entry. */
  first: number;
  /** Where its entries are. */
  from: number;
  to: number;
}

const broken = (at: number, why: string) =>
  new BrambleError("TREE_DAMAGED", `journal of the trees: ${why} at byte ${at}`);

/** The runs of a batch. TREE_DAMAGED where its body, though its checksum fits, is none that BatchWriter made. */
export function* runsOf(bytes: Uint8Array, { from, to }: { from: number; to: number }): Generator<Run> {
  const view = viewOf(bytes);
  for (let at = from; at < to; ) {
    const end = at + 25 <= to ? at + 4 + view.getUint32(at, true) : Number.POSITIVE_INFINITY;
    if (end > to) throw broken(at, "a run that is longer than its batch");
    const idEnd = at + 21 + view.getUint8(at + 20);
    if (idEnd > end) throw broken(at, "a name that is longer than its run");
    const id = latin1(bytes.subarray(at + 21, idEnd));
    yield { id, first: get64(view, at + 4), incarnation: get64(view, at + 12), from: idEnd, to: end };
    at = end;
  }
}

/** The entries of a run: windows on `bytes`. */
export function* entriesOf(
  bytes: Uint8Array,
  { from, to }: { from: number; to: number },
): Generator<{ kind: EntryKind; bytes: Uint8Array }> {
  const view = viewOf(bytes);
  for (let at = from; at < to; ) {
    const end = at + 5 <= to ? at + 5 + view.getUint32(at + 1, true) : Number.POSITIVE_INFINITY;
    const kind = view.getUint8(at);
    if (end > to || kind < 1 || kind > MOST_KIND) throw broken(at, "an entry that cannot be");
    yield { kind: kind as EntryKind, bytes: bytes.subarray(at + 5, end) };
    at = end;
  }
}

const viewOf = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

function put64(view: DataView, at: number, value: number): void {
  view.setUint32(at, value % 2 ** 32, true);
  view.setUint32(at + 4, Math.floor(value / 2 ** 32), true);
}
const get64 = (view: DataView, at: number): number =>
  view.getUint32(at, true) + view.getUint32(at + 4, true) * 2 ** 32;
