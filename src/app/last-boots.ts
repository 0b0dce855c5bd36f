import type { Selectable } from "kysely";
import type { Book, Tables } from "../storage/book.ts";

/** A statement of SQLite takes so many values at the least. */
const CHUNK = 500;

/** A node's newest boot. */
export const lastBootOf = (book: Book, nodeId: string) =>
  book
    .selectFrom("boot")
    .selectAll()
    .where("nodeId", "=", nodeId)
    .orderBy("startedMs", "desc")
    .limit(1)
    .executeTakeFirst();

/** The newest boot of each of these nodes, by node id: a few statements for thousands of nodes. */
export async function lastBoots(
  book: Book,
  nodeIds: readonly string[],
): Promise<Map<string, Selectable<Tables["boot"]>>> {
  const found = new Map<string, Selectable<Tables["boot"]>>();
  for (let at = 0; at < nodeIds.length; at += CHUNK) {
    const rows = await book
      .selectFrom("boot")
      .selectAll()
      .where("id", "in", (query) =>
        query
          .selectFrom("node")
          .select((node) =>
            node
              .selectFrom("boot as b")
              .select("b.id")
              .whereRef("b.nodeId", "=", "node.id")
              .orderBy("b.startedMs", "desc")
              .limit(1)
              .as("last"),
          )
          .where("node.id", "in", nodeIds.slice(at, at + CHUNK)),
      )
      .execute();
    for (const row of rows) found.set(row.nodeId, row);
  }
  return found;
}
