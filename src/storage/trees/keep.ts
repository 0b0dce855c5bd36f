// What a node's tree stands on: its journal, the files with its data, its quota.
import type { Ino } from "../../wire/nfs/tree.ts";
import type { TreeChange } from "./changes.ts";

/**
 * Data of a tree's own: one sparse file for each inode that was ever written. Sizes and maps are the tree's business: a file here has no end,
 * zeros where nothing was written. Errors are BrambleErrors: DISK_FULL, DISK_IO; a write that throws may have written a part.
 */
export interface TreeData {
  /** Fills `into`, zeros where nothing was written. A promise where it is large or cold; `into` must stay untouched until it ends. */
  read(ino: Ino, into: Uint8Array, offset: number): void | Promise<void>;
  /** After ready(). In the page cache when it returns; not on the disk before sync() has ended, or a checkpoint, or where it was logged as "data" too. */
  write(ino: Ino, from: Uint8Array, offset: number): void;
  /** After ready(). All from `size` on reads as zeros at once; it goes from the disk when the batch is durable. Journalled by itself. */
  truncate(ino: Ino, size: number): void;
  /**
   * COMMIT: what was written and truncated so far is on the disk (mode fast: in the page cache) and is not replayed any more; that is journalled by
   * itself, nobody else logs "synced". Log map and size after it has ended, then settled().
   */
  sync(ino: Ino): Promise<void>;
  /** COMMIT where nothing is to be logged: what can be read of the file is on the disk (mode fast: in the page cache), also what a process that was killed has left in it. */
  lasting(ino: Ino): void | Promise<void>;
  /** Is there anything written that neither sync() nor a "data" change has made as lasting as promised? Then a small stable write goes by sync(), too. */
  unsynced(ino: Ino): boolean;
  /** Together with the change "gone", or where no data of its own is left. The file goes when the batch is durable; until then it is still there, for the tree as it was. */
  remove(ino: Ino): void;
}

export interface TreeQuota {
  /** Bytes that the tree may have of its own (DQUOT beyond); Infinity: none was set. */
  readonly limit: number;
  /** FSSTAT, in bytes, for a tree that has `used` of its own: its quota or the host's disk, whichever is less. */
  space(used: number): { total: number; free: number };
}

/** Of one tree. Everything but sync(), settled() and large or cold reads is done when it returns. */
export interface Keep {
  /**
   * At the start of each op that changes anything. Throws DISK_FULL or DISK_IO where its changes could not be kept: the answer is NOSPC or IO and nothing
   * has changed. Throws Cold while a snapshot is made, or where the data file of `writes` must be copied first since a snapshot shares it.
   * `bytes`: of file data that the op may log. `frees`: it makes room, and is let through on a disk that is full.
   */
  ready(how?: { bytes?: number; writes?: Ino; frees?: boolean }): void;
  /** Into the batch under way: copied. What is logged between two settled() is replayed wholly or not at all. */
  log(change: TreeChange): void;
  /** Group commit of all that was logged so far; void: it is as lasting as promised already. Rejects when the disk failed: nothing of the batch may be answered; it is tried again. */
  settled(): void | Promise<void>;
  readonly data: TreeData;
  readonly quota: TreeQuota;
  /** The reply that was logged last with this key: {kind: "reply"}. */
  recall(key: string): Uint8Array | undefined;
}
