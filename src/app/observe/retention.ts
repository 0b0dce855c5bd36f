// How long the book remembers. What is too old goes in small steps, so that no boot waits, and its space goes back to the file system.
import { sql } from "kysely";
import type { PrunedView, RetentionView } from "../../api/observe-contract.ts";
import { type Book, emptyLog, shrinkBook } from "../../storage/book.ts";
import { readSetting, writeSetting } from "../settings.ts";

const DEFAULTS: RetentionView = { eventDays: 90, bootDays: 180, consoleDays: 7 };
const NAMES = Object.keys(DEFAULTS) as (keyof RetentionView)[];
const DAY_MS = 86_400_000;
const AT_ONCE = 1_000;
/** Pages that SQLite gives back in one step: 4 MiB of 4 KiB pages. */
const PAGES_AT_ONCE = 1_024;
const EVERY_MS = 3_600_000;

export async function readRetention(book: Book): Promise<RetentionView> {
  const out = { ...DEFAULTS };
  for (const name of NAMES) {
    const value = await readSetting(book, `keep.${name}`);
    if (value !== undefined) out[name] = Number(value);
  }
  return out;
}

export async function writeRetention(book: Book, wish: Partial<RetentionView>): Promise<RetentionView> {
  for (const name of NAMES) {
    const days = wish[name];
    if (days !== undefined) await writeSetting(book, `keep.${name}`, String(days));
  }
  return readRetention(book);
}

/** Deletes what is older than it is to be kept. A node's newest boot stays, and one that has not ended. */
export async function prune(book: Book, nowMs: number): Promise<PrunedView> {
  const keep = await readRetention(book);
  const before = await pages(book);
  const events = await inSteps(() =>
    book
      .deleteFrom("event")
      .where("id", "in", (e) =>
        e
          .selectFrom("event")
          .select("id")
          .where("atMs", "<", nowMs - keep.eventDays * DAY_MS)
          .limit(AT_ONCE),
      )
      .executeTakeFirst(),
  );
  const consoles = await inSteps(() =>
    book
      .deleteFrom("consoleChunk")
      .where("atMs", "<", nowMs - keep.consoleDays * DAY_MS)
      .executeTakeFirst(),
  );
  const boots = await pruneBoots(book, nowMs - keep.bootDays * DAY_MS);
  await giveBack(book);
  const after = await pages(book);
  return { events, boots, consoles, bytes: Math.max(0, (before.count - after.count) * before.size) };
}

async function pruneBoots(book: Book, beforeMs: number): Promise<number> {
  let removed = 0;
  for (;;) {
    const old = await book
      .selectFrom("boot as b")
      .select("b.id")
      .where("b.startedMs", "<", beforeMs)
      .where("b.endedMs", "is not", null)
      .where((e) =>
        e.exists(
          e
            .selectFrom("boot as newer")
            .select("newer.id")
            .whereRef("newer.nodeId", "=", "b.nodeId")
            .whereRef("newer.startedMs", ">", "b.startedMs"),
        ),
      )
      .limit(100)
      .execute();
    if (old.length === 0) return removed;
    const ids = old.map(({ id }) => id);
    await book.transaction().execute(async (trx) => {
      await trx.deleteFrom("step").where("bootId", "in", ids).execute();
      await trx.deleteFrom("consoleChunk").where("bootId", "in", ids).execute();
      await trx.deleteFrom("boot").where("id", "in", ids).execute();
    });
    removed += ids.length;
    await pause();
  }
}

async function inSteps(step: () => Promise<{ numDeletedRows: bigint }>): Promise<number> {
  let removed = 0;
  for (;;) {
    const now = Number((await step()).numDeletedRows);
    removed += now;
    if (now < AT_ONCE) return removed;
    await pause();
  }
}

const pause = () => new Promise<void>((go) => setImmediate(go));

async function pages(book: Book): Promise<{ count: number; free: number; size: number }> {
  const one = async (name: string) =>
    Number(
      Object.values((await sql<object>`${sql.raw(`PRAGMA ${name}`)}`.execute(book)).rows[0] ?? {})[0] ?? 0,
    );
  return { count: await one("page_count"), free: await one("freelist_count"), size: await one("page_size") };
}

/** The book keeps its free pages at hand for what comes next (a tenth of it); the rest goes back. */
async function giveBack(book: Book): Promise<void> {
  for (;;) {
    const { count, free } = await pages(book);
    if (free <= count / 10) break;
    shrinkBook(book, PAGES_AT_ONCE);
    if ((await pages(book)).free === free) break; // a book of before, which cannot
    await pause();
  }
  await emptyLog(book);
}

/** Prunes soon after a start, then every hour. */
export function pruning(
  book: Book,
  now: () => number,
  failed: (error: unknown) => void,
): { close(): Promise<void> } {
  let working: Promise<unknown> = Promise.resolve();
  const work = () => {
    working = prune(book, now()).catch(failed);
  };
  const soon = setTimeout(work, EVERY_MS / 60);
  const timer = setInterval(work, EVERY_MS);
  for (const one of [soon, timer]) one.unref();
  return {
    async close() {
      clearTimeout(soon);
      clearInterval(timer);
      await working;
    },
  };
}
