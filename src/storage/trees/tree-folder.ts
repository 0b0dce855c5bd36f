import { randomInt } from "node:crypto";
import { join } from "node:path";
import { BrambleError } from "../../base/errors.ts";
import { draftCheckpoint, publishCheckpoint } from "./checkpoint.ts";
import type { CheckpointHeader } from "./checkpoint-format.ts";
import type { Host } from "./host.ts";

// trees/<id>/checkpoint, data.<generation>/<ino>, snapshots/<name>/{checkpoint, facts, data/<ino>}. Names with a dot in front are unfinished, or on their way out.

export const treeFolder = (trees: string, id: string) => join(trees, id);
export const checkpointPath = (folder: string) => join(folder, "checkpoint");
export const dataFolder = (folder: string, { data }: Pick<CheckpointHeader, "data">) => join(folder, data);

const ID = /^[a-z0-9_-][a-z0-9._-]{0,99}$/i;

/** BAD_INPUT for what cannot name a folder. */
export function checkId(id: string): void {
  if (!ID.test(id)) throw new BrambleError("BAD_INPUT", `"${id}" cannot name a tree`);
}

export const treeIds = (host: Host, trees: string): string[] =>
  host.list(trees).filter((name) => ID.test(name) && host.exists(checkpointPath(treeFolder(trees, name))));

/** What a tree begins with. */
export interface NewTree {
  id: string;
  /** sha256 of the image below. */
  image: string;
  /** Bytes of its own that it may have. */
  quota?: number;
}

export const newHeader = (tree: NewTree, generation: number, nowMs: number): CheckpointHeader => ({
  ...tree,
  generation,
  incarnation: newIncarnation(),
  data: `data.${generation}`,
  entries: 0,
  isClean: true,
  inodes: 0,
  ownBytes: 0,
  createdMs: nowMs,
});

/** Never that of another tree of the same id. */
const newIncarnation = (): number => randomInt(1, 2 ** 47);

/** A tree that has nothing of its own, on the disk when it ends; a kill before that leaves none. */
export async function makeTreeFolder(host: Host, trees: string, header: CheckpointHeader): Promise<void> {
  const draft = join(trees, `.new-${header.id}`);
  host.removeFolder(draft);
  host.makeFolder(draft);
  try {
    await draftCheckpoint(host, checkpointPath(draft), { header, changes: [], isStill: () => true });
    await publishCheckpoint(host, checkpointPath(draft));
    host.rename(draft, treeFolder(trees, header.id));
  } catch (error) {
    host.removeFolder(draft);
    throw error;
  }
  await host.syncNames(trees);
}

/** A folder goes as a whole: it has gone, for good, when this ends; its bytes a little later. */
export async function removeWhole(host: Host, parent: string, name: string): Promise<void> {
  const gone = join(parent, `.gone-${name}-${newIncarnation()}`);
  host.rename(join(parent, name), gone);
  await host.syncNames(parent);
  host.removeFolder(gone);
}

/** What kills have left. */
export function sweepFolder(host: Host, folder: string): void {
  for (const name of host.list(folder))
    if (name.startsWith(".new-") || name.startsWith(".gone-")) host.removeFolder(join(folder, name));
}

/** What a kill in the middle of a reset or rollback has left in a tree's folder. */
export function sweepTree(host: Host, folder: string, header: CheckpointHeader): void {
  host.remove(`${checkpointPath(folder)}.new`);
  for (const name of host.list(folder))
    if (name.startsWith("data.") && name !== header.data) host.removeFolder(join(folder, name));
  sweepFolder(host, join(folder, "snapshots"));
}
