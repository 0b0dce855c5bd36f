// What is still to be done for nodes, one after the other for each, as it stands in the book. A kill at any moment costs nothing: what was
// not taken out of the book is done again, so whatever does it must bear that.
import type { Selectable } from "kysely";
import type { Effect, EffectKind } from "../../fleet/lifecycle-table.ts";
import type { Book, Tables } from "../../storage/book.ts";

export interface Job {
  id: number;
  nodeId: string;
  effect: Effect;
  /** It was begun before, at that time: by us, or by a process that was killed. */
  begunMs?: number;
  tries: number;
}

export interface OutboxOptions {
  book: Book;
  now(): number;
  /** Does it, and says in words what came of it; undefined where nothing is worth telling. */
  perform(job: Job): Promise<string | undefined>;
  /** It was done: the words are for the node's page, in the transaction that takes the job out. */
  done(trx: Book, job: Job, words: string | undefined): Promise<(() => void) | undefined>;
  /** It failed: true when it is to be tried again later. */
  failed(job: Job, error: Error): Promise<boolean>;
  /** Not now. */
  waits(job: Job): boolean;
}

const AGAIN_MS = [1_000, 10_000, 30_000, 60_000] as const;
/** Nodes that are worked for at once. */
const AT_ONCE = 16;
/** Between two tries of these it matters to know that one was begun. */
const MARKED: ReadonlySet<EffectKind> = new Set(["power"]);

export function outbox(options: OutboxOptions) {
  const { book, now } = options;
  const running = new Map<string, Promise<void>>();
  const later = new Map<string, number>();
  const queue: (() => void)[] = [];
  let busy = 0;
  let closed = false;

  async function turn(): Promise<void> {
    if (busy < AT_ONCE) busy += 1;
    else await new Promise<void>((go) => queue.push(go));
  }
  function over(): void {
    const next = queue.shift();
    if (next) next();
    else busy -= 1;
  }

  async function next(nodeId: string): Promise<Job | undefined> {
    const row = await book
      .selectFrom("effect")
      .selectAll()
      .where("nodeId", "=", nodeId)
      .orderBy("id")
      .limit(1)
      .executeTakeFirst();
    return row && jobOf(row);
  }

  async function workOn(nodeId: string): Promise<void> {
    await turn();
    try {
      for (let job = await next(nodeId); job && !closed; job = await next(nodeId)) {
        if (options.waits(job)) return;
        if (!(await work(job))) return;
      }
    } finally {
      over();
    }
  }

  /** False: not now, or not again. */
  async function work(job: Job): Promise<boolean> {
    if (MARKED.has(job.effect.kind) && job.begunMs === undefined)
      await book.updateTable("effect").set({ begunMs: now() }).where("id", "=", job.id).execute();
    let words: string | undefined;
    try {
      words = await options.perform(job);
    } catch (thrown) {
      if (closed) return false;
      const error = thrown as Error;
      const tries = job.tries + 1;
      await book
        .updateTable("effect")
        .set({ tries, error: error.message })
        .where("id", "=", job.id)
        .execute();
      if (!(await options.failed({ ...job, tries }, error))) return true; // whatever comes instead is in the book now
      later.set(job.nodeId, now() + (AGAIN_MS[Math.min(tries, AGAIN_MS.length) - 1] ?? 0));
      return false;
    }
    const tell = await book.transaction().execute(async (trx) => {
      const { numDeletedRows } = await trx
        .deleteFrom("effect")
        .where("id", "=", job.id)
        .executeTakeFirstOrThrow();
      // else it was called off meanwhile, or has taken itself out with what it ends in
      return numDeletedRows > 0n ? options.done(trx, job, words) : undefined;
    });
    tell?.();
    return true;
  }

  /** There may be something to do for a node. Its jobs never overlap. */
  function kick(nodeId: string): void {
    if (closed) return;
    later.delete(nodeId);
    const before = running.get(nodeId);
    const promise = (before ?? Promise.resolve())
      .then(() => workOn(nodeId))
      .catch(() => {
        later.set(nodeId, now() + 10_000); // the book could not be written: everything stands in it still
      })
      .finally(() => {
        if (running.get(nodeId) === promise) running.delete(nodeId);
      });
    running.set(nodeId, promise);
  }

  return {
    kick,
    /** Every node for which something is left to be done. */
    async all(): Promise<Job[]> {
      const rows = await book.selectFrom("effect").selectAll().orderBy("id").execute();
      return rows.map(jobOf);
    },
    tick(): void {
      const at = now();
      for (const [nodeId, atMs] of later) if (atMs <= at) kick(nodeId);
    },
    /** Ends when all that can be done now is done. */
    async settled(): Promise<void> {
      while (running.size > 0) await Promise.all(running.values());
    },
    async close(): Promise<void> {
      closed = true;
      for (const go of queue.splice(0)) go();
      while (running.size > 0) await Promise.all(running.values());
    },
  };
}

const jobOf = (row: Selectable<Tables["effect"]>): Job => ({
  id: row.id,
  nodeId: row.nodeId,
  effect: JSON.parse(row.effect) as Effect,
  tries: row.tries,
  ...(row.begunMs !== null && { begunMs: row.begunMs }),
});
