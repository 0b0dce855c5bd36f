import type { Ino, Time } from "../../wire/nfs/tree.ts";
import { FILE_KIND } from "../../wire/nfs/tree.ts";
import { copyOf, type Inode } from "./changes.ts";
import type { Keep } from "./keep.ts";
import { FIRST_PLACE, type Lower } from "./lower.ts";
import { OWN_INO, type Upper } from "./upper.ts";

/** As ext4: more links than this to one file are refused; a directory with more folders counts them no more. */
export const MAX_LINKS = 65000;
/** Inodes that a node may have of its own: as many as ext4 has on a card of 16 GB. */
export const MAX_OWN_INODES = 1 << 20;

export interface TreeParts {
  upper: Upper;
  lower: Lower;
  keep: Keep;
  /** Strictly increasing: two changes never share a time, or a client's cache would miss one. */
  now(): Time;
}

/**
 * What all operations work on: the node's changes over the image, by inode number. Looking throws Cold; changing happens in memory and in the log at
 * once, so an operation looks at everything first and then changes without a stop.
 */
export class Ground {
  readonly upper: Upper;
  readonly lower: Lower;
  readonly keep: Keep;
  readonly now: () => Time;
  /** Inodes from here on were made since the tree was loaded. */
  readonly #fresh: Ino;
  /** Older ones whose data behind the end is known to be zeros; newer ones of which it is not. */
  readonly #trimmed = new Set<Ino>();
  readonly #failed = new Set<Ino>();

  constructor(parts: TreeParts) {
    this.upper = parts.upper;
    this.lower = parts.lower;
    this.keep = parts.keep;
    this.now = parts.now;
    this.#fresh = parts.upper.nextIno;
  }

  /** Undefined where there is none, or none any more. */
  inode(ino: Ino): Inode | undefined {
    const own = this.upper.inodes.get(ino);
    if (own !== undefined) return own ?? undefined;
    return ino < OWN_INO ? this.lower.inode(ino) : undefined;
  }

  /** 0 where there is no such name. */
  find(directory: Ino, name: string): Ino {
    const entry = this.upper.entries.get(directory)?.names.get(name);
    if (entry) return entry.ino;
    if (directory >= OWN_INO) return 0;
    const { places, inos } = this.lower.directory(directory);
    const place = places.get(name);
    return place === undefined ? 0 : (inos[place] ?? 0);
  }

  /** The directory above one. */
  parent({ ino, parent }: Inode): Ino {
    if (ino === this.lower.root) return ino;
    return parent || this.lower.parent(ino);
  }

  /** Has a directory no names in it? */
  empty(directory: Ino): boolean {
    const own = this.upper.entries.get(directory);
    if (own && own.shown > 0) return false;
    return directory >= OWN_INO || this.lower.directory(directory).names.length === (own?.hidden ?? 0);
  }

  /** Renews an inode, here and in the log. */
  put(inode: Inode): Inode {
    this.upper.set(inode);
    this.keep.log({ kind: "inode", inode: this.upper.logged(inode) });
    return inode;
  }

  /** Lets a name lead to `ino`; 0: to nothing. A name of the image keeps its place in the listing. */
  name(directory: Ino, name: string, ino: Ino): void {
    const cookie = this.#cookie(directory, name);
    this.upper.name(directory, name, ino, cookie);
    this.keep.log({ kind: "entry", directory, name, ino, cookie });
  }

  #cookie(directory: Ino, name: string): number {
    const entry = this.upper.entries.get(directory)?.names.get(name);
    if (entry) return entry.cookie;
    const place = directory < OWN_INO ? this.lower.directory(directory).places.get(name) : undefined;
    return place === undefined ? this.upper.nextCookie : place + FIRST_PLACE;
  }

  /** An inode without names goes, with its data. */
  drop(inode: Inode): void {
    const { ino } = inode;
    const untouched = ino < OWN_INO && !this.upper.inodes.has(ino);
    this.upper.drop(ino);
    this.keep.log({ kind: "gone", ino });
    if (inode.kind === FILE_KIND.file && !untouched) this.keep.data.remove(ino);
    this.#trimmed.delete(ino);
    this.#failed.delete(ino);
  }

  /** One name less. */
  unlink(inode: Inode, ctime: Time): void {
    if (inode.nlink <= 1) {
      this.drop(inode);
      return;
    }
    const after = copyOf(inode);
    after.nlink -= 1;
    after.ctime = ctime;
    this.put(after);
  }

  /**
   * May its data file hold bytes that no map speaks of? Unstable writes that a kill has cut off leave some, and writes that failed half-way: then a
   * block that is mapped first is written whole, and what lies behind the end is cut off before the file grows over it.
   */
  mayHoldRests(ino: Ino): boolean {
    return ino < this.#fresh || this.#failed.has(ino);
  }
  mayHoldRestsBehind(ino: Ino): boolean {
    return this.#failed.has(ino) || (ino < this.#fresh && !this.#trimmed.has(ino));
  }
  trimmed(ino: Ino): void {
    this.#trimmed.add(ino);
  }
  writeFailed(ino: Ino): void {
    this.#failed.add(ino);
  }
}
