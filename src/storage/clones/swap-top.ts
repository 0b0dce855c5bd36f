import { type Overlay, writeOverlay } from "./create.ts";
import type { OpenClone, Top } from "./engine.ts";
import { readHeader } from "./header-edit.ts";
import { hostError } from "./host-file.ts";
import type { Journal } from "./journal.ts";
import type { Host } from "./layers-index.ts";
import { Mapping } from "./mapping.ts";
import { openBelow, QcowLayer } from "./open-layers.ts";
import type { Quota } from "./quota.ts";
import { Refcounts } from "./refcounts.ts";
import { Writer } from "./writer.ts";

export interface Swap {
  path: string;
  host: Host;
  journal: Journal | undefined;
  quota: Quota;
  /** The file that takes the clone's name. */
  overlay: Overlay;
  /** What was the clone gets this name, whole and frozen; without one it is gone. */
  freezeAs?: string;
  /** The new file stands on the frozen one. */
  onFrozen?: boolean;
}

/**
 * Puts a new, empty overlay in the place of the clone's file while it is open. At any moment the clone's name leads to the old
 * file or to the new one, each complete, whatever kills us: the new file is durable before it gets the name, by a rename;
 * the old one is flushed, and marked and named as frozen, before. The journal speaks of the old file: it is emptied when all
 * of it is committed, and before the new file has the name. Writers wait for some syncs, without error.
 */
export async function swapTop(clone: OpenClone, swap: Swap): Promise<void> {
  const { path, host, freezeAs } = swap;
  const draft = `${path}.new`;
  let done = false;
  try {
    await writeOverlay(draft, swap.overlay, host);
    if (freezeAs !== undefined) {
      host.folder.link(path, freezeAs);
      await host.folder.sync(path);
      await clone.flush(); // most of it, while writers need not wait
    }
    await clone.exclusive(async (now) => {
      if (freezeAs !== undefined) await freeze(now);
      else await leave(now);
      let next: Top;
      try {
        next = openDraft(draft, swap, now);
        host.folder.rename(draft, path);
        done = true;
      } catch (error) {
        reopen(now);
        throw error;
      }
      await host.folder.sync(path).catch((error) => {
        next.writer.commits.fail(hostError(error, `sync ${path}`)); // whose name it is after a power cut nobody knows
      });
      await now.writer.giveBack.close();
      if (freezeAs !== undefined) now.reading.path = freezeAs;
      if (!swap.onFrozen) {
        clone.generation += 1;
        clone.retire(() => now.reading.close());
      }
      swap.quota.forget();
      return next;
    });
  } catch (error) {
    if (!done) {
      host.folder.remove(draft);
      if (freezeAs !== undefined) host.folder.remove(freezeAs);
    }
    throw hostError(error, `change the layers of ${path}`);
  }
  await clone.flush(); // throws what the folder's sync met
}

async function freeze({ writer }: Top): Promise<void> {
  try {
    await writer.commits.flush();
    await writer.freeze();
  } catch (error) {
    reopen({ writer });
    throw error;
  }
}

/** All stays as it was: the file says again that it is open, or a kill would lose what the journal holds. */
function reopen({ writer }: Pick<Top, "writer">): void {
  try {
    writer.opened();
  } catch (error) {
    writer.commits.fail(hostError(error, `mark ${writer.file.path} as open`));
  }
}

/** It is about to go. A full disk does not keep anybody from going back to what takes less. */
async function leave({ writer }: Top): Promise<void> {
  try {
    await writer.commits.flush();
  } catch (error) {
    if (hostError(error, "flush").code !== "DISK_FULL") throw error;
  }
  await writer.commits.idle();
}

function openDraft(draft: string, { path, host, journal, quota, onFrozen }: Swap, now: Top): Top {
  const file = host.open(draft, "write");
  try {
    const header = readHeader(file, path, true);
    const below = onFrozen ? now.reading : openBelow(path, header, host.open);
    const reading = new QcowLayer({ path, header, file, mapping: new Mapping(file, header) }, below);
    const refcounts = new Refcounts(file, header);
    refcounts.buildFreeList();
    const writer = new Writer(reading, refcounts, { journal, quota });
    journal?.clear();
    writer.opened();
    return { reading, writer };
  } catch (error) {
    file.close();
    throw error;
  }
}
