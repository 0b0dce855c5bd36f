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
 * the old one has its second name before, and is flushed and marked as frozen. The journal is of the old file: the new one
 * says that it is open, so that a journal is taken up, only when that is empty. Writers wait for some syncs, without error.
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
      else await now.writer.commits.idle();
      let next: Top;
      try {
        next = openDraft(draft, swap, now);
        host.folder.rename(draft, path);
        done = true;
      } catch (error) {
        now.writer.opened();
        throw error;
      }
      await settle(next, swap);
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
  await clone.flush(); // throws what settle() met
}

async function freeze({ writer }: Top): Promise<void> {
  try {
    await writer.commits.flush();
    await writer.freeze();
  } catch (error) {
    if (!writer.commits.failed) writer.opened();
    throw error;
  }
}

function openDraft(draft: string, { path, host, journal, quota, onFrozen }: Swap, now: Top): Top {
  const file = host.open(draft, "write");
  try {
    const header = readHeader(file, path, true);
    const below = onFrozen ? now.reading : openBelow(path, header, host.open);
    const reading = new QcowLayer({ path, header, file, mapping: new Mapping(file, header) }, below);
    const refcounts = new Refcounts(file, header);
    refcounts.buildFreeList();
    return { reading, writer: new Writer(reading, refcounts, { journal, quota }) };
  } catch (error) {
    file.close();
    throw error;
  }
}

/** The new file has the name: what fails from here on is its own trouble, and it takes no writes. */
async function settle({ writer }: Top, { path, host, journal }: Swap): Promise<void> {
  try {
    journal?.clear();
    writer.opened();
    await host.folder.sync(path);
  } catch (error) {
    writer.commits.fail(hostError(error, `swap ${path}`));
  }
}
