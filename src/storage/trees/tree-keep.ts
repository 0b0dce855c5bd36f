import { BrambleError } from "../../base/errors.ts";
import type { Ino } from "../../wire/nfs/tree.ts";
import { encodeChange, type TreeChange } from "./changes.ts";
import { Cold } from "./cold.ts";
import { Cut } from "./data-cut.ts";
import { DataFiles } from "./data-files.ts";
import type { Synced, Unsettled } from "./data-side.ts";
import { Duplicates } from "./duplicates.ts";
import type { Host } from "./host.ts";
import type { Durability, Journal } from "./journal.ts";
import { ENTRY, type EntryKind, type Owner } from "./journal-format.ts";
import type { Keep, TreeQuota } from "./keep.ts";
import type { OpenFiles } from "./open-files.ts";
import { Ranges } from "./ranges.ts";

/** What all keeps share. */
export interface KeepGround {
  host: Host;
  /** Hears of keeps whose data files have something to do when the journal is on the disk. */
  waits(keep: TreeKeep): void;
  files: OpenFiles;
  journal: Journal;
}

/** Whose keep it is, and where that has its files. */
interface KeepParts {
  owner: Owner;
  /** Asked each time: it may change while the tree is in memory. */
  durability(): Durability;
  quota: TreeQuota;
  folder: string;
  dataFolder: string;
}

/** The keep of a tree that is in memory. */
export class TreeKeep implements Keep {
  readonly owner: Owner;
  readonly data: DataFiles;
  readonly quota: TreeQuota;
  readonly duplicates = new Duplicates();
  readonly #journal: Journal;
  readonly #durability: () => Durability;
  /** Changes wait for it. */
  gate: Promise<unknown> | undefined;
  isClosed = false;
  /** The batch with the last entry of this tree, and the first one with an entry that is in no checkpoint. */
  #last = 0;
  oldest: number | undefined;
  /** The first one with an entry since the dump that is being written. */
  #sinceDump: number | undefined;

  constructor(ground: KeepGround, tree: KeepParts) {
    this.owner = tree.owner;
    this.quota = tree.quota;
    this.#journal = ground.journal;
    this.#durability = tree.durability;
    this.data = new DataFiles({
      host: ground.host,
      files: ground.files,
      durability: tree.durability,
      treeFolder: tree.folder,
      folder: tree.dataFolder,
      sequence: () => this.#journal.sequence,
      entries: () => this.owner.entries,
      waits: () => ground.waits(this),
      logCut: (ino, size) => this.#log(ENTRY.cut, encodeCut(ino, size)),
      logSynced: (synced) => this.#log(ENTRY.synced, encodeSynced(synced)),
    });
  }

  ready({ bytes, writes, frees }: { bytes?: number; writes?: Ino; frees?: boolean } = {}): void {
    this.#mustBeOpen();
    if (this.gate) throw new Cold(this.gate);
    this.#journal.ready({
      ...(bytes === undefined ? {} : { bytes }),
      ...(frees === undefined ? {} : { frees }),
    });
    const copying = writes === undefined ? undefined : this.data.own(writes);
    if (copying) throw new Cold(copying);
  }

  #mustBeOpen(): void {
    if (this.isClosed)
      throw new BrambleError("INTERNAL", `the tree of ${this.owner.id} was put away and is used on`);
  }

  log(change: TreeChange): void {
    this.#log(ENTRY.change, encodeChange(change));
    if (change.kind === "data") this.data.logged(change.ino, change.offset, change.bytes.length);
    else if (change.kind === "reply") this.duplicates.remember(change.key, change.bytes);
  }

  #log(kind: EntryKind, bytes: Uint8Array): void {
    this.#mustBeOpen();
    this.#journal.log(this.owner, kind, bytes);
    this.#last = this.#journal.sequence;
    this.oldest ??= this.#last;
    this.#sinceDump ??= this.#last;
  }

  /** The tree is in memory: without a clean checkpoint behind this entry its data files have to be looked at. */
  async logOpened(): Promise<void> {
    this.#log(ENTRY.opened, new Uint8Array(0));
    await this.durable();
  }

  /** And leaves it in good order: until it is opened again its data files are as checkpoint and journal say. */
  logClosed(closed: Closed): void {
    this.#log(ENTRY.closed, encodeClosed(closed));
  }

  get durability(): Durability {
    return this.#durability();
  }
  settled(): void | Promise<void> {
    return this.#journal.settled(this.durability, this.#last);
  }
  /** All that was changed so far is on the disk when it ends. Data first: what the journal says of it must be true. */
  async lasting(): Promise<void> {
    if (this.data.isDirty) await this.data.syncAll();
    await this.durable();
  }
  durable(): void | Promise<void> {
    return this.#journal.durable(this.#last);
  }
  recall(key: string): Uint8Array | undefined {
    return this.duplicates.recall(key);
  }

  /** What was replayed is in the journal only. */
  replayed(oldest: number | undefined): void {
    this.oldest = oldest;
  }

  /** A dump begins: what is logged from now on is not in it. */
  dumpBegins(): void {
    this.#sinceDump = undefined;
  }
  /** And is on the disk. */
  dumpEnded(entries: number): void {
    this.oldest = this.#sinceDump;
    this.data.checkpointed(entries);
  }

  close(): void {
    this.isClosed = true;
    this.data.close();
  }
}

/** How a tree left memory when the server ended. */
export interface Closed extends Unsettled {
  inodes: number;
  ownBytes: number;
}

// Entries of the keep's own: few, so their form is simple.

const encode = (value: unknown): Uint8Array => Buffer.from(JSON.stringify(value));
const decode = (bytes: Uint8Array): unknown =>
  JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString());

const encodeCut = (ino: Ino, size: number) => encode([ino, size]);
export const decodeCut = (bytes: Uint8Array) => {
  const [ino, size] = decode(bytes) as [number, number];
  return { ino, cut: new Cut(size, 0) };
};

const encodeSynced = ({ ino, upTo, cut }: Synced) =>
  encode(cut ? [ino, upTo, cut.at, cut.fresh.list().flatMap(({ from, to }) => [from, to])] : [ino, upTo]);
export function decodeSynced(bytes: Uint8Array): Synced {
  const [ino, upTo, at, list] = decode(bytes) as [number, number, number?, number[]?];
  if (at === undefined) return { ino, upTo, cut: undefined };
  const fresh = new Ranges();
  for (let i = 0; list && i < list.length; i += 2) fresh.add(list[i] as number, list[i + 1] as number);
  return { ino, upTo, cut: new Cut(at, 0, fresh) };
}

const encodeClosed = ({ inodes, ownBytes, hasNewNames, inos }: Closed) =>
  encode([inodes, ownBytes, hasNewNames, ...inos]);
export function decodeClosed(bytes: Uint8Array): Closed {
  const [inodes, ownBytes, hasNewNames, ...inos] = decode(bytes) as [number, number, boolean, ...number[]];
  return { inodes, ownBytes, hasNewNames, inos };
}
