import { BrambleError } from "../../base/errors.ts";
import { latin1, toLatin1 } from "../../base/text.ts";
import type { HostFile, OpenHostFile } from "./host-file.ts";

/** A cluster's whole new state. */
export interface JournalRecord {
  cluster: number;
  host: number;
  alloc: number;
  zero: number;
}

const MAGIC = "BRJ1";
const HEADER = 64;
const RECORD = 16;
/** Room is taken ahead, so that a full disk is met by the write and not by the reply to it. */
const STEP = 16 * 1024;
const BUFFER = 64 * 1024;
export const MOST_RESERVED = BUFFER / RECORD / 2;

/**
 * The mappings that are acknowledged and not committed, in the host's page cache: they outlive our process, not the host.
 * Two files take turns: a commit switches, and drops the old one when it has ended. A header has the host's boot id:
 * after a reboot the records are worth nothing, for the data they point at may not have reached the disk.
 */
export class Journal {
  readonly #files: [HostFile, HostFile];
  readonly #bootId: string;
  readonly #ends: [number, number] = [0, 0];
  readonly #rooms: [number, number] = [0, 0];
  readonly #buffer = new Uint8Array(BUFFER);
  readonly #view = new DataView(this.#buffer.buffer);
  #filled = 0;
  #current: 0 | 1 = 0;
  #sequence: number;

  constructor(files: [HostFile, HostFile], bootId: string, sequence: number) {
    this.#files = files;
    this.#bootId = bootId;
    this.#sequence = sequence;
  }

  /** Bytes waiting for write(). */
  get pending(): number {
    return this.#filled;
  }

  /** Room for `count` records more, at most MOST_RESERVED; DISK_FULL where there is none: before anything has changed. */
  reserve(count: number): void {
    if (this.#filled + count * RECORD > BUFFER) this.write();
    const i = this.#current;
    if (this.#ends[i] === 0) this.#start(i);
    const need = this.#ends[i] + this.#filled + count * RECORD;
    while (this.#rooms[i] < need) {
      this.#files[i].write(new Uint8Array(STEP), this.#rooms[i]);
      this.#rooms[i] += STEP;
    }
  }

  /** After reserve(). */
  add(cluster: number, host: number, alloc: number, zero: number): void {
    const at = this.#filled;
    this.#view.setUint32(at, cluster, true);
    this.#view.setUint32(at + 4, host, true);
    this.#view.setUint32(at + 8, alloc, true);
    this.#view.setUint32(at + 12, zero, true);
    this.#filled = at + RECORD;
  }

  /** Into the page cache: one write(2), before the replies leave. */
  write(): void {
    if (this.#filled === 0) return;
    const i = this.#current;
    this.#files[i].write(this.#buffer.subarray(0, this.#filled), this.#ends[i]);
    this.#ends[i] += this.#filled;
    this.#filled = 0;
  }

  /** A commit takes all records so far: new ones go to the other file, unless that still holds those of a commit that failed. */
  switch(): () => void {
    this.write();
    const old = this.#current;
    const other = old === 0 ? 1 : 0;
    if (this.#ends[other] !== 0) return () => this.#drop(other);
    if (this.#ends[old] === 0) return () => undefined;
    this.#current = other;
    return () => this.#drop(old);
  }

  /** All that it spoke of is committed, or of a file that is gone. */
  clear(): void {
    this.#filled = 0;
    for (const i of [0, 1] as const) this.#drop(i);
  }

  #start(i: 0 | 1): void {
    const header = new Uint8Array(STEP);
    header.set(toLatin1(MAGIC));
    new DataView(header.buffer).setUint32(4, this.#sequence, true);
    header.set(toLatin1(this.#bootId).subarray(0, HEADER - 8), 8);
    this.#files[i].truncate(0);
    this.#files[i].write(header, 0);
    this.#sequence += 1;
    this.#ends[i] = HEADER;
    this.#rooms[i] = STEP;
  }

  #drop(i: 0 | 1): void {
    this.#files[i].truncate(0);
    this.#ends[i] = 0;
    this.#rooms[i] = 0;
  }

  close(how: { keep: boolean }): void {
    for (const file of this.#files) {
      if (!how.keep) file.remove();
      file.close();
    }
  }
}

interface Half {
  file: HostFile;
  sequence: number;
  records: JournalRecord[];
}

function readHalf(file: HostFile, bootId: string): Half {
  const bytes = new Uint8Array(file.size());
  file.read(bytes, 0);
  const half: Half = { file, sequence: 0, records: [] };
  if (bytes.length < HEADER || latin1(bytes.subarray(0, 4)) !== MAGIC) return half;
  const id = latin1(bytes.subarray(8, HEADER)).replace(/\0+$/, "");
  if (id !== bootId || id === "") return half;
  const view = new DataView(bytes.buffer);
  half.sequence = view.getUint32(4, true);
  for (let at = HEADER; at + RECORD <= bytes.length; at += RECORD) {
    const [cluster, host, alloc, zero] = [0, 4, 8, 12].map((k) => view.getUint32(at + k, true)) as [
      number,
      number,
      number,
      number,
    ];
    if ((cluster | host | alloc | zero) === 0) break; // room that was never used
    half.records.push({ cluster, host, alloc, zero });
  }
  return half;
}

/** The records of this boot of the host, oldest first. */
export function readJournal(files: readonly HostFile[], bootId: string) {
  const halves = files.map((file) => readHalf(file, bootId)).sort((a, b) => a.sequence - b.sequence);
  return {
    records: halves.flatMap((half) => half.records),
    sequence: Math.max(0, ...halves.map((half) => half.sequence)) + 1,
  };
}

const journalPath = (clone: string, half: string) => `${clone}.j${half}`;

/** The two files beside a clone; made where they are missing. A read-only clone has none of its own making. */
export function openJournalFiles(clone: string, open: OpenHostFile, write: boolean): HostFile[] {
  const files: HostFile[] = [];
  for (const half of ["a", "b"]) {
    try {
      files.push(open(journalPath(clone, half), write ? "create" : "read"));
    } catch (error) {
      if (!write && error instanceof BrambleError && error.code === "FILE_UNKNOWN") continue;
      for (const file of files) file.close();
      throw error;
    }
  }
  return files;
}
