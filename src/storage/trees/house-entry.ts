import type { BrambleError } from "../../base/errors.ts";
import { readHeader } from "./checkpoint.ts";
import type { Host } from "./host.ts";
import type { Durability } from "./journal.ts";
import type { KeptRun } from "./journal-scan.ts";
import { closedBy } from "./replay.ts";
import { checkpointPath, treeFolder } from "./tree-folder.ts";
import type { Hot, HouseTree, TreeStand } from "./tree-hot.ts";
import type { Closed } from "./tree-keep.ts";

export interface HouseSettings<T extends HouseTree> {
  host: Host;
  /** Of all trees. Nobody else uses it: the data folder's lock. */
  folder: string;
  /** Of trees that have none of their own. */
  durability: Durability;
  build(stand: TreeStand): T | Promise<T>;
  /** Milliseconds since 1970, for people. */
  nowMs(): number;
  /** What failed where nobody asked. It is tried again. */
  trouble(error: BrambleError): void;
  segmentBytes?: number;
  /** Descriptors of data files. */
  mostOpen?: number;
}

/** What is known of a tree. */
export interface TreeFacts {
  id: string;
  /** sha256 of the image that it stands on. */
  image: string;
  quota?: number;
  /** Bytes of its own. */
  ownBytes: number;
  /** Inodes of its own, or changed. */
  inodes: number;
  /** Another one after each reset and rollback. */
  generation: number;
  isInMemory: boolean;
  durability: Durability;
}

/** A tree that the house knows. */
export interface Entry<T extends HouseTree> {
  readonly id: string;
  durability: Durability;
  hot: Hot<T> | undefined;
  /** Verbs, one after the other. */
  turn: Promise<unknown>;
  /** A verb is at work that changes what `hot` is. */
  isChanging: boolean;
  isRemoved: boolean;
  /** What the journal had of it when the house was opened, and nobody has read yet. */
  runs: readonly KeptRun[];
  /** How it was closed before the house was opened; undefined: nobody has looked. */
  closed: Closed | "not" | undefined;
  usedAt: number;
}

/** Sequence of the first batch with something of the tree that is in no checkpoint. */
export const oldestOf = <T extends HouseTree>({ hot, runs }: Entry<T>): number | undefined =>
  hot ? hot.keep.oldest : runs[0]?.sequence;

export const NO_RUNS: readonly KeptRun[] = [];

export const newEntry = <T extends HouseTree>(id: string, durability: Durability): Entry<T> => ({
  id,
  durability,
  hot: undefined,
  turn: Promise.resolve(),
  isChanging: false,
  isRemoved: false,
  runs: NO_RUNS,
  closed: undefined,
  usedAt: 0,
});

/** What is known of a tree, also of one that is not in memory: as it was when it left, or (after a kill) when it was written down last. */
export function factsOf<T extends HouseTree>(
  { host, trees }: { host: Host; trees: string },
  entry: Entry<T>,
): TreeFacts {
  const { id, hot, runs, durability } = entry;
  const header = hot?.header ?? readHeader(host, checkpointPath(treeFolder(trees, id)));
  if (!hot && runs.length > 0) {
    const own = runs.filter(({ incarnation }) => incarnation === header.incarnation);
    entry.closed ??= closedBy(host, trees, own) ?? "not";
  }
  const closed = hot || runs.length === 0 || entry.closed === "not" ? undefined : entry.closed;
  const { image, quota, generation } = header;
  const { inodes, ownBytes } = hot
    ? { inodes: hot.upper.inodes.size, ownBytes: hot.upper.ownBytes }
    : (closed ?? header);
  return {
    id,
    image,
    ...(quota === undefined ? {} : { quota }),
    ownBytes,
    inodes,
    generation,
    isInMemory: hot !== undefined,
    durability,
  };
}
