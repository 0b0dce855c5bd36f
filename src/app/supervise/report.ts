import type { ReliabilityRow } from "../../api/supervise-contract.ts";
import type { Boot, Outcome } from "../../fleet/boots.ts";
import { reliability, type Try } from "../../fleet/reliability.ts";
import type { Book } from "../../storage/book.ts";
import type { Registry } from "../registry.ts";

export type ReportBy = "node" | "model" | "image" | "switch";

const DAY_MS = 86_400_000;
/** So many of the newest tries count, and no more. */
const MOST = 100_000;
/** Rows at a time: what else the process has to do comes in between. */
const PAGE = 2_000;

/** Rows by what they are of, the least reliable first. */
export async function report(
  book: Book,
  registry: Registry,
  { by, sinceMs }: { by: ReportBy; sinceMs: number },
): Promise<ReliabilityRow[]> {
  const groups = new Map<string, Try[]>();
  for (let offset = 0; offset < MOST; offset += PAGE) {
    const rows = await page(book, sinceMs, offset);
    for (const { key, ...row } of rows) {
      const name = by === "node" ? (registry.byId(key.nodeId)?.name ?? key.nodeId) : (key[by] ?? "unknown");
      const list = groups.get(name);
      if (list) list.push(row);
      else groups.set(name, [row]);
    }
    if (rows.length < PAGE) break;
    await new Promise((resolve) => setImmediate(resolve));
  }
  return [...groups]
    .map(([of, tries]) => ({ of, ...reliability(tries) }))
    .sort((a, b) => a.firstTry - b.firstTry || b.failed - a.failed || (a.of < b.of ? -1 : 1));
}

export const sinceDays = (days: number, now: number): number => now - days * DAY_MS;

async function page(book: Book, sinceMs: number, offset: number) {
  const rows = await book
    .selectFrom("boot")
    .select(["nodeId", "model", "image", "switch", "outcome", "startedMs", "endedMs", "reached", "tries"])
    .select(["gaveUp", "cause"])
    .where("startedMs", ">=", sinceMs)
    .where("outcome", "is not", null)
    .orderBy("startedMs", "desc")
    .orderBy("id", "desc")
    .limit(PAGE)
    .offset(offset)
    .execute();
  return rows.map((row) => ({
    key: { nodeId: row.nodeId, model: row.model, image: row.image, switch: row.switch },
    outcome: (row.outcome ?? "failed") as Outcome,
    startedMs: row.startedMs,
    endedMs: row.endedMs ?? row.startedMs,
    reached: JSON.parse(row.reached ?? "{}") as Boot["reached"],
    tries: row.tries ?? 1,
    gaveUp: row.gaveUp === 1,
    ...(row.cause !== null && { cause: row.cause }),
  }));
}
