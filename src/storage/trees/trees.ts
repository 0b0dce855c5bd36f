import { performance } from "node:perf_hooks";
import type { BrambleError } from "../../base/errors.ts";
import type { Time } from "../../wire/nfs/tree.ts";
import { makeLasting, setDurability } from "./durability.ts";
import { theHost } from "./host.ts";
import type { TreeFacts } from "./house-entry.ts";
import type { KeepingLimits } from "./housekeeping.ts";
import type { Durability } from "./journal.ts";
import type { CutTail } from "./journal-scan.ts";
import type { Lower } from "./lower.ts";
import { NodeTree } from "./node-tree.ts";
import { openHouse } from "./open-house.ts";
import type { TreeSnapshot } from "./snapshots.ts";
import type { NewTree } from "./tree-folder.ts";

interface TreesOptions {
  /** Of all trees; nobody else may use it: the data folder's lock. Made where there is none. */
  folder: string;
  /** Of trees that have none of their own. */
  durability: Durability;
  /** The image of that sha256; shared by all trees that stand on it. */
  openLower(sha256: string): Promise<Lower>;
  /** What failed where nobody asked, and what a tree answered IO for. */
  trouble(error: BrambleError): void;
  limits?: Partial<KeepingLimits>;
}

/** All trees of a server, by the ids of their nodes. Errors: CLONE_UNKNOWN where a node has none, TREE_DAMAGED, DISK_FULL, DISK_IO. */
export interface Trees {
  /** Where the journal was cut off by what ended the last run, if it was: nothing of that was promised. */
  readonly cut: CutTail | undefined;
  ids(): string[];
  /** A tree with nothing of its own; BAD_INPUT where there is one. */
  create(tree: NewTree): Promise<void>;
  /** With its snapshots; nothing where there is none. */
  remove(id: string): Promise<void>;
  /** As the image is, or as another one; snapshots stay unless they are to go. */
  reset(id: string, how?: { image?: string; dropSnapshots?: boolean }): Promise<void>;
  /** At once where it is in memory. The same object until it is reset, rolled back, removed or put away: ask for each use. */
  tree(id: string): NodeTree | Promise<NodeTree>;
  snapshot(id: string, name: string): Promise<void>;
  snapshots(id: string): TreeSnapshot[];
  /** Handles of before are stale: see facts().generation. SNAPSHOT_UNKNOWN. */
  rollback(id: string, name: string): Promise<{ image: string }>;
  removeSnapshot(id: string, name: string): Promise<void>;
  facts(id: string): TreeFacts;
  setQuota(id: string, bytes: number | undefined): Promise<void>;
  /** From now on, until all are closed; undefined: as the others have it. Nothing is loaded for it; nothing where there is none. */
  setDurability(id: string, durability: Durability | undefined): Promise<void>;
  /** What was answered so far is on the disk when it ends, whatever the tree's mode. */
  makeLasting(id: string): Promise<void>;
  /** Everything that is in memory is written down, and the journal is short. */
  checkpoint(): Promise<void>;
  close(): Promise<void>;
}

/** Trees in a folder. TREE_DAMAGED where their journal is broken in a place that was on the disk; the hint says what to do. */
export async function openTrees(options: TreesOptions): Promise<Trees> {
  const { folder, durability, openLower, trouble, limits } = options;
  const now = steadyTime();
  const { house, close } = await openHouse<NodeTree>(
    {
      host: theHost,
      folder,
      durability,
      trouble,
      nowMs: () => Date.now(),
      build: async ({ image, upper, keep }) =>
        new NodeTree({ upper, keep, now, trouble, lower: await openLower(image) }),
    },
    limits ? { limits } : {},
  );
  return {
    cut: house.cut,
    ids: () => house.ids(),
    create: (tree) => house.create(tree),
    remove: (id) => house.remove(id),
    reset: (id, how) => house.reset(id, how),
    tree: (id) => house.tree(id),
    snapshot: (id, name) => house.snapshot(id, name),
    snapshots: (id) => house.snapshots(id),
    rollback: (id, name) => house.rollback(id, name),
    removeSnapshot: (id, name) => house.removeSnapshot(id, name),
    facts: (id) => house.facts(id),
    setQuota: (id, bytes) => house.setQuota(id, bytes),
    setDurability: (id, durability) => setDurability(house, id, durability),
    makeLasting: (id) => makeLasting(house, id),
    checkpoint: () => house.checkpointAll(),
    close,
  };
}

/** The time of day, later at each call. */
function steadyTime(): () => Time {
  let last = { s: 0, ns: 0 };
  return () => {
    const ms = performance.timeOrigin + performance.now();
    const s = Math.floor(ms / 1000);
    const ns = Math.floor((ms - s * 1000) * 1e6);
    const isLater = s > last.s || (s === last.s && ns > last.ns);
    last = isLater
      ? { s, ns }
      : last.ns < 999_999_999
        ? { s: last.s, ns: last.ns + 1 }
        : { s: last.s + 1, ns: 0 };
    return last;
  };
}
