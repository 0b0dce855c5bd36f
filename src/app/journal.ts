import type { Insertable, Selectable, Updateable } from "kysely";
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

/** Told what stands in the book now. */
export interface Written {
  event(row: Selectable<Tables["event"]>): void;
  boot(id: string): void;
}

/** Rows for the book, written together: one fsync for all that came within 50 ms, so that no packet waits for the disk. */
export function openJournal(book: Book, failed: (error: unknown) => void, written?: Written): Journal {
  let queue: ((trx: Book) => Promise<(() => void) | undefined>)[] = [];
  let timer: NodeJS.Timeout | undefined;
  let writing: Promise<void> = Promise.resolve();
  let events = 0;
  const recent = new Map<string, number>();

  /** `write` ends in what is to be told after the commit. */
  function add(write: (trx: Book) => Promise<(() => void) | undefined>): void {
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
        .then(async () => {
          const told: ((() => void) | undefined)[] = [];
          await book.transaction().execute(async (trx) => {
            for (const write of batch) told.push(await write(trx));
          });
          for (const tell of told) tell?.();
        })
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
      add(async (trx) => {
        const row = { atMs: now, nodeId: nodeId ?? null, kind, words };
        const { insertId } = await trx
          .insertInto("event")
          .values(row as never)
          .executeTakeFirstOrThrow();
        return () => written?.event({ id: Number(insertId), ...row });
      });
      if (++events % 1_000 === 0) {
        add(async (trx) => {
          await trx
            .deleteFrom("event")
            .where("id", "<", (query) =>
              query.selectFrom("event").select((e) => e(e.fn.max("id"), "-", MOST_EVENTS).as("oldest")),
            )
            .execute();
          return undefined;
        });
      }
    },
    boot: (row) =>
      add(async (trx) => {
        await trx.insertInto("boot").values(row).execute();
        return () => written?.boot(row.id);
      }),
    bootUpdate: (id, set) =>
      add(async (trx) => {
        await trx.updateTable("boot").set(set).where("id", "=", id).execute();
        return () => written?.boot(id);
      }),
    step: (row) =>
      add(async (trx) => {
        await trx.insertInto("step").values(row).execute();
        return () => written?.boot(row.bootId);
      }),
    flush,
    close: flush,
  };
}
