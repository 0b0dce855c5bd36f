import type { Ino } from "../../wire/nfs/tree.ts";
import type { Cut } from "./data-cut.ts";
import type { Host } from "./host.ts";
import type { Durability } from "./journal.ts";
import type { OpenFiles } from "./open-files.ts";
import { Ranges } from "./ranges.ts";

/** What the data files of a tree need of its keep. */
export interface DataSide {
  host: Host;
  files: OpenFiles;
  durability(): Durability;
  /** The tree's, and the one in it with the data files; that one is made with the first file. */
  treeFolder: string;
  folder: string;
  /** Sequence of the journal's batch under way. */
  sequence(): number;
  /** Entries that the tree has logged so far. */
  entries(): number;
  /** There is something to do for durable(). */
  waits(): void;
  logCut(ino: Ino, size: number): void;
  logSynced(synced: Synced): void;
}

/** What was logged of the inode's data up to entry `upTo` is in its file, but for what `cut` says. */
export interface Synced {
  ino: Ino;
  upTo: number;
  cut: Cut | undefined;
}

/** Data that is in the page cache and may not be on the disk: inodes, and names of their files. */
export interface Unsettled {
  hasNewNames: boolean;
  inos: Ino[];
}

/** What is special about a data file at the moment. */
export interface DataState {
  readonly ino: Ino;
  /** Written to since the last fdatasync began. */
  isDirty: boolean;
  /** Fdatasyncs under way: what was written before them is not on the disk yet. */
  syncing: Promise<unknown> | undefined;
  /** Written, and neither synced nor logged. */
  loose: Ranges;
  /** The last entry of the journal that a replay would do again to the file, and the one up to which none would be. */
  loggedAt: number;
  syncedUpTo: number;
  cut: Cut | undefined;
  /** When it was last seen to have no name but ours. */
  ownedAt: number;
  copying: Promise<void> | undefined;
  /** An fdatasync failed: what the kernel still holds cannot be known. The journal can. */
  isSuspect: boolean;
  /** Its inode is gone. */
  isGone: boolean;
}

export const newState = (ino: Ino, ownedAt: number): DataState => ({
  ino,
  isDirty: false,
  syncing: undefined,
  loose: new Ranges(),
  loggedAt: 0,
  syncedUpTo: 0,
  cut: undefined,
  ownedAt,
  copying: undefined,
  isSuspect: false,
  isGone: false,
});

/** Is something in the page cache that may not be on the disk? */
export const isVolatile = ({ isDirty, syncing }: DataState): boolean => isDirty || syncing !== undefined;

/** Is there anything special about it? */
export const isBusy = (state: DataState): boolean => {
  const { loose, cut, copying, isGone } = state;
  return isVolatile(state) || !loose.isEmpty || cut !== undefined || copying !== undefined || isGone;
};
