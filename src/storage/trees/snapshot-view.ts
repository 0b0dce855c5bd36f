// A snapshot of a tree, to look into: for export, comparison, images made of it. Nothing can be changed.
import { join } from "node:path";
import { BrambleError } from "../../base/errors.ts";
import type { Ino } from "../../wire/nfs/tree.ts";
import { readCheckpoint } from "./checkpoint.ts";
import type { Host } from "./host.ts";
import type { Inside } from "./inside.ts";
import type { Keep } from "./keep.ts";
import type { Lower } from "./lower.ts";
import { NodeTree } from "./node-tree.ts";
import { checkpointPath } from "./tree-folder.ts";
import { Upper } from "./upper.ts";

export interface TreeLook {
  inside: Inside;
  lower: Lower;
  /** sha256 of the image below. */
  image: string;
  /** Bytes of its own. */
  ownBytes: number;
}

/** `folder`: of the snapshot. Errors as checkpoints have them, and as `lowerOf` throws. */
export async function openSnapshot(
  host: Host,
  folder: string,
  lowerOf: (image: string) => Promise<Lower>,
): Promise<TreeLook> {
  const upper = new Upper();
  const { image, ownBytes } = await readCheckpoint(host, checkpointPath(folder), (change) => {
    if (change.kind !== "reply") upper.apply(change);
  });
  const lower = await lowerOf(image);
  const { inside } = new NodeTree({
    ...{ upper, lower, keep: readOnly(host, join(folder, "data")) },
    now: refuse,
    trouble: (error) => {
      throw error;
    },
  });
  return { inside, lower, image, ownBytes };
}

function refuse(): never {
  throw new BrambleError("DISK_READ_ONLY", "a snapshot cannot be changed");
}

const readOnly = (host: Host, data: string): Keep => ({
  ready: refuse,
  log: refuse,
  settled() {},
  recall: () => undefined,
  quota: { limit: 0, space: (used) => ({ total: used, free: 0 }) },
  data: {
    async read(ino: Ino, into: Uint8Array, offset: number) {
      const path = join(data, `${ino}`);
      if (!host.exists(path)) return void into.fill(0);
      const file = host.open(path, "read");
      try {
        await file.fetch(into, offset);
      } finally {
        file.close();
      }
    },
    write: refuse,
    truncate: refuse,
    sync: async () => refuse(),
    lasting() {},
    unsynced: () => false,
    remove: refuse,
  },
});
