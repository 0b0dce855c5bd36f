import { BrambleError } from "../../base/errors.ts";
import type { Ino } from "../../wire/nfs/tree.ts";
import { decodeChange, type TreeChange } from "./changes.ts";
import type { DataFiles } from "./data-files.ts";
import type { Synced } from "./data-side.ts";
import type { Host, TreeFile } from "./host.ts";
import { ENTRY, type EntryKind, entriesOf, type Owner } from "./journal-format.ts";
import { type KeptRun, segmentPath } from "./journal-scan.ts";
import { type Closed, decodeClosed, decodeCut, decodeSynced } from "./tree-keep.ts";

/** Where the entries of one tree are, and from where on they count. */
export interface Replay {
  host: Host;
  /** Of the journal. */
  folder: string;
  /** Its entries so far are in the checkpoint; the others are counted as they are done again. */
  owner: Owner;
  runs: readonly KeptRun[];
}

/** So many entries are done without a stop: other trees want to be served. */
const MOST_AT_ONCE = 256;

interface Entry {
  number: number;
  kind: EntryKind;
  bytes: Uint8Array;
}

/**
 * Does again what the journal has of a tree and its checkpoint has not. TREE_DAMAGED where entries are missing in between. Gives how the tree was
 * closed, if that was the last thing that happened to it.
 */
export async function replay(
  from: Replay,
  data: DataFiles,
  apply: (change: TreeChange) => void,
): Promise<Closed | undefined> {
  let closed: Closed | undefined;
  const synced = new Map<Ino, Synced & { number: number }>();
  const { owner } = from;
  const after = owner.entries;
  for (const { number, kind, bytes } of entries(from, after))
    if (kind === ENTRY.synced) {
      const one = decodeSynced(bytes);
      synced.set(one.ino, { ...one, number });
    }
  for (const { ino, cut, number } of synced.values()) if (cut) await data.redoCut(ino, cut, number);
  const isDue = (ino: Ino, number: number) => number > (synced.get(ino)?.upTo ?? 0);
  for (const { number, kind, bytes } of entries(from, after)) {
    owner.entries = number;
    closed = kind === ENTRY.closed ? decodeClosed(bytes) : undefined;
    if (number % MOST_AT_ONCE === 0) await new Promise((next) => setImmediate(next));
    if (kind === ENTRY.cut) {
      const { ino, cut } = decodeCut(bytes);
      if (isDue(ino, number)) await data.redoCut(ino, cut);
    } else if (kind === ENTRY.change) {
      const change = decodeChange(bytes);
      if (change.kind !== "data") apply(change);
      else if (isDue(change.ino, number)) await data.redoWrite(change.ino, change.bytes, change.offset);
    }
  }
  return closed;
}

/** How a tree that nobody has opened since was closed; undefined: it was not. `runs`: what the journal has of it. */
export function closedBy(host: Host, folder: string, runs: readonly KeptRun[]): Closed | undefined {
  const run = runs.at(-1);
  if (!run) return undefined;
  const reader = new RunReader(host, folder, [run]);
  try {
    let closed: Closed | undefined;
    for (const { kind, bytes } of entriesOf(reader.read(run), { from: 0, to: run.to - run.from }))
      closed = kind === ENTRY.closed ? decodeClosed(bytes) : undefined;
    return closed;
  } finally {
    reader.close();
  }
}

function* entries({ host, folder, owner, runs }: Replay, after: number): Generator<Entry> {
  const { id, incarnation } = owner;
  const reader = new RunReader(host, folder, runs);
  let expected = after + 1;
  try {
    for (const run of runs) {
      if (run.incarnation !== incarnation) continue;
      if (run.first > expected)
        throw new BrambleError(
          "TREE_DAMAGED",
          `the journal lacks entries ${expected} to ${run.first - 1} of the tree of ${id}`,
          {
            hint: "put all files of trees/ back from one copy; without one, reset the node or roll it back to a snapshot",
          },
        );
      let number = run.first;
      for (const entry of entriesOf(reader.read(run), { from: 0, to: run.to - run.from })) {
        if (number >= expected) yield { number, ...entry };
        number += 1;
      }
      expected = Math.max(expected, number);
    }
  } finally {
    reader.close();
  }
}

const WINDOW = 256 * 1024;

/** Reads runs in order: neighbours come with one read, and nothing behind the last one of their segment. */
class RunReader {
  readonly #host: Host;
  readonly #folder: string;
  readonly #ends: ReadonlyMap<number, number>;
  #file: { segment: number; file: TreeFile } | undefined;
  #window = { from: 0, bytes: new Uint8Array(0) };

  constructor(host: Host, folder: string, runs: readonly KeptRun[]) {
    this.#host = host;
    this.#folder = folder;
    this.#ends = new Map(runs.map(({ segment, to }) => [segment, to]));
  }

  read({ segment, from, to }: KeptRun): Uint8Array {
    if (this.#file?.segment !== segment) {
      this.close();
      this.#file = { segment, file: this.#host.open(segmentPath(this.#folder, segment), "read") };
    }
    if (from < this.#window.from || to > this.#window.from + this.#window.bytes.length) {
      const end = Math.max(to, Math.min(from + WINDOW, this.#ends.get(segment) ?? to));
      this.#window = { from, bytes: new Uint8Array(end - from) };
      this.#file.file.read(this.#window.bytes, from);
    }
    return this.#window.bytes.subarray(from - this.#window.from, to - this.#window.from);
  }

  close(): void {
    this.#file?.file.close();
    this.#file = undefined;
    this.#window = { from: 0, bytes: new Uint8Array(0) };
  }
}
