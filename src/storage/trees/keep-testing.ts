// For tests: what a tree stands on, in memory; and an image without files.
import { BrambleError } from "../../base/errors.ts";
import { FILE_KIND, type Ino, type Time } from "../../wire/nfs/tree.ts";
import { decodeChange, encodeChange, type Inode, type TreeChange } from "./changes.ts";
import { Cold } from "./cold.ts";
import type { Keep, TreeData } from "./keep.ts";
import type { Lower } from "./lower.ts";
import { NodeTree } from "./node-tree.ts";
import { Upper } from "./upper.ts";

/** Keeps everything in memory. `slow`: reads of own data give promises. */
export class MemoryKeep implements Keep {
  /** What was logged, gone through its bytes. */
  readonly changes: TreeChange[] = [];
  readonly files = new Map<Ino, Uint8Array>();
  /** As the disk would have them after a power cut. */
  readonly durable = new Map<Ino, Uint8Array>();
  readonly #unsynced = new Set<Ino>();
  readonly #replies = new Map<string, Uint8Array>();
  limit = Number.POSITIVE_INFINITY;
  slow = false;
  /** What happens to the next op that changes anything: it must wait first, is refused, or its data is written by half. */
  trouble: "cold" | "full" | "half" | undefined;
  /** Hears what the tree says of a disk that fails. */
  hears: (error: BrambleError) => void = (error) => {
    throw error;
  };
  /** Trouble that has ended an op. */
  refused = 0;
  /** What sync() waits for. */
  syncing: Promise<void> = Promise.resolve();
  readonly quota: Keep["quota"];
  readonly data: TreeData;
  #isReady = false;

  constructor() {
    const keep = this;
    this.quota = {
      get limit() {
        return keep.limit;
      },
      space(used) {
        const total = Number.isFinite(keep.limit) ? keep.limit : 2 ** 40;
        return { total, free: Math.max(0, total - used) };
      },
    };
    this.data = {
      read(ino, into, offset) {
        const fill = () => {
          into.fill(0);
          const file = keep.files.get(ino);
          if (file && offset < file.length) into.set(file.subarray(offset, offset + into.length));
        };
        return keep.slow ? Promise.resolve().then(fill) : fill();
      },
      write(ino, wanted, offset) {
        keep.#mustBeReady();
        const half = keep.#takes("half");
        const from = half ? wanted.subarray(0, wanted.length / 2) : wanted;
        const file = keep.files.get(ino) ?? new Uint8Array(0);
        const grown = new Uint8Array(Math.max(file.length, offset + from.length));
        grown.set(file);
        grown.set(from, offset);
        keep.files.set(ino, grown);
        keep.#unsynced.add(ino);
        if (half) throw keep.#full();
      },
      truncate(ino, size) {
        keep.#mustBeReady();
        const file = keep.files.get(ino);
        if (file && file.length > size) keep.files.set(ino, file.slice(0, size));
        const kept = keep.durable.get(ino);
        if (kept && kept.length > size) keep.durable.set(ino, kept.slice(0, size));
      },
      async sync(ino) {
        const file = keep.files.get(ino)?.slice();
        keep.#unsynced.delete(ino);
        await keep.syncing;
        if (file) keep.durable.set(ino, file);
      },
      lasting() {},
      unsynced: (ino) => keep.#unsynced.has(ino),
      remove(ino) {
        keep.files.delete(ino);
        keep.durable.delete(ino);
      },
    };
  }

  #mustBeReady(): void {
    if (!this.#isReady) throw new TypeError("a change before ready()");
  }

  #takes(trouble: MemoryKeep["trouble"]): boolean {
    if (this.trouble !== trouble) return false;
    this.trouble = undefined;
    return true;
  }
  #full(): BrambleError {
    this.refused += 1;
    return new BrambleError("DISK_FULL", "a full disk");
  }

  ready(): void {
    if (this.#takes("cold")) throw new Cold(Promise.resolve());
    if (this.#takes("full")) throw this.#full();
    this.#isReady = true;
  }

  log(change: TreeChange): void {
    if (change.kind !== "reply") this.#mustBeReady();
    this.changes.push(decodeChange(encodeChange(change)));
    if (change.kind === "data") {
      this.#unsynced.delete(change.ino);
      const old = this.durable.get(change.ino) ?? new Uint8Array(0);
      const next = new Uint8Array(Math.max(old.length, change.offset + change.bytes.length));
      next.set(old);
      next.set(change.bytes, change.offset);
      this.durable.set(change.ino, next);
    }
    if (change.kind === "reply") this.#replies.set(change.key, change.bytes.slice());
  }

  settled(): void {
    this.#isReady = false;
  }

  killed(): void {
    this.#unsynced.clear();
    this.trouble = undefined;
    this.refused = 0;
  }

  /** The host loses its power: of each block of 4 KiB that was not synced, the one or the other is there. */
  powerCut(die: () => boolean): void {
    for (const [ino, file] of this.files) {
      const kept = this.durable.get(ino) ?? new Uint8Array(0);
      const next = new Uint8Array(Math.max(file.length, kept.length));
      for (let at = 0; at < next.length; at += 4096)
        next.set((die() ? file : kept).subarray(at, at + 4096), at);
      this.files.set(ino, next);
    }
  }

  recall(key: string): Uint8Array | undefined {
    return this.#replies.get(key);
  }
}

/** Time that goes on by a nanosecond each time it is asked for. */
export function steadyClock(s = 1_700_000_000): () => Time {
  let ns = 0;
  return () => ({ s, ns: ns++ });
}

/** An image with nothing but its root directory. */
export function emptyLower(): Lower {
  const time = { s: 1_600_000_000, ns: 0 };
  const root: Inode = {
    ...{ ino: 2, kind: FILE_KIND.directory, mode: 0o755, nlink: 2, uid: 0, gid: 0, size: 4096, used: 4096 },
    ...{ major: 0, minor: 0, atime: time, mtime: time, ctime: time, parent: 0, target: "", verifier: "" },
    ...{ limit: 0, imageUsed: 4096, blocks: 0 },
  };
  const nothing = { places: new Map<string, number>(), names: [], inos: [] };
  return {
    root: 2,
    usedBytes: 4096,
    inodes: 1,
    inode: (ino) => (ino === 2 ? root : undefined),
    directory: () => nothing,
    parent: () => 2,
    warm: () => Promise.resolve(),
    read: () => {
      throw new TypeError("there is no file in an empty image");
    },
    xattrs: async () => new Map(),
  };
}

export interface MemoryTree {
  tree: NodeTree;
  upper: Upper;
  keep: MemoryKeep;
}

/** A tree over `lower`, or over nothing. `from`: changes to begin with. */
export function memoryTree(
  lower: Lower = emptyLower(),
  keep = new MemoryKeep(),
  now = steadyClock(),
): MemoryTree {
  const upper = new Upper();
  for (const change of keep.changes) upper.apply(change);
  const trouble = (error: BrambleError) => keep.hears(error);
  return { tree: new NodeTree({ upper, lower, keep, now, trouble }), upper, keep };
}
