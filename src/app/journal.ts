import type { Insertable, Updateable } from "kysely";
import type { Book, Tables } from "../storage/book.ts";

const EVERY_MS = 50;
/** The book keeps this many events: a board that asks for ever must not fill the disk. */
const MOST_EVENTS = 200_000;
/** The same words about the same node within this time are one event. */
const SAME_MS = 60_000;

export interface Journal {
  /** A decision, its reason, or a mishap, on the node's page. */
  event(kind: string, nodeId: string | undefined, words: string): void;
  boot(row: Insertable<Tables["boot"]>): void;
  bootUpdate(id: string, set: Updateable<Tables["boot"]>): void;
  step(row: Insertable<Tables["step"]>): void;
  /** Everything told before is in the book when this ends. */
  flush(): Promise<void>;
  close(): Promise<void>;
}

/** Rows for the book, written together: one fsync for all that came within 50 ms, so that no packet waits for the disk. */
export function openJournal(book: Book, failed: (error: unknown) => void): Journal {
  let queue: ((trx: Book) => Promise<unknown>)[] = [];
  let timer: NodeJS.Timeout | undefined;
  let writing: Promise<void> = Promise.resolve();
  let written = 0;
  const recent = new Map<string, number>();

  function add(write: (trx: Book) => Promise<unknown>): void {
    queue.push(write);
    timer ??= setTimeout(flush, EVERY_MS);
  }
  function flush(): Promise<void> {
    clearTimeout(timer);
    timer = undefined;
    const batch = queue;
    queue = [];
    if (batch.length > 0) {
      writing = writing
        .then(() =>
          book.transaction().execute(async (trx) => {
            for (const write of batch) await write(trx);
          }),
        )
        .catch(failed);
    }
    return writing;
  }

  return {
    event(kind, nodeId, words) {
      const now = Date.now();
      const same = `${kind} ${nodeId} ${words}`;
      if (now - (recent.get(same) ?? 0) < SAME_MS) return;
      if (recent.size > 10_000) recent.clear();
      recent.set(same, now);
      add((trx) =>
        trx
          .insertInto("event")
          .values({ atMs: now, nodeId: nodeId ?? null, kind, words } as never)
          .execute(),
      );
      if (++written % 1_000 === 0) {
        add((trx) =>
          trx
            .deleteFrom("event")
            .where("id", "<", (query) =>
              query.selectFrom("event").select((e) => e(e.fn.max("id"), "-", MOST_EVENTS).as("oldest")),
            )
            .execute(),
        );
      }
    },
    boot: (row) => add((trx) => trx.insertInto("boot").values(row).execute()),
    bootUpdate: (id, set) => add((trx) => trx.updateTable("boot").set(set).where("id", "=", id).execute()),
    step: (row) => add((trx) => trx.insertInto("step").values(row).execute()),
    flush,
    close: flush,
  };
}
