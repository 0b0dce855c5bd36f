import { join } from "node:path";
import { BrambleError } from "../../base/errors.ts";
import { toUtf8, utf8 } from "../../base/text.ts";
import type { TreeChange } from "./changes.ts";
import { draftCheckpoint, publishCheckpoint, readCheckpoint, readHeader } from "./checkpoint.ts";
import type { CheckpointHeader } from "./checkpoint-format.ts";
import { type Host, readWhole } from "./host.ts";
import { checkpointPath, dataFolder, newHeader, removeWhole } from "./tree-folder.ts";

/** A snapshot, as users see it. */
export interface TreeSnapshot {
  name: string;
  createdMs: number;
  /** sha256 of the image below. */
  image: string;
  /** Bytes of the tree's own as it was. */
  ownBytes: number;
}

const NAME = /^[a-z0-9][a-z0-9._-]{0,62}$/i;
const FACTS = "facts";
const nextTurn = () => new Promise<void>((next) => setImmediate(next));
const snapshotsFolder = (folder: string) => join(folder, "snapshots");

/** The oldest first. */
export function listSnapshots(host: Host, folder: string): TreeSnapshot[] {
  const parent = snapshotsFolder(folder);
  return host
    .list(parent)
    .filter((name) => NAME.test(name))
    .map((name) => {
      const { image, ownBytes } = readHeader(host, checkpointPath(join(parent, name)));
      return { name, createdMs: Number(utf8(readWhole(host, join(parent, name, FACTS)))), image, ownBytes };
    })
    .sort((a, b) => a.createdMs - b.createdMs);
}

/** BAD_INPUT for a name that is taken or none. */
export function mustBeFree(host: Host, folder: string, name: string): void {
  if (!NAME.test(name))
    throw new BrambleError("BAD_INPUT", `"${name}" cannot name a snapshot`, {
      hint: "up to 63 letters, digits, dots, dashes and underscores",
    });
  if (host.exists(join(snapshotsFolder(folder), name)))
    throw new BrambleError("BAD_INPUT", `there is a snapshot ${name} already`);
}

/** SNAPSHOT_UNKNOWN where there is none. */
function mustBeThere(host: Host, folder: string, name: string): string {
  const path = join(snapshotsFolder(folder), name);
  if (NAME.test(name) && host.exists(path)) return path;
  const names = listSnapshots(host, folder).map((one) => one.name);
  throw new BrambleError("SNAPSHOT_UNKNOWN", `there is no snapshot ${name}`, {
    hint: names.length > 0 ? `there are: ${names.join(", ")}` : "there are none of this node's tree",
  });
}

/**
 * Keeps the tree as its checkpoint on the disk has it: hard links of that and of the data files, which nobody may write to meanwhile. It is there when it ends; a kill
 * before that leaves none. `link` gives each data file its second name in a folder.
 */
export async function takeSnapshot(
  host: Host,
  folder: string,
  how: { name: string; nowMs: number; link: (into: string) => Promise<void> },
): Promise<void> {
  mustBeFree(host, folder, how.name);
  const parent = snapshotsFolder(folder);
  const draft = join(parent, `.new-${how.name}`);
  const data = join(draft, "data");
  host.removeFolder(draft);
  host.makeFolder(data);
  try {
    host.link(checkpointPath(folder), checkpointPath(draft));
    await how.link(data);
    await writeSmall(host, join(draft, FACTS), toUtf8(String(how.nowMs)));
    for (const names of [data, draft]) await host.syncNames(names);
    host.rename(draft, join(parent, how.name));
  } catch (error) {
    host.removeFolder(draft);
    throw error;
  }
  for (const names of [parent, folder]) await host.syncNames(names);
}

async function writeSmall(host: Host, path: string, bytes: Uint8Array): Promise<void> {
  const file = host.open(path, "create");
  try {
    file.write(bytes, 0);
    await file.sync("contents");
  } finally {
    file.close();
  }
}

/** Second names for all data files in a folder, a few at a time. */
export async function linkAll(host: Host, from: string, into: string): Promise<void> {
  for (const [i, name] of host.list(from).entries()) {
    if (!/^\d+$/.test(name)) continue;
    host.link(join(from, name), join(into, name));
    if (i % 256 === 255) await nextTurn();
  }
}

/** The snapshot has gone when it ends. SNAPSHOT_UNKNOWN. */
export async function dropSnapshot(host: Host, folder: string, name: string): Promise<void> {
  mustBeThere(host, folder, name);
  await removeWhole(host, snapshotsFolder(folder), name);
}

const readAll = (host: Host, folder: string, into: TreeChange[]) =>
  readCheckpoint(host, checkpointPath(folder), (change) => {
    if (change.kind !== "reply") into.push(change);
  });

/**
 * A tree that is not in memory becomes as a snapshot was, or as its image is (no `to`): the new checkpoint takes the old one's place in one step, with data files of its
 * own. Handles of before are stale. `inPlace`: it has happened, whatever comes now.
 */
export async function replaceTree(
  host: Host,
  folder: string,
  how: { to?: string; image?: string; nowMs: number; inPlace: () => void },
): Promise<{ image: string }> {
  const old = readHeader(host, checkpointPath(folder));
  const from = how.to === undefined ? undefined : mustBeThere(host, folder, how.to);
  const changes: TreeChange[] = [];
  const kept = from === undefined ? undefined : await readAll(host, from, changes);
  const header: CheckpointHeader = {
    ...newHeader({ id: old.id, image: kept?.image ?? how.image ?? old.image }, old.generation + 1, how.nowMs),
    ...(old.quota === undefined ? {} : { quota: old.quota }),
    ...(kept ? { inodes: kept.inodes, ownBytes: kept.ownBytes, isClean: kept.isClean } : {}),
  };
  const data = dataFolder(folder, header);
  host.removeFolder(data);
  if (from) {
    host.makeFolder(data);
    await linkAll(host, join(from, "data"), data);
    await host.syncNames(data);
  }
  const withoutReplies = changes.filter(({ kind }) => kind !== "reply");
  await draftCheckpoint(host, checkpointPath(folder), {
    header,
    changes: withoutReplies,
    isStill: () => true,
  });
  await publishCheckpoint(host, checkpointPath(folder), how.inPlace);
  host.removeFolder(dataFolder(folder, old));
  return { image: header.image };
}
