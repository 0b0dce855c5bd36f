// What users do to clones and volumes, in the thread that owns them: snapshots, rollback, export, growth, quota.
import { BrambleError } from "../../base/errors.ts";
import type { Chain } from "../../storage/clones/chain.ts";
import { type Clone, createVolume, openClone } from "../../storage/clones/clone.ts";
import type { ImageRef } from "../../storage/clones/create.ts";
import { EXPORT_FORMATS, type ExportFormat, exportDisk } from "../../storage/clones/export.ts";
import type { DiskEvent } from "./disk-calls.ts";
import type { OpenClones } from "./open-clones.ts";
import type { Handlers, Progress } from "./rpc.ts";

export interface DiskVerbsDeps {
  clones: Pick<OpenClones, "hold" | "busy">;
}

/** What openClones() opens clones with: their quotas and merges are told. */
export const openTelling =
  (tell: (event: DiskEvent) => void) =>
  (path: string): Promise<Clone> =>
    openClone(path, {
      on(event) {
        if (event.kind === "quota")
          tell({ kind: "quota", path, ownBytes: event.ownBytes, quota: event.quota });
        else tell({ kind: "notice", path, words: `its layers could not be merged: ${event.why.message}` });
      },
    });

/** While a job runs its clone is asked for at least so often, or it would be closed for want of questions. */
const STILL_THERE_MS = 5_000;

/** Handlers of the disk plane, called as src/app/planes/disk-calls.ts says. Paths are whole. */
export function diskVerbs({ clones }: DiskVerbsDeps) {
  const jobs = new Map<string, AbortController>();

  async function chain(path: string): Promise<Chain> {
    const clone: Clone = await clones.hold(path).clone;
    if (clone.chain) return clone.chain;
    throw new BrambleError("FORMAT_UNSUPPORTED", `${path} was not made by Bramble`, {
      hint: "qemu-img can do this to it",
    });
  }

  /** Keeps the clone open for as long as `act` takes. */
  async function lasting<T>(path: string, act: () => Promise<T>): Promise<T> {
    const still = setInterval(() => clones.hold(path), STILL_THERE_MS).unref();
    try {
      return await act();
    } finally {
      clearInterval(still);
    }
  }

  const finishing = new Map<string, Promise<void>>();
  /** Keeps the clone open until its merges are done; what stops them is told by openTelling(). */
  function finish(path: string, merging: Chain): void {
    if (finishing.has(path)) return;
    const ends = lasting(path, () => merging.merge()).catch(() => {});
    finishing.set(
      path,
      ends.finally(() => finishing.delete(path)),
    );
  }

  /** A node that runs would go on with what it has in memory, over another disk. */
  function mustBeIdle(path: string): void {
    if (!clones.busy(path)) return;
    throw new BrambleError("CLONE_BUSY", "the node is running from this clone", {
      hint: "switch the node off first",
    });
  }

  /** `job`: what cancelJob() knows it by. */
  async function exportTo(
    path: string,
    what: { to: string; format: ExportFormat; snapshot?: string; job?: string },
    progress: Progress,
  ): Promise<void> {
    const { to, format, snapshot, job } = what;
    if (!EXPORT_FORMATS.includes(format))
      throw new BrambleError("BAD_INPUT", `a clone cannot be exported as ${format}`, {
        hint: `one of ${EXPORT_FORMATS.join(", ")}`,
      });
    const stop = new AbortController();
    if (job !== undefined) jobs.set(job, stop);
    try {
      const held = await (await chain(path)).hold(snapshot);
      try {
        const { signal } = stop;
        await lasting(path, () => exportDisk(held.disk, { to, format, signal, onProgress: progress }));
      } finally {
        held.release();
      }
    } finally {
      if (job !== undefined) jobs.delete(job);
    }
  }

  return {
    createVolume: (args: { path: string; size: number }) => createVolume(args),
    snapshotClone: async ({ path, name }: { path: string; name: string }) =>
      (await chain(path)).snapshot(name),
    listSnapshots: async ({ path }: { path: string }) => (await chain(path)).list(),
    /** Gives the sha256 of the image that the clone stands on now. */
    async rollbackClone({ path, name }: { path: string; name: string }) {
      mustBeIdle(path);
      return (await chain(path)).rollback(name);
    },
    async dropSnapshot({ path, name }: { path: string; name: string }) {
      const its = await chain(path);
      await its.drop(name);
      finish(path, its);
    },
    async resetClone({ path, dropSnapshots = false }: { path: string; dropSnapshots?: boolean }) {
      mustBeIdle(path);
      return (await chain(path)).reset({ dropSnapshots });
    },
    /** `keepAs`: the name of a snapshot of what was; without it that is gone. */
    async rebaseClone({ path, image, keepAs }: { path: string; image: ImageRef; keepAs?: string }) {
      mustBeIdle(path);
      return (await chain(path)).rebase(image, keepAs);
    },
    /** Whoever has the disk open learns of its new size from the caller. Gives it. */
    async resizeClone({ path, size }: { path: string; size: number }) {
      await (await chain(path)).resize(size);
      return { size: (await clones.hold(path).clone).size };
    },
    setQuota: async ({ path, bytes }: { path: string; bytes: number | null }) =>
      (await chain(path)).setQuota(bytes ?? undefined),
    async mergeClone({ path }: { path: string }, progress: Progress) {
      const merging = await chain(path);
      return lasting(path, () => merging.merge(progress));
    },
    exportClone: (
      args: { path: string; to: string; format: ExportFormat; snapshot?: string; job?: string },
      progress: Progress,
    ) => exportTo(args.path, args, progress),
    /** A flat raw file; what makes it this node's is still in it. */
    promoteClone: (args: { path: string; to: string; snapshot?: string; job?: string }, progress: Progress) =>
      exportTo(args.path, { ...args, format: "raw" }, progress),
    cancelJob({ job }: { job: string }) {
      jobs.get(job)?.abort();
    },
  } satisfies Handlers;
}
export type DiskVerbs = ReturnType<typeof diskVerbs>;
