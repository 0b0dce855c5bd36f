import { type Clone, openClone } from "../../storage/clones/clone.ts";

/** A clone that is open in this thread. */
export interface HeldClone {
  clone: Promise<Clone>;
  /** Sessions that have it open: NBD connections, iSCSI sessions. */
  sessions: number;
  idle?: NodeJS.Timeout;
}

/** The clones that this thread has open: the only owner that each of them has. */
export interface OpenClones {
  /** Opens the clone if it is not open; it stays so for as long as it has sessions, and a while after the last question. */
  hold(path: string): HeldClone;
  /** Has a node, or a tool, this clone open? */
  busy(path: string): boolean;
  /** Closes a clone that has no session: whoever wants to change its files by other ways. */
  release(path: string): Promise<void>;
  close(): Promise<void>;
}

/** A clone that nobody has asked about for this long is closed. */
const IDLE_MS = 30_000;

export function openClones(open: (path: string) => Promise<Clone> = openClone): OpenClones {
  const held = new Map<string, HeldClone>();
  const closing = new Map<string, Promise<void>>();

  function hold(path: string): HeldClone {
    let known = held.get(path);
    if (!known) {
      const ended = closing.get(path)?.catch(() => {}); // told to whoever closed it
      const fresh: HeldClone = { clone: ended ? ended.then(() => open(path)) : open(path), sessions: 0 };
      known = fresh;
      held.set(path, fresh);
      // Whoever asked gets the error; the next one tries anew.
      fresh.clone.catch(() => held.get(path) === fresh && held.delete(path));
    }
    clearTimeout(known.idle);
    known.idle = setTimeout(() => {
      release(path).catch(() => {}); // the close failed: the next open takes up what its journal holds
    }, IDLE_MS).unref();
    return known;
  }

  async function release(path: string): Promise<void> {
    const known = held.get(path);
    if (!known || known.sessions > 0) return;
    clearTimeout(known.idle);
    held.delete(path);
    const closed = known.clone.then((clone) => clone.close());
    closing.set(path, closed);
    try {
      await closed;
    } finally {
      if (closing.get(path) === closed) closing.delete(path);
    }
  }

  return {
    hold,
    release,
    busy: (path) => (held.get(path)?.sessions ?? 0) > 0,
    async close() {
      const all = [...held.values()];
      held.clear();
      for (const one of all) clearTimeout(one.idle);
      const ends = await Promise.allSettled(all.map(async (one) => (await one.clone).close()));
      for (const end of ends) if (end.status === "rejected") throw end.reason;
    },
  };
}
