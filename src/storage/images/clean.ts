// What an image made of a node's disk must not carry on. The file system is changed by e2fsprogs, its own authority; the bytes of files
// and of free space by us.
import { type FileHandle, open, rm, writeFile } from "node:fs/promises";
import type { ReadableDisk } from "../../base/disk.ts";
import { BrambleError } from "../../base/errors.ts";
import { type Ext4Tree, openExt4 } from "../../formats/ext4.ts";
import { identifyFilesystem } from "../../formats/filesystem.ts";
import { type Partition, readPartitions } from "../../formats/partitions.ts";
import { slice } from "../../formats/slice.ts";
import { type Range, unusedExt4, unusedFat } from "../../formats/unused.ts";
import { inodesOf } from "./clean-paths.ts";
import { CLEANING_RULES, type CleaningRule, OUR_MARKS } from "./cleaning-policy.ts";
import { tool as run } from "./e2fsprogs.ts";
import { RawFile } from "./raw-file.ts";
import { copyBack, copyOut, wipe } from "./raw-parts.ts";

export interface CleanOptions {
  /** Names of rules to leave out. */
  keep: readonly string[];
  /** Of the root, as the image's facts have it. */
  rootPartition: number | undefined;
  signal?: AbortSignal | undefined;
  onProgress?(done: number, total: number): void;
}

const EXT = ["ext2", "ext3", "ext4"];
/** In place of an id: no machine has it, so whoever finds it makes one (the agent, systemd). */
const NO_ID = Buffer.from(`${"0".repeat(32)}\n`);

/** Throws BAD_INPUT for a name that is none of the policy's. */
export function checkKeep(keep: readonly string[]): void {
  const names = CLEANING_RULES.map(({ name }) => name);
  const unknown = keep.find((name) => !names.includes(name));
  if (unknown === undefined) return;
  throw new BrambleError("BAD_INPUT", `nothing that is cleaned is called ${unknown}`, {
    hint: `what may be kept: ${names.join(", ")}`,
  });
}

/**
 * Cleans a raw disk image in place and says in words what was done. Throws FORMAT_VALUE where the root file system cannot be repaired,
 * FORMAT_UNSUPPORTED where it is none of ext2 to ext4, TOOL_MISSING without e2fsprogs.
 */
export async function cleanImage(
  path: string,
  options: CleanOptions,
): Promise<{ cleaned: string[]; notes: string[] }> {
  const { keep, rootPartition, signal } = options;
  checkKeep(keep);
  const rules = CLEANING_RULES.filter(({ name }) => !keep.includes(name));
  const parts = await partitions(path);
  const root = parts.find(({ number }) => number === rootPartition);
  if (!root || !EXT.includes(root.kind)) {
    throw new BrambleError(
      "FORMAT_UNSUPPORTED",
      `the root is ${root?.kind ?? "not to be found"}, which cannot be cleaned`,
      {
        hint: "--no-clean takes the disk as it is, with this node's keys and logs",
      },
    );
  }
  const apart = `${path}.root`;
  try {
    await copyOut(path, apart, root, signal);
    await cleanRoot(apart, rules, signal);
    if (wants(rules, "free-space")) await wipe(apart, 0, unusedExt4, signal);
    await tool("e2fsck", ["-f", "-n", apart], [0], signal);
    await copyBack(apart, path, root, signal);
  } finally {
    await rm(apart, { force: true });
  }
  const others = parts.filter((part) => part !== root);
  const notes = wants(rules, "free-space") ? await wipeOthers(path, others, options) : [];
  return { cleaned: rules.map(({ what }) => what), notes };
}

const wants = (rules: readonly CleaningRule[], name: string): boolean =>
  rules.some((rule) => rule.name === name);

/** The root alone, in a file of its own: e2fsck forgets where in a disk it is once it has replayed a journal. */
async function cleanRoot(
  apart: string,
  rules: readonly CleaningRule[],
  signal: AbortSignal | undefined,
): Promise<void> {
  // A disk of a node that runs, or crashed, has a journal to be replayed. 1 and 2: something was corrected.
  await tool("e2fsck", ["-f", "-y", apart], [0, 1, 2, 3], signal);
  const inodes = await withRoot(apart, async (tree, file) => {
    if (wants(rules, "machine-id")) await blankId(tree, file);
    return inodesOf(tree, [...OUR_MARKS, ...rules.flatMap(({ paths }) => paths)]);
  });
  if (inodes.length > 0) await removeInodes(apart, inodes, signal);
}

type Part = Partition & { kind: string };

async function partitions(path: string): Promise<Part[]> {
  const disk = await RawFile.open(path);
  try {
    const { partitions: found } = await readPartitions(disk);
    const all: Part[] = [];
    for (const one of found)
      all.push({ ...one, kind: await identifyFilesystem(slice(disk, one.offset, one.size)) });
    return all;
  } finally {
    await disk.close();
  }
}

/** The tree as it is in the file now: whatever changes it afterwards, opens it anew. */
async function withRoot<T>(
  apart: string,
  work: (tree: Ext4Tree, file: FileHandle) => Promise<T>,
): Promise<T> {
  const disk = await RawFile.open(apart);
  const file = await open(apart, "r+");
  try {
    return await work(await openExt4(disk), file);
  } finally {
    await file.close();
    await disk.close();
  }
}

/** Written over in its place: a file that is missing, or says "uninitialized", means a first boot to systemd, which resets its units. */
async function blankId(tree: Ext4Tree, file: FileHandle): Promise<void> {
  const inode = await tree.stat("etc/machine-id");
  if (inode?.kind !== "file" || inode.size !== NO_ID.length) return;
  const place = await tree.place(inode);
  if (place !== undefined) await file.write(NO_ID, 0, NO_ID.length, place);
}

/** Clears the inodes; e2fsck then frees their blocks and takes their names out of the folders, which it writes anew: no name stays in a gap. */
async function removeInodes(apart: string, inodes: readonly number[], signal?: AbortSignal): Promise<void> {
  const script = `${apart}.debugfs`;
  // By number: a file's name may be anything, also a line of commands.
  await writeFile(script, inodes.map((inode) => `clri <${inode}>\n`).join(""));
  try {
    await tool("debugfs", ["-w", "-f", script, apart], [0], signal);
  } finally {
    await rm(script, { force: true });
  }
  await tool("e2fsck", ["-f", "-y", "-D", apart], [0, 1, 2, 3], signal);
}

const tool = (name: string, args: string[], good: number[], signal: AbortSignal | undefined): Promise<void> =>
  run(name, args, {
    ...{ good, signal, failed: "the root file system cannot be put in order" },
    hint: "look at it with `bramble clone export` and e2fsck; --no-clean takes the disk as it is",
    without: "or --no-clean takes the disk as it is",
  });

/** Zeros where the other partitions keep nothing; says which of them it could not read. */
async function wipeOthers(
  path: string,
  parts: readonly Part[],
  { signal, onProgress }: CleanOptions,
): Promise<string[]> {
  const notes: string[] = [];
  for (const [i, part] of parts.entries()) {
    const { kind, offset, number, size } = part;
    const inPart = (unused: (disk: ReadableDisk) => AsyncIterable<Range>) => (disk: ReadableDisk) =>
      unused(slice(disk, offset, size));
    if (EXT.includes(kind))
      notes.push(`partition ${number} (${kind}) is as it was: only the root is cleaned`);
    else if (kind.startsWith("fat")) await wipe(path, offset, inPart(unusedFat), signal);
    else if (kind === "swap") await wipe(path, offset, inPart(behindHeader), signal);
    else notes.push(`partition ${number} (${kind}) is as it was: what was deleted there may still be in it`);
    onProgress?.(i + 1, parts.length);
  }
  return notes;
}

/** mkswap's header fills a page; the largest that a Pi's kernel has is 16 KiB. */
async function* behindHeader({ size }: ReadableDisk): AsyncGenerator<Range> {
  if (size > 16384) yield { offset: 16384, length: size - 16384 };
}
