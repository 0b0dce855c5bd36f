import type { Insertable, Selectable, Updateable } from "kysely";
import type { Book, Tables } from "../storage/book.ts";

const EVERY_MS = 50;
/** Readers who want what was told just now share a commit: each is an fsync, and nobody waits longer than this for the next. */
const APART_MS = 15;
/** The book keeps this many events: a board that asks for ever must not fill the disk. */
const MOST_EVENTS = 200_000;
/** The same words about the same node within this time are one event. */
const SAME_MS = 60_000;
/** Rows of one statement; SQLite takes 32,766 values. */
const ROWS = 64;

type NewStep = Insertable<Tables["step"]>;
type NewBoot = Insertable<Tables["boot"]>;
type BootSet = Updateable<Tables["boot"]>;

export interface Journal {
  /** A decision, its reason, or a mishap, on the node's page. */
  event(kind: string, nodeId: string | undefined, words: string): void;
  boot(row: NewBoot): void;
  bootUpdate(id: string, set: BootSet): void;
  step(row: NewStep): void;
  /** Everything told before is in the book when this ends. */
  flush(): Promise<void>;
  /** The same of events alone: steps of boots may still wait. Most readers of events find none that does, and cause no commit. */
  flushEvents(): Promise<void>;
  close(): Promise<void>;
}

/** Told what stands in the book now. */
export interface Written {
  event(row: Selectable<Tables["event"]>): void;
  boot(id: string, nodeId: string): void;
}

/** What was told and is not written yet. */
interface Batch {
  events: Omit<Selectable<Tables["event"]>, "id">[];
  boots: Map<string, NewBoot>;
  sets: Map<string, BootSet>;
  steps: NewStep[];
  /** Boots that something is told of. */
  touched: Set<string>;
  /** Events beyond those that are kept go. */
  prune?: boolean;
}
const emptyBatch = (): Batch => ({
  events: [],
  boots: new Map(),
  sets: new Map(),
  steps: [],
  touched: new Set(),
});
const isEmpty = ({ events, touched }: Batch) => events.length === 0 && touched.size === 0;

/**
 * Rows for the book, written together: one fsync for all that came within 50 ms, so that no packet waits for the disk. Many changes of
 * one boot are one row's change, and rows of a kind go in by one statement.
 */
export function openJournal(book: Book, failed: (error: unknown) => void, written?: Written): Journal {
  let batch = emptyBatch();
  let timer: NodeJS.Timeout | undefined;
  let due = Number.POSITIVE_INFINITY;
  let waiting: (() => void)[] = [];
  let writing: Promise<void> = Promise.resolve();
  /** The last commit with events. */
  let writingEvents: Promise<void> = Promise.resolve();
  let lastMs = -APART_MS;
  let closed = false;
  let events = 0;
  const recent = new Map<string, number>();
  const ownerOf = bootOwners(book);

  function writeBy(at: number): void {
    if (due <= at || closed) return;
    clearTimeout(timer);
    due = at;
    timer = setTimeout(commit, Math.max(0, at - performance.now()));
  }
  function told(bootId?: string): void {
    if (bootId !== undefined) batch.touched.add(bootId);
    writeBy(performance.now() + EVERY_MS);
  }
  function commit(): Promise<void> {
    clearTimeout(timer);
    due = Number.POSITIVE_INFINITY;
    lastMs = performance.now();
    const now = batch;
    const heard = waiting;
    batch = emptyBatch();
    waiting = [];
    writing = writing
      .then(() => put(now))
      .catch(failed)
      .then(() => {
        lastMs = performance.now();
        for (const resolve of heard) resolve();
      });
    if (now.events.length > 0) writingEvents = writing;
    return writing;
  }
  function flush(): Promise<void> {
    if (isEmpty(batch)) return writing;
    const at = lastMs + APART_MS;
    if (at <= performance.now() || closed) return commit();
    return new Promise((resolve) => {
      waiting.push(resolve);
      writeBy(at);
    });
  }
  async function put(now: Batch): Promise<void> {
    if (isEmpty(now)) return;
    const rows = await book.transaction().execute((trx) => insert(trx, now));
    for (const { id, nodeId } of now.boots.values()) ownerOf.learn(id, nodeId);
    for (const row of rows) written?.event(row);
    if (!written) return;
    const owners = await ownerOf.all([...now.touched]);
    for (const [id, nodeId] of owners) written.boot(id, nodeId);
  }

  return {
    event(kind, nodeId, words) {
      const now = Date.now();
      const same = `${kind} ${nodeId} ${words}`;
      if (now - (recent.get(same) ?? 0) < SAME_MS) return;
      if (recent.size > 10_000) recent.clear();
      recent.set(same, now);
      batch.events.push({ atMs: now, nodeId: nodeId ?? null, kind, words });
      if (++events % 1_000 === 0) batch.prune = true;
      told();
    },
    boot(row) {
      batch.boots.set(row.id, { ...row });
      told(row.id);
    },
    bootUpdate(id, set) {
      const known = batch.boots.get(id) ?? batch.sets.get(id);
      if (known) Object.assign(known, set);
      else batch.sets.set(id, { ...set });
      told(id);
    },
    step(row) {
      batch.steps.push(row);
      told(row.bootId);
    },
    flush,
    flushEvents: () => (batch.events.length === 0 ? writingEvents : flush()),
    close() {
      closed = true; // the book goes next: what is still told has nowhere to stand
      return commit();
    },
  };
}

/** Ends in the events as they stand in the book. */
async function insert(trx: Book, { boots, sets, steps, events, prune }: Batch) {
  for (const rows of chunks([...boots.values()])) await trx.insertInto("boot").values(rows).execute();
  for (const [id, set] of sets) await trx.updateTable("boot").set(set).where("id", "=", id).execute();
  for (const rows of chunks(steps)) await trx.insertInto("step").values(rows).execute();
  const stand: Selectable<Tables["event"]>[] = [];
  for (const rows of chunks(events)) {
    const made = await trx
      .insertInto("event")
      .values(rows as never)
      .returning("id")
      .execute();
    // ids go up in the order of the rows; the order of what is returned is not promised (sqlite.org/lang_returning.html)
    const ids = made.map(({ id }) => Number(id)).sort((a, b) => a - b);
    rows.forEach((row, n) => void stand.push({ id: ids[n] ?? 0, ...row }));
  }
  if (prune) {
    await trx
      .deleteFrom("event")
      .where("id", "<", (query) =>
        query.selectFrom("event").select((e) => e(e.fn.max("id"), "-", MOST_EVENTS).as("oldest")),
      )
      .execute();
  }
  return stand;
}

function* chunks<T>(rows: readonly T[]): Generator<T[]> {
  for (let at = 0; at < rows.length; at += ROWS) yield rows.slice(at, at + ROWS);
}

/** Whose boots they are: those of this process from memory, older ones from the book. */
function bootOwners(book: Book, most = 20_000) {
  const known = new Map<string, string>();
  function learn(id: string, nodeId: string): void {
    if (known.size >= most) known.clear();
    known.set(id, nodeId);
  }
  return {
    learn,
    async all(ids: readonly string[]): Promise<[id: string, nodeId: string][]> {
      for (const some of chunks(ids.filter((id) => !known.has(id)))) {
        const rows = await book.selectFrom("boot").select(["id", "nodeId"]).where("id", "in", some).execute();
        for (const { id, nodeId } of rows) learn(id, nodeId);
      }
      return ids.flatMap((id) => {
        const nodeId = known.get(id);
        return nodeId === undefined ? [] : [[id, nodeId] as [string, string]];
      });
    },
  };
}
