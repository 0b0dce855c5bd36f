import type { Reader, StreamSource } from "../../api/stream.ts";
import type { Actor } from "../../fleet/actor.ts";
import type { Core } from "../core.ts";
import { eventView } from "../views.ts";

type Needed = Pick<Core, "book" | "registry" | "journal" | "news">;

/** The book's events and the news desk, as the stream wants them. */
export function streamSource({ book, registry, journal, news }: Needed): StreamSource {
  return {
    async since(after, limit) {
      await journal.flush();
      const rows = await book
        .selectFrom("event")
        .selectAll()
        .where("id", ">", after)
        .orderBy("id")
        .limit(limit)
        .execute();
      return rows.map((row) => eventView(row, registry));
    },
    async ends() {
      await journal.flush();
      const row = await book
        .selectFrom("event")
        .select((e) => [e.fn.min("id").as("oldest"), e.fn.max("id").as("newest")])
        .executeTakeFirst();
      return { oldest: Number(row?.oldest ?? 0), newest: Number(row?.newest ?? 0) };
    },
    listen: (told) => news.listen(told),
  };
}

/** What a reader of the stream may hear of: users are the admins' affair, and a tenant has its own nodes only. */
export function readerFor({ registry }: Pick<Core, "registry">, by: Actor): Reader {
  if (by.kind !== "tenant") return { sees: (about) => about !== "user" || by.kind === "admin" };
  const isOwn = (node: string | undefined) => {
    if (node === undefined) return false;
    const found = registry.byId(node) ?? registry.byName(node);
    return found?.owner === by.name;
  };
  return { sees: (_, node) => isOwn(node) };
}
