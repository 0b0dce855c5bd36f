import { draftCheckpoint, publishCheckpoint, readCheckpoint } from "./checkpoint.ts";
import type { CheckpointHeader } from "./checkpoint-format.ts";
import type { Durability } from "./journal.ts";
import type { KeptRun } from "./journal-scan.ts";
import { treeQuota } from "./quota.ts";
import { replay } from "./replay.ts";
import { checkpointPath, dataFolder, sweepTree } from "./tree-folder.ts";
import { type KeepGround, TreeKeep } from "./tree-keep.ts";
import { Upper } from "./upper.ts";

/** What a tree that is in memory is made of. */
export interface TreeStand {
  id: string;
  image: string;
  generation: number;
  upper: Upper;
  keep: TreeKeep;
}

/** What the house asks of a tree. */
export interface HouseTree {
  /** All unstable writes go to the disk and into the log. */
  flush(): Promise<void>;
}

/** A tree that is in memory. */
export interface Hot<T extends HouseTree> {
  header: CheckpointHeader;
  upper: Upper;
  keep: TreeKeep;
  tree: T;
}

/** How often a dump is begun again because the tree has changed meanwhile; then it is made without a stop. */
const TRIES = 2;

/** Checkpoint and journal make the tree. TREE_DAMAGED where they cannot. */
export async function loadTree<T extends HouseTree>(
  ground: KeepGround & { trees: string },
  from: { folder: string; runs: readonly KeptRun[]; durability: () => Durability },
  build: (stand: TreeStand) => T | Promise<T>,
): Promise<Hot<T>> {
  const { host } = ground;
  const { folder, runs, durability } = from;
  const upper = new Upper();
  const replies: [string, Uint8Array][] = [];
  const header = await readCheckpoint(host, checkpointPath(folder), (change) => {
    if (change.kind === "reply") replies.push([change.key, change.bytes]);
    else upper.apply(change);
  });
  sweepTree(host, folder, header);
  const { id, incarnation, entries: after } = header;
  const quota = treeQuota(host, folder, () => hot.header.quota);
  const keep = new TreeKeep(ground, {
    owner: { id, incarnation, entries: after },
    durability,
    quota,
    folder,
    dataFolder: dataFolder(folder, header),
  });
  const hot: { header: CheckpointHeader } = { header };
  try {
    for (const [key, bytes] of replies) keep.duplicates.remember(key, bytes);
    const closed = await replay(
      { host, folder: ground.trees, owner: keep.owner, runs },
      keep.data,
      (change) => {
        if (change.kind === "reply") keep.duplicates.remember(change.key, change.bytes);
        else upper.apply(change);
      },
    );
    keep.replayed(runs[0]?.sequence);
    if (closed) keep.data.restore(closed);
    else if (keep.owner.entries > after || !header.isClean)
      await keep.data.settleAll((ino) => upper.inodes.get(ino)?.size);
    if (keep.durability === "fast") await keep.data.syncAll(); // what was done again may have been promised for good
    await keep.logOpened();
    const { image, generation } = header;
    const tree = await build({ id, image, generation, upper, keep });
    return Object.assign(hot, { upper, keep, tree });
  } catch (error) {
    keep.close();
    throw error;
  }
}

function* dumpOf({ upper, keep }: Hot<HouseTree>) {
  yield* upper.dump();
  for (const [key, bytes] of keep.duplicates.all()) yield { kind: "reply", key, bytes } as const;
}

/**
 * Writes down all that the tree has; the journal is not needed any more for what was before. `isClean`: nobody will change the tree in memory any more.
 * The tree goes on meanwhile; changes wait only where it does not stand still long enough.
 */
export async function checkpointTree<T extends HouseTree>(
  ground: KeepGround,
  folder: string,
  hot: Hot<T>,
  isClean = false,
): Promise<void> {
  const { keep, upper } = hot;
  const path = checkpointPath(folder);
  const { host, journal } = ground;
  for (let attempt = 0; ; attempt++) {
    const entries = keep.owner.entries;
    const sequence = journal.sequence;
    const header = {
      ...hot.header,
      entries,
      isClean: isClean && !keep.data.isLoose,
      inodes: upper.inodes.size,
      ownBytes: upper.ownBytes,
    };
    keep.dumpBegins();
    const isWhole = await draftCheckpoint(host, path, {
      header,
      changes: dumpOf(hot),
      isStill: () => keep.owner.entries === entries,
      isAtOnce: attempt >= TRIES,
    });
    if (!isWhole) continue;
    do await journal.durable();
    while (await keep.data.cutUpTo(sequence, () => journal.durableSequence));
    await keep.data.syncAll();
    await publishCheckpoint(host, path);
    hot.header = header;
    keep.dumpEnded(entries);
    return;
  }
}

/**
 * Leaves it to the journal, in which everything is that the checkpoint has not: one sync of the journal for all trees that are closed. Nobody changes the tree any more.
 * It lasts when the journal is on the disk.
 */
export async function closeTree<T extends HouseTree>({ keep, upper }: Hot<T>): Promise<void> {
  if (keep.durability === "fast") await keep.lasting();
  else await keep.durable();
  if (keep.data.isLoose || keep.data.isSuspect) return; // whoever opens it looks at each file
  keep.logClosed({ inodes: upper.inodes.size, ownBytes: upper.ownBytes, ...keep.data.unsettled });
}
