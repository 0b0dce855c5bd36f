import type { Book } from "../../storage/book.ts";
import type { Metrics } from "./metrics.ts";

const AT_ONCE = 5_000;

/** Counts changes of nodes' states from their history, where each stands once: those since the last time that somebody asked. */
export function transitionCounts(book: Book, metrics: Metrics): () => Promise<void> {
  let last: number | undefined;
  return async () => {
    if (last === undefined) {
      const newest = await book
        .selectFrom("lifeEvent")
        .select((e) => e.fn.max("id").as("id"))
        .executeTakeFirst();
      last = Number(newest?.id ?? 0);
      return;
    }
    const rows = await book
      .selectFrom("lifeEvent")
      .select(["id", "from", "to", "by"])
      .where("id", ">", last)
      .orderBy("id")
      .limit(AT_ONCE)
      .execute();
    for (const { id, from, to, by } of rows) {
      last = id;
      if (from !== to) metrics.transitions.inc({ from, to, actor_kind: by.split(" ")[0] ?? "" });
    }
  };
}
