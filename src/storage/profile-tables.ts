import type { Kysely, Migration } from "kysely";

/** What the book keeps of profiles beside their settings. */
export interface ProfileTables {
  /** JSON of a profile's templates; no row: it has none. */
  template: { profile: string; text: string };
  /** Write-only: no view shows `value`. */
  profileSecret: { profile: string; name: string; value: string; setMs: number };
  /** A node's number within its profile, which it keeps while it stays. */
  member: { nodeId: string; profile: string; number: number };
  /** The cluster that a profile's nodes form: who made it, on which clone (its instance), and how the others join. */
  cluster: {
    profile: string;
    nodeId: string;
    instance: string;
    address: string;
    token: string;
    atMs: number;
  };
}

export const profileMigrations: Record<string, Migration> = {
  "2026-11-x-profiles": {
    async up(db: Kysely<unknown>) {
      await db.schema
        .createTable("template")
        .addColumn("profile", "text", (c) => c.primaryKey())
        .addColumn("text", "text", (c) => c.notNull())
        .execute();
      await db.schema
        .createTable("profileSecret")
        .addColumn("profile", "text", (c) => c.notNull())
        .addColumn("name", "text", (c) => c.notNull())
        .addColumn("value", "text", (c) => c.notNull())
        .addColumn("setMs", "integer", (c) => c.notNull())
        .addPrimaryKeyConstraint("profileSecret_key", ["profile", "name"])
        .execute();
      await db.schema
        .createTable("member")
        .addColumn("nodeId", "text", (c) => c.primaryKey())
        .addColumn("profile", "text", (c) => c.notNull())
        .addColumn("number", "integer", (c) => c.notNull())
        .addUniqueConstraint("member_number", ["profile", "number"])
        .execute();
      await db.schema
        .createTable("cluster")
        .addColumn("profile", "text", (c) => c.primaryKey())
        .addColumn("nodeId", "text", (c) => c.notNull())
        .addColumn("instance", "text", (c) => c.notNull())
        .addColumn("address", "text", (c) => c.notNull())
        .addColumn("token", "text", (c) => c.notNull())
        .addColumn("atMs", "integer", (c) => c.notNull())
        .execute();
    },
  },
};
