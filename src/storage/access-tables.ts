// Who may, and who did. Times are ms since 1970; secrets stand as hashes only.
import type { Generated, Kysely, Migration } from "kysely";

export interface AccessTables {
  user: {
    name: string;
    role: string;
    /** `scrypt$N$r$p$salt$hash`; null: no password opens it. */
    password: string | null;
    createdMs: number;
    lastLoginMs: number | null;
  };
  /** sha256 of the token; `user` null: it stands for itself. Scopes are JSON. */
  token: {
    id: string;
    hash: string;
    name: string;
    user: string | null;
    role: string;
    scopes: string;
    createdMs: number;
    expiresMs: number | null;
    lastUsedMs: number | null;
  };
  /** sha256 of the cookie. */
  session: {
    hash: string;
    user: string;
    csrf: string;
    createdMs: number;
    expiresMs: number;
    from: string | null;
  };
  audit: {
    id: Generated<number>;
    atMs: number;
    role: string;
    by: string;
    from: string | null;
    action: string;
    target: string | null;
    /** What is changed, as JSON: args, before, after. */
    detail: string;
    result: string;
    request: string | null;
    /** sha256 over the hash of the record before and this record. */
    hash: string;
  };
  task: {
    id: string;
    verb: string;
    target: string | null;
    by: string;
    state: string;
    result: string | null;
    error: string | null;
    startedMs: number;
    endedMs: number | null;
  };
  /** Answers kept by Idempotency-Key; status null: at work, or interrupted. */
  answer: {
    key: string;
    who: string;
    request: string;
    status: number | null;
    body: string | null;
    atMs: number;
  };
}

export const accessMigrations: Record<string, Migration> = {
  "2026-11-x-access": {
    async up(db: Kysely<unknown>) {
      await db.schema
        .createTable("user")
        .addColumn("name", "text", (c) => c.primaryKey())
        .addColumn("role", "text", (c) => c.notNull())
        .addColumn("password", "text")
        .addColumn("createdMs", "bigint", (c) => c.notNull())
        .addColumn("lastLoginMs", "bigint")
        .execute();
      await db.schema
        .createTable("token")
        .addColumn("id", "text", (c) => c.primaryKey())
        .addColumn("hash", "text", (c) => c.notNull().unique())
        .addColumn("name", "text", (c) => c.notNull())
        .addColumn("user", "text")
        .addColumn("role", "text", (c) => c.notNull())
        .addColumn("scopes", "text", (c) => c.notNull())
        .addColumn("createdMs", "bigint", (c) => c.notNull())
        .addColumn("expiresMs", "bigint")
        .addColumn("lastUsedMs", "bigint")
        .execute();
      await db.schema
        .createTable("session")
        .addColumn("hash", "text", (c) => c.primaryKey())
        .addColumn("user", "text", (c) => c.notNull())
        .addColumn("csrf", "text", (c) => c.notNull())
        .addColumn("createdMs", "bigint", (c) => c.notNull())
        .addColumn("expiresMs", "bigint", (c) => c.notNull())
        .addColumn("from", "text")
        .execute();
      await db.schema
        .createTable("audit")
        .addColumn("id", "integer", (c) => c.primaryKey().autoIncrement())
        .addColumn("atMs", "bigint", (c) => c.notNull())
        .addColumn("role", "text", (c) => c.notNull())
        .addColumn("by", "text", (c) => c.notNull())
        .addColumn("from", "text")
        .addColumn("action", "text", (c) => c.notNull())
        .addColumn("target", "text")
        .addColumn("detail", "text", (c) => c.notNull())
        .addColumn("result", "text", (c) => c.notNull())
        .addColumn("request", "text")
        .addColumn("hash", "text", (c) => c.notNull())
        .execute();
      await db.schema.createIndex("audit_by_target").on("audit").columns(["target", "id"]).execute();
      await db.schema
        .createTable("task")
        .addColumn("id", "text", (c) => c.primaryKey())
        .addColumn("verb", "text", (c) => c.notNull())
        .addColumn("target", "text")
        .addColumn("by", "text", (c) => c.notNull())
        .addColumn("state", "text", (c) => c.notNull())
        .addColumn("result", "text")
        .addColumn("error", "text")
        .addColumn("startedMs", "bigint", (c) => c.notNull())
        .addColumn("endedMs", "bigint")
        .execute();
      await db.schema
        .createTable("answer")
        .addColumn("key", "text", (c) => c.notNull())
        .addColumn("who", "text", (c) => c.notNull())
        .addColumn("request", "text", (c) => c.notNull())
        .addColumn("status", "integer")
        .addColumn("body", "text")
        .addColumn("atMs", "bigint", (c) => c.notNull())
        .addPrimaryKeyConstraint("answer_key", ["who", "key"])
        .execute();
    },
  },
};
