import type { Selectable } from "kysely";
import type { BootView } from "../api/contract.ts";
import type { Book, Tables } from "../storage/book.ts";
import type { NewsDesk } from "./news.ts";
import type { Registry } from "./registry.ts";
import { bootView } from "./views.ts";

/** A statement of SQLite takes so many values at the least. */
const CHUNK = 500;

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

export interface LastBoots {
  /** By node id, of those that have booted. */
  of(nodeIds: readonly string[]): Promise<ReadonlyMap<string, BootView>>;
  one(nodeId: string): Promise<BootView | undefined>;
}

/** The same, kept in memory until news of a node or its boots comes: lists of nodes are read far more often than boots change. */
export function lastBootsOf({
  book,
  registry,
  news,
}: {
  book: Book;
  registry: Registry;
  news: Pick<NewsDesk, "listen">;
}): LastBoots {
  const known = new Map<string, BootView | undefined>();
  /** Nodes of which there was news while rows were read: what was read may be of before. */
  const reading = new Set<Set<string>>();
  news.listen((told) => {
    const node = told.about === "boot" ? told.node : told.about === "node" ? told.id : undefined;
    if (node === undefined) return;
    known.delete(node);
    for (const overtaken of reading) overtaken.add(node);
  });

  async function read(nodeIds: readonly string[]): Promise<Map<string, BootView>> {
    const overtaken = new Set<string>();
    reading.add(overtaken);
    try {
      const rows = await lastBoots(book, nodeIds);
      const found = new Map<string, BootView>();
      for (const id of nodeIds) {
        const row = rows.get(id);
        const view = row && bootView(row, registry);
        if (view) found.set(id, view);
        if (!overtaken.has(id) && registry.byId(id)) known.set(id, view);
      }
      return found;
    } finally {
      reading.delete(overtaken);
    }
  }

  async function of(nodeIds: readonly string[]): Promise<ReadonlyMap<string, BootView>> {
    const missing = nodeIds.filter((id) => !known.has(id));
    const found = missing.length > 0 ? await read(missing) : new Map<string, BootView>();
    for (const id of nodeIds) {
      const view = known.get(id);
      if (view && !found.has(id)) found.set(id, view);
    }
    return found;
  }
  return { of, one: async (nodeId) => (await of([nodeId])).get(nodeId) };
}
