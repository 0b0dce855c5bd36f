import type { Kysely, Migration } from "kysely";

/** Columns of `boot` that supervision writes. */
export interface BootSuperviseColumns {
  /** Which try since the node was last up, from 1. */
  tries: number | null;
  /** Code of the diagnosis, where it did not come up. */
  cause: string | null;
  todo: string | null;
  /** JSON of fleet/boots.ts `reached` and `silences`: ms by stage. */
  reached: string | null;
  silences: string | null;
  /** The node's as they were then. */
  model: string | null;
  switch: string | null;
  /** 1: with this try the node was given up. */
  gaveUp: number | null;
}

export interface SuperviseTables {
  /** Nodes that are not up yet (fleet/supervision.ts). A node that is up has no row. */
  watch: {
    nodeId: string;
    phase: string;
    sinceMs: number;
    tries: number;
    cycles: number;
    restarts: number;
    gaveUp: number;
    dueMs: number | null;
    cause: string | null;
    words: string | null;
  };
}

export const superviseMigrations: Record<string, Migration> = {
  "2026-11-y-supervise": {
    async up(db: Kysely<unknown>) {
      for (const column of ["tries", "gaveUp"])
        await db.schema.alterTable("boot").addColumn(column, "integer").execute();
      for (const column of ["cause", "todo", "reached", "silences", "model", "switch"])
        await db.schema.alterTable("boot").addColumn(column, "text").execute();
      await db.schema.alterTable("step").addColumn("fact", "text").execute();
      await db.schema
        .createTable("watch")
        .addColumn("nodeId", "text", (c) => c.primaryKey())
        .addColumn("phase", "text", (c) => c.notNull())
        .addColumn("sinceMs", "integer", (c) => c.notNull())
        .addColumn("tries", "integer", (c) => c.notNull())
        .addColumn("cycles", "integer", (c) => c.notNull())
        .addColumn("restarts", "integer", (c) => c.notNull())
        .addColumn("gaveUp", "integer", (c) => c.notNull())
        .addColumn("dueMs", "integer")
        .addColumn("cause", "text")
        .addColumn("words", "text")
        .execute();
      await db.schema.createIndex("boot_by_end").on("boot").column("endedMs").execute();
    },
  },
};
