// What users do to trees, in the thread that owns them: snapshots, rollback, reset, export, comparison with the image, space.
import { randomBytes } from "node:crypto";
import { open, readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { BrambleError } from "../../base/errors.ts";
import { type DiffEntry, diffOf } from "../../storage/trees/diff.ts";
import { theHost } from "../../storage/trees/host.ts";
import type { Lower } from "../../storage/trees/lower.ts";
import { openSnapshot, type TreeLook } from "../../storage/trees/snapshot-view.ts";
import type { TreeSnapshot } from "../../storage/trees/snapshots.ts";
import { tarOf } from "../../storage/trees/tar.ts";
import type { Trees } from "../../storage/trees/trees.ts";
import type { Handlers, Progress } from "./rpc.ts";

export interface TreeVerbsParts {
  trees(): Promise<Trees>;
  /** By an image's sha256. */
  lower(sha256: string): Promise<Lower>;
  /** Is a node running from this tree? */
  isUsed(id: string): boolean;
  /** Of all trees. */
  folder: string;
}

/** What a tree takes, and who has it. */
export interface TreeSpace {
  ownBytes: number;
  /** Of its snapshots, apart from its own. */
  sharedBytes: number;
  /** Own inodes and changed ones of the image. */
  inodes: number;
  snapshots: number;
  quota?: number;
  isUsed: boolean;
}

export interface TreeDiff {
  /** The first so many. */
  entries: DiffEntry[];
  /** Of all. Bytes: of files that are new or changed. */
  totals: { added: number; changed: number; attributes: number; removed: number; bytes: number };
}

/** Snapshots that are ours, for as long as something is read from one moment of a tree. */
const MOMENT = /^moment-[0-9a-f]{16}$/;
const WRITE_AT_ONCE = 1 << 20;

/** Handlers of the NFS plane. A tree is called by its node's id. */
export function treeVerbs({ trees, lower, isUsed, folder }: TreeVerbsParts) {
  const jobs = new Map<string, AbortController>();
  const moments = new Set<string>();

  const shown = async (id: string): Promise<TreeSnapshot[]> =>
    (await trees()).snapshots(id).filter(({ name }) => !MOMENT.test(name));

  function mustBeIdle(id: string): void {
    if (!isUsed(id)) return;
    throw new BrambleError("CLONE_BUSY", "the node is running from this tree", {
      hint: "switch the node off first",
    });
  }

  const look = (id: string, name: string): Promise<TreeLook> =>
    openSnapshot(theHost, join(folder, id, "snapshots", name), lower);

  /** The tree as a snapshot has it, or as it is now: of one moment, while the node goes on. */
  async function during<T>(
    id: string,
    snapshot: string | undefined,
    work: (look: TreeLook) => Promise<T>,
  ): Promise<T> {
    const house = await trees();
    if (snapshot !== undefined) {
      if (!(await shown(id)).some(({ name }) => name === snapshot))
        throw new BrambleError("SNAPSHOT_UNKNOWN", `there is no snapshot ${snapshot}`);
      return work(await look(id, snapshot));
    }
    // of runs of before that were killed
    for (const { name } of house.snapshots(id))
      if (MOMENT.test(name) && !moments.has(name)) await house.removeSnapshot(id, name);
    const name = `moment-${randomBytes(8).toString("hex")}`;
    moments.add(name);
    try {
      await house.snapshot(id, name);
      return await work(await look(id, name));
    } finally {
      moments.delete(name);
      await house.removeSnapshot(id, name);
    }
  }

  async function cancellable<T>(
    job: string | undefined,
    work: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const stop = new AbortController();
    if (job !== undefined) jobs.set(job, stop);
    try {
      return await work(stop.signal);
    } catch (error) {
      if (!stop.signal.aborted) throw error;
      throw new BrambleError("CANCELLED", "it was stopped", { cause: error });
    } finally {
      if (job !== undefined) jobs.delete(job);
    }
  }

  return {
    async snapshotTree({ id, name }: { id: string; name: string }) {
      if (MOMENT.test(name)) throw new BrambleError("BAD_INPUT", `${name} is a name of Bramble's own`);
      await (await trees()).snapshot(id, name);
    },
    treeSnapshots: ({ id }: { id: string }) => shown(id),
    dropTreeSnapshot: async ({ id, name }: { id: string; name: string }) =>
      (await trees()).removeSnapshot(id, name),
    /** Gives the sha256 of the image that the tree stands on now. */
    async rollbackTree({ id, name }: { id: string; name: string }) {
      mustBeIdle(id);
      return (await trees()).rollback(id, name);
    },
    /** As the image is, or another one. */
    async resetTree({
      id,
      image,
      dropSnapshots = false,
    }: {
      id: string;
      image?: string;
      dropSnapshots?: boolean;
    }) {
      mustBeIdle(id);
      await (await trees()).reset(id, { dropSnapshots, ...(image !== undefined && { image }) });
    },
    async treeSpace({ id }: { id: string }): Promise<TreeSpace> {
      const { ownBytes, inodes, quota } = (await trees()).facts(id);
      const snapshots = (await shown(id)).length;
      const sharedBytes = snapshots > 0 ? await heldBySnapshots(join(folder, id)) : 0;
      return {
        ownBytes,
        sharedBytes,
        inodes,
        snapshots,
        isUsed: isUsed(id),
        ...(quota !== undefined && { quota }),
      };
    },
    /** A tar file at a path where none is. */
    exportTree: (
      { id, to, snapshot, job }: { id: string; to: string; snapshot?: string; job?: string },
      progress: Progress,
    ) =>
      cancellable(job, (signal) =>
        during(id, snapshot, async ({ inside, lower: below, ownBytes }) => {
          const out = await open(to, "wx", 0o600);
          try {
            let done = 0;
            for await (const bytes of gathered(tarOf(inside))) {
              signal.throwIfAborted();
              await out.writeFile(bytes); // goes on where it was
              done += bytes.length;
              progress(done, Math.max(done, below.usedBytes + ownBytes));
            }
            await out.sync();
          } finally {
            await out.close();
          }
        }),
      ),
    diffTree: ({ id, snapshot, most, job }: { id: string; snapshot?: string; most: number; job?: string }) =>
      cancellable(job, (signal) =>
        during(id, snapshot, async ({ inside, lower: below }): Promise<TreeDiff> => {
          const entries: DiffEntry[] = [];
          const totals = { added: 0, changed: 0, attributes: 0, removed: 0, bytes: 0 };
          for await (const one of diffOf(inside, below)) {
            signal.throwIfAborted();
            totals[one.what] += 1;
            if (one.what === "added" || one.what === "changed") totals.bytes += one.size;
            if (entries.length < most) entries.push(one);
          }
          return { entries, totals };
        }),
      ),
    cancelJob({ job }: { job: string }) {
      jobs.get(job)?.abort();
    },
  } satisfies Handlers;
}
export type TreeVerbs = ReturnType<typeof treeVerbs>;

/** Headers are small: one write for many of them. */
async function* gathered(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let held: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of chunks) {
    held.push(chunk);
    size += chunk.length;
    if (size < WRITE_AT_ONCE) continue;
    yield Buffer.concat(held);
    held = [];
    size = 0;
  }
  yield Buffer.concat(held);
}

/** Files that snapshots have and the tree has no more: what dropping all of them would give back. */
async function heldBySnapshots(tree: string): Promise<number> {
  const names = await readdir(tree);
  const own = new Set<number>();
  for (const data of names.filter((name) => name.startsWith("data.")))
    for (const { ino } of await files(join(tree, data))) own.add(ino);
  let bytes = 0;
  for (const snapshot of await readdir(join(tree, "snapshots"))) {
    for (const { ino, blocks } of await files(join(tree, "snapshots", snapshot, "data"))) {
      if (own.has(ino)) continue;
      own.add(ino);
      bytes += blocks * 512;
    }
  }
  return bytes;
}

async function files(folder: string): Promise<{ ino: number; blocks: number }[]> {
  const found: { ino: number; blocks: number }[] = [];
  for (const name of await readdir(folder).catch(() => [])) {
    // one that goes in this moment takes nothing
    const one = await stat(join(folder, name)).catch(() => undefined);
    if (one) found.push({ ino: one.ino, blocks: one.blocks });
  }
  return found;
}
