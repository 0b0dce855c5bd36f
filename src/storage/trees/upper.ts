// What a node has changed in its tree, in memory: inodes, names, maps of own data. Knows nothing of the image below.
import { BrambleError } from "../../base/errors.ts";
import { FILE_KIND, type Ino } from "../../wire/nfs/tree.ts";
import { BLOCK, copyOf, type Inode, type TreeChange } from "./changes.ts";
import { Blocks } from "./upper-blocks.ts";
import { Entries, OWN_COOKIE } from "./upper-entries.ts";

/** Inodes of the image are below. */
export const OWN_INO = 2 ** 32;
/**
 * The first own one. Clients that have 32 bits for a number (nfs.enable_ino64=0, for old 32-bit programs) fold the upper half into the lower one: from
 * here on that meets no inode of the image, so that no two files look like one.
 */
const FIRST_INO = OWN_INO + 2 ** 31;

/** What was written to a file and is not in the log yet: unstable writes before their COMMIT. */
export interface Pending {
  /** As the log has it. */
  size: number;
  /** Blocks that were mapped and not logged. */
  readonly blocks: Blocks;
  /** Written to since the last sync() began. */
  dirty: boolean;
  /** Syncs under way: what each will log. */
  readonly flights: Flight[];
}

export interface Flight {
  size: number;
  readonly blocks: Blocks;
  ended: Promise<void>;
}

/**
 * A tree's changes. Changed by the tree only, in step with what it logs; filled by apply() at load. What dump() gives and what was logged after it
 * make an equal one, but for what is pending: that is lost, as its writer was told.
 */
export class Upper {
  /** null: an inode of the image that is gone. */
  readonly inodes = new Map<Ino, Inode | null>();
  readonly entries = new Map<Ino, Entries>();
  readonly maps = new Map<Ino, Blocks>();
  readonly pending = new Map<Ino, Pending>();
  nextIno = FIRST_INO;
  nextCookie = OWN_COOKIE;
  #blocks = 0;
  #names = 0;
  #pieces = 0;

  /** Bytes of own data: what a quota counts. */
  get ownBytes(): number {
    return this.#blocks * BLOCK;
  }

  /** Bytes of memory it takes, about (measured with V8's heap: 340 for an inode, 150 for a name, 16 for a run of blocks). */
  get memory(): number {
    return this.inodes.size * 340 + this.#names * 150 + this.#pieces * 16 + this.maps.size * 100;
  }

  set(inode: Inode): void {
    this.inodes.set(inode.ino, inode);
  }

  /** Its data and, of a directory, its names go with it. */
  drop(ino: Ino): void {
    this.cut(ino, 0);
    this.maps.delete(ino);
    this.pending.delete(ino);
    const entries = this.entries.get(ino);
    if (entries) {
      this.#names -= entries.names.size;
      this.entries.delete(ino);
    }
    if (ino < OWN_INO) this.inodes.set(ino, null);
    else this.inodes.delete(ino);
  }

  name(directory: Ino, name: string, ino: Ino, cookie: number): void {
    let entries = this.entries.get(directory);
    if (!entries) {
      entries = new Entries();
      this.entries.set(directory, entries);
    }
    const before = entries.names.size;
    entries.set(name, ino, cookie);
    this.#names += entries.names.size - before;
    if (cookie >= this.nextCookie) this.nextCookie = cookie + 1;
  }

  /** Blocks `from` to before `to` are own data now. The record of the inode is the caller's to renew: see count(). */
  map(ino: Ino, from: number, to: number): void {
    let blocks = this.maps.get(ino);
    if (!blocks) {
      blocks = new Blocks();
      this.maps.set(ino, blocks);
    }
    const pieces = blocks.pieces;
    this.#blocks += blocks.add(from, to);
    this.#pieces += blocks.pieces - pieces;
  }

  /** Own blocks from `from` on are dropped, also from what is pending. */
  cut(ino: Ino, from: number): void {
    const blocks = this.maps.get(ino);
    if (!blocks) return;
    const pieces = blocks.pieces;
    this.#blocks -= blocks.cut(from);
    this.#pieces += blocks.pieces - pieces;
    const pending = this.pending.get(ino);
    if (!pending) return;
    pending.blocks.cut(from);
    for (const flight of pending.flights) flight.blocks.cut(from);
  }

  /** Sets `blocks` and `used` of a file that is about to have this limit. */
  count(file: ReturnType<typeof copyOf>): void {
    const map = this.maps.get(file.ino);
    const visible = roundUp(file.limit);
    file.blocks = map ? map.count : 0;
    const own = file.blocks * BLOCK;
    if (!map || visible === 0) file.used = own + Math.min(file.imageUsed, visible);
    else {
      const covered = own - map.within(visible / BLOCK, Number.POSITIVE_INFINITY) * BLOCK;
      file.used = own + Math.max(0, Math.min(file.imageUsed, visible - covered));
    }
  }

  /** The record as the log may have it now: without what is pending. */
  logged(inode: Inode): Inode {
    const pending = this.pending.get(inode.ino);
    if (!pending) return inode;
    const logged = copyOf(inode);
    logged.size = pending.size;
    return logged;
  }

  /** One change of the log, in its order. Data and replies are not kept here. */
  apply(change: TreeChange): void {
    switch (change.kind) {
      case "inode": {
        const { inode } = change;
        this.cut(inode.ino, Math.ceil(inode.size / BLOCK));
        this.#renew(inode);
        if (inode.ino >= this.nextIno) this.nextIno = inode.ino + 1;
        return;
      }
      case "gone":
        this.drop(change.ino);
        return;
      case "entry":
        this.name(change.directory, change.name, change.ino, change.cookie);
        return;
      case "mapped": {
        const inode = this.inodes.get(change.ino);
        if (!inode)
          throw new BrambleError("FORMAT_VALUE", `tree: data of inode ${change.ino}, which is not there`);
        this.map(change.ino, change.from, change.to);
        this.#renew(inode);
        return;
      }
      case "next":
        this.nextIno = Math.max(this.nextIno, change.ino);
        this.nextCookie = Math.max(this.nextCookie, change.cookie);
        return;
      case "data":
      case "reply":
    }
  }

  #renew(inode: Inode): void {
    const renewed = copyOf(inode);
    if (inode.kind === FILE_KIND.file) this.count(renewed);
    else renewed.used = inode.imageUsed;
    this.set(renewed);
  }

  /** Everything, for a checkpoint; what is pending is left out. It must not change in between. */
  *dump(): Generator<TreeChange> {
    yield { kind: "next", ino: this.nextIno, cookie: this.nextCookie };
    for (const [ino, inode] of this.inodes) {
      if (!inode) {
        yield { kind: "gone", ino };
        continue;
      }
      yield { kind: "inode", inode: this.logged(inode) };
      const map = this.maps.get(ino);
      if (!map) continue;
      const pending = this.pending.get(ino);
      const kept = pending ? new Blocks(map) : map;
      if (pending) kept.removeAll(pending.blocks);
      for (const [from, to] of kept.runs()) yield { kind: "mapped", ino, from, to };
    }
    for (const [directory, { names }] of this.entries)
      for (const { name, ino, cookie } of names.values())
        yield { kind: "entry", directory, name, ino, cookie };
  }
}

const roundUp = (bytes: number): number => Math.ceil(bytes / BLOCK) * BLOCK;
