import { type Kysely, type Migration, sql } from "kysely";

/** Columns of `node` that only the life cycle writes: each change of them is one transaction with its row of `lifeEvent`. */
export interface LifeColumns {
  state: string;
  /** One more with each change: who read an older one is refused. */
  version: number;
  owner: string | null;
  /** Why it is in maintenance. */
  maintenance: string | null;
  stateSinceMs: number;
  /** Of the try that is under way. */
  deadlineMs: number | null;
  /** Tries that this state has had; 1 is the first. */
  attempt: number;
  /** JSON: what it boots instead of what its state says. */
  override: string | null;
}

export interface LifeTables {
  /** What happened to nodes: only ever added to. (nodeId, version) is unique: no event is lost or comes twice. */
  lifeEvent: {
    id: number;
    nodeId: string;
    version: number;
    atMs: number;
    event: string;
    from: string;
    to: string;
    by: string;
    words: string;
    /** JSON of what came with it, without secrets. */
    args: string | null;
  };
  /** What is still to be done, in the order of `id` for each node; a row goes when its work is done. */
  effect: {
    id: number;
    nodeId: string;
    /** Of the change that asked for it. */
    version: number;
    /** JSON of fleet/lifecycle-table.ts Effect. */
    effect: string;
    atMs: number;
    /** It was begun then: a kill in between is told apart from work that was never begun. */
    begunMs: number | null;
    tries: number;
    error: string | null;
  };
  /** What a node's agent told of the board the last time. */
  inventory: { nodeId: string; atMs: number; text: string };
}

export const lifeMigrations: Record<string, Migration> = {
  "2026-11-y-life": {
    async up(db: Kysely<unknown>) {
      for (const column of ["version", "stateSinceMs", "attempt"])
        await db.schema
          .alterTable("node")
          .addColumn(column, "integer", (c) => c.notNull().defaultTo(0))
          .execute();
      await db.schema.alterTable("node").addColumn("deadlineMs", "integer").execute();
      for (const column of ["owner", "maintenance", "override"])
        await db.schema.alterTable("node").addColumn(column, "text").execute();
      await db.schema.alterTable("boot").addColumn("answer", "text").execute();
      await db.schema
        .createTable("lifeEvent")
        .addColumn("id", "integer", (c) => c.primaryKey().autoIncrement())
        .addColumn("nodeId", "text", (c) => c.notNull())
        .addColumn("version", "integer", (c) => c.notNull())
        .addColumn("atMs", "integer", (c) => c.notNull())
        .addColumn("event", "text", (c) => c.notNull())
        .addColumn("from", "text", (c) => c.notNull())
        .addColumn("to", "text", (c) => c.notNull())
        .addColumn("by", "text", (c) => c.notNull())
        .addColumn("words", "text", (c) => c.notNull())
        .addColumn("args", "text")
        .addUniqueConstraint("lifeEvent_once", ["nodeId", "version"])
        .execute();
      await db.schema
        .createTable("effect")
        .addColumn("id", "integer", (c) => c.primaryKey().autoIncrement())
        .addColumn("nodeId", "text", (c) => c.notNull())
        .addColumn("version", "integer", (c) => c.notNull())
        .addColumn("effect", "text", (c) => c.notNull())
        .addColumn("atMs", "integer", (c) => c.notNull())
        .addColumn("begunMs", "integer")
        .addColumn("tries", "integer", (c) => c.notNull().defaultTo(0))
        .addColumn("error", "text")
        .execute();
      await db.schema.createIndex("effect_by_node").on("effect").columns(["nodeId", "id"]).execute();
      await db.schema
        .createTable("inventory")
        .addColumn("nodeId", "text", (c) => c.primaryKey())
        .addColumn("atMs", "integer", (c) => c.notNull())
        .addColumn("text", "text", (c) => c.notNull())
        .execute();
      // Until now whoever was enrolled was booted: that is what `deployed` says.
      await sql`update node set state = 'deployed' where state = 'enrolled'`.execute(db);
      await sql`update node set "stateSinceMs" = "lastSeenMs"`.execute(db);
    },
  },
};
