import { dirname } from "node:path";
import { decodeChange, encodeChange, type TreeChange } from "./changes.ts";
import {
  type CheckpointHeader,
  ChunkWriter,
  chunksOf,
  decodeHeader,
  encodeHeader,
} from "./checkpoint-format.ts";
import type { Host, TreeFile } from "./host.ts";

/** The first bytes of a checkpoint: its header is in them. */
const HEAD = 4096;

const nextTurn = () => new Promise<void>((next) => setImmediate(next));

/** What a checkpoint is written from. */
interface Dump {
  header: CheckpointHeader;
  changes: Iterable<TreeChange>;
  /** Asked between pieces: false ends it, for the dump is no longer of one moment. */
  isStill(): boolean;
  /** The whole dump in one go, however long that takes. */
  isAtOnce?: boolean;
}

const draftOf = (path: string) => `${path}.new`;

/** Writes a checkpoint beside its place, some at a time; false: something changed meanwhile, there is none. It is not on the disk yet. */
export async function draftCheckpoint(host: Host, path: string, dump: Dump): Promise<boolean> {
  const draft = draftOf(path);
  host.remove(draft);
  const file = host.open(draft, "create");
  try {
    if (await writeDump(file, dump)) return true;
  } catch (error) {
    host.remove(draft);
    throw error;
  } finally {
    file.close();
  }
  host.remove(draft);
  return false;
}

async function writeDump(file: TreeFile, { header, changes, isStill, isAtOnce }: Dump): Promise<boolean> {
  const head = encodeHeader(header);
  file.write(head, 0);
  let at = head.length;
  const put = (bytes: Uint8Array) => {
    file.write(bytes, at);
    at += bytes.length;
  };
  const chunk = new ChunkWriter();
  for (const change of changes) {
    chunk.add(encodeChange(change));
    if (!chunk.isFull) continue;
    put(chunk.take());
    if (isAtOnce) continue;
    await nextTurn();
    if (!isStill()) return false;
  }
  if (!chunk.isEmpty) put(chunk.take());
  put(chunk.end());
  return true;
}

/** The draft takes its place, for good. What it says must be on the disk already. `inPlace` is called when it has, and may go back with a power cut only. */
export async function publishCheckpoint(host: Host, path: string, inPlace?: () => void): Promise<void> {
  const draft = draftOf(path);
  const file = host.open(draft, "write");
  try {
    await file.sync("mapping");
  } finally {
    file.close();
  }
  host.rename(draft, path);
  inPlace?.();
  await host.syncNames(dirname(path));
}

/** FILE_UNKNOWN where there is none, TREE_DAMAGED where it is broken. */
export function readHeader(host: Host, path: string): CheckpointHeader {
  const file = host.open(path, "read");
  try {
    const bytes = new Uint8Array(Math.min(HEAD, file.size()));
    file.read(bytes, 0);
    return decodeHeader(path, bytes).header;
  } finally {
    file.close();
  }
}

/** Gives each change to `apply`, some at a time. */
export async function readCheckpoint(
  host: Host,
  path: string,
  apply: (change: TreeChange) => void,
): Promise<CheckpointHeader> {
  const file = host.open(path, "read");
  try {
    const bytes = new Uint8Array(file.size());
    await file.fetch(bytes, 0);
    const { header, at } = decodeHeader(path, bytes);
    for (const changes of chunksOf(path, bytes, at)) {
      for (const change of changes) apply(decodeChange(change));
      await nextTurn();
    }
    return header;
  } finally {
    file.close();
  }
}
