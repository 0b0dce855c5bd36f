import type { Selectable } from "kysely";
import type { AuditView } from "../../api/access-contract.ts";
import type { Actor } from "../../fleet/actor.ts";
import type { Book, Tables } from "../../storage/book.ts";
import { digest } from "./secrets.ts";

/** What is kept of one call's arguments and changes. */
const LONGEST = 16 * 1024;
const KEEP_MS = 400 * 86_400_000;
const FIRST = "0".repeat(64);
const CHUNK = 1_000;

export interface AuditEntry {
  by: Actor;
  action: string;
  target?: string | undefined;
  args?: unknown;
  before?: unknown;
  after?: unknown;
  /** `ok`, or the code of an error. */
  result: string;
  request?: string | undefined;
}
export interface AuditQuery {
  target?: string;
  by?: string;
  action?: string;
  sinceMs?: number;
  untilMs?: number;
  limit?: number;
  after?: number;
}

type Row = Selectable<Tables["audit"]>;
/** The hash of a record: over the hash before it and all that the record says. */
const chained = (before: string, row: Omit<Row, "hash" | "id">): string =>
  digest(
    JSON.stringify([
      before,
      row.atMs,
      row.role,
      row.by,
      row.from,
      row.action,
      row.target,
      row.detail,
      row.result,
      row.request,
    ]),
  );

export type Audit = ReturnType<typeof auditOf>;

/** Who did what, and who tried: an append-only table in which each record carries the hash of the one before. */
export function auditOf(book: Book, now: () => number, warn: (words: string) => void) {
  let writing: Promise<void> = Promise.resolve();
  let count = 0;

  async function write(entry: AuditEntry): Promise<void> {
    const { by, args, before, after } = entry;
    const detail = JSON.stringify({ args, before, after });
    const row = {
      atMs: now(),
      role: by.kind,
      by: by.name,
      from: by.from ?? null,
      action: entry.action,
      target: entry.target ?? null,
      detail:
        detail.length <= LONGEST ? detail : JSON.stringify({ args: `left out: ${detail.length} characters` }),
      result: entry.result,
      request: entry.request ?? null,
    };
    await book.transaction().execute(async (trx) => {
      const last = await trx
        .selectFrom("audit")
        .select("hash")
        .orderBy("id", "desc")
        .limit(1)
        .executeTakeFirst();
      await trx
        .insertInto("audit")
        .values({ ...row, hash: chained(last?.hash ?? FIRST, row) })
        .execute();
      if (count++ % 1_000 === 0) await prune(trx);
    });
  }
  /** Old records go; the newest stays, so that the chain goes on from it. */
  const prune = (trx: Book) =>
    trx
      .deleteFrom("audit")
      .where("atMs", "<", now() - KEEP_MS)
      .where("id", "<", (query) => query.selectFrom("audit").select((e) => e.fn.max("id").as("newest")))
      .execute();

  return {
    /**
     * One after the other, since each stands on the one before. In the book when it ends; where the book cannot be written, as on a full disk,
     * the log on the terminal has it, and what is recorded goes on: else nobody could make room.
     */
    record(entry: AuditEntry): Promise<void> {
      writing = writing
        .then(() => write(entry))
        .catch(({ message }: Error) => {
          const { by, action, target = "", result } = entry;
          warn(`not in the audit log (${message}): ${by.kind} ${by.name}: ${action} ${target}: ${result}`);
        });
      return writing;
    },
    async query({ target, by, action, sinceMs, untilMs, limit = 50, after }: AuditQuery) {
      let query = book.selectFrom("audit").selectAll().orderBy("id", "desc").limit(limit);
      if (target !== undefined) query = query.where("target", "=", target);
      if (by !== undefined) query = query.where("by", "=", by);
      if (action !== undefined) query = query.where("action", "=", action);
      if (sinceMs !== undefined) query = query.where("atMs", ">=", sinceMs);
      if (untilMs !== undefined) query = query.where("atMs", "<=", untilMs);
      if (after !== undefined) query = query.where("id", "<", after);
      return (await query.execute()).map(view);
    },
    /** Reads the whole chain. After records were dropped for their age it begins with the hash that is there. */
    async check() {
      let [records, last, firstId, lastId] = [0, FIRST, 0, 0];
      for (;;) {
        const rows = await book
          .selectFrom("audit")
          .selectAll()
          .where("id", ">", lastId)
          .orderBy("id")
          .limit(CHUNK)
          .execute();
        for (const row of rows) {
          const isFirst = records === 0;
          if (isFirst) firstId = row.id;
          const follows = chained(last, row) === row.hash;
          if (!follows && !(isFirst && row.id > 1)) return { records, firstId, lastId, brokenAt: row.id };
          [records, last, lastId] = [records + 1, row.hash, row.id];
        }
        if (rows.length < CHUNK) return { records, ...(records > 0 && { firstId, lastId, head: last }) };
      }
    },
  };
}

const view = (row: Row): AuditView => ({
  id: row.id,
  atMs: row.atMs,
  role: row.role,
  by: row.by,
  action: row.action,
  result: row.result,
  ...(JSON.parse(row.detail) as object),
  ...(row.from !== null && { from: row.from }),
  ...(row.target !== null && { target: row.target }),
  ...(row.request !== null && { request: row.request }),
});
