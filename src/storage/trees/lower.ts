// The lower layer of trees: an image's file system read where it lies, shared by all nodes of the image.
import type { Ino } from "../../wire/nfs/tree.ts";
import type { Inode } from "./changes.ts";

/** A directory of the image. The place of an entry never changes. */
export interface LowerDirectory {
  /** Name → place. */
  readonly places: ReadonlyMap<string, number>;
  readonly names: readonly string[];
  readonly inos: readonly Ino[];
}

/**
 * What is in memory is given at once; what is not makes inode(), directory() and parent() throw Cold, and read() give a promise. Errors are
 * BrambleErrors: DISK_IO, FORMAT_VALUE for a damaged image.
 */
export interface Lower {
  readonly root: Ino;
  /** Bytes that the image's files take. */
  readonly usedBytes: number;
  readonly inodes: number;
  /** Undefined where there is no such inode. */
  inode(ino: Ino): Inode | undefined;
  /** `ino` must be a directory. */
  directory(ino: Ino): LowerDirectory;
  /** What ".." of a directory leads to. */
  parent(ino: Ino): Ino;
  /** Loads inodes that are not in memory. */
  warm(inos: readonly Ino[]): Promise<void>;
  /** Bytes of a regular file, all before its end. `into` must stay untouched until it ends. */
  read(ino: Ino, into: Uint8Array, offset: number): void | Promise<void>;
  /** As getxattr() shows them. */
  xattrs(ino: Ino): Promise<Map<string, Uint8Array>>;
}

/** So many inodes are loaded at once for a listing that needs one of them: no lower layer holds fewer. */
export const AHEAD = 512;

/** By cookie: "." is 1, ".." is 2. */
export const FIRST_PLACE = 3;
