import { sql } from "kysely";
import type { Boot, Outcome } from "../../fleet/boots.ts";
import type { Book } from "../../storage/book.ts";

export interface PastBoot {
  nodeId: string;
  outcome: Outcome;
  stage: Boot["stage"];
  silences: Boot["silences"];
}

/** The last `count` boots of each node that have ended, newest first. */
export async function pastBoots(book: Book, count: number): Promise<PastBoot[]> {
  const rows = await book
    .selectFrom(
      book
        .selectFrom("boot")
        .select(["nodeId", "outcome", "stage", "silences", "startedMs"])
        .select(sql<number>`row_number() over (partition by "nodeId" order by "startedMs" desc)`.as("nth"))
        .where("outcome", "is not", null)
        .as("past"),
    )
    .selectAll()
    .where("nth", "<=", count)
    .orderBy("startedMs", "desc")
    .execute();
  return rows.map(({ nodeId, outcome, stage, silences }) => ({
    nodeId,
    outcome: (outcome ?? "failed") as Outcome,
    stage: stage as Boot["stage"],
    silences: JSON.parse(silences ?? "{}") as Boot["silences"],
  }));
}
