import type { Kysely, Migration } from "kysely";

/** What the book keeps for those who watch: consoles of nodes, webhooks and what is still to be sent to them. */
export interface ObserveTables {
  /** Lines of a node's console as JSON, the first of them numbered; a boot keeps the newest ones. */
  consoleChunk: {
    nodeId: string;
    /** "" before the node's first boot. */
    bootId: string;
    /** Number of its first line in this boot, from 1. */
    first: number;
    count: number;
    atMs: number;
    bytes: number;
    lines: string;
  };
  webhook: {
    id: string;
    name: string;
    url: string;
    /** Write-only: no view shows it. */
    secret: string;
    /** JSON list of kinds of events; empty: all. */
    kinds: string;
    /** The last event that was looked at for it. */
    lastEvent: number;
    /** Events that were gone from the book before it could be told of them. */
    missed: number;
    createdMs: number;
  };
  delivery: {
    id: number;
    webhookId: string;
    eventId: number;
    kind: string;
    body: string;
    state: "waiting" | "dead";
    attempts: number;
    nextMs: number;
    /** What the other side answered the last time. */
    error: string | null;
    createdMs: number;
  };
}

export const observeMigrations: Record<string, Migration> = {
  "2026-11-y-observe": {
    async up(db: Kysely<unknown>) {
      await db.schema
        .createTable("consoleChunk")
        .addColumn("nodeId", "text", (c) => c.notNull())
        .addColumn("bootId", "text", (c) => c.notNull())
        .addColumn("first", "integer", (c) => c.notNull())
        .addColumn("count", "integer", (c) => c.notNull())
        .addColumn("atMs", "integer", (c) => c.notNull())
        .addColumn("bytes", "integer", (c) => c.notNull())
        .addColumn("lines", "text", (c) => c.notNull())
        .addPrimaryKeyConstraint("consoleChunk_key", ["nodeId", "bootId", "first"])
        .execute();
      await db.schema.createIndex("consoleChunk_by_time").on("consoleChunk").column("atMs").execute();
      await db.schema
        .createTable("webhook")
        .addColumn("id", "text", (c) => c.primaryKey())
        .addColumn("name", "text", (c) => c.notNull().unique())
        .addColumn("url", "text", (c) => c.notNull())
        .addColumn("secret", "text", (c) => c.notNull())
        .addColumn("kinds", "text", (c) => c.notNull())
        .addColumn("lastEvent", "integer", (c) => c.notNull())
        .addColumn("missed", "integer", (c) => c.notNull())
        .addColumn("createdMs", "integer", (c) => c.notNull())
        .execute();
      await db.schema
        .createTable("delivery")
        .addColumn("id", "integer", (c) => c.primaryKey().autoIncrement())
        .addColumn("webhookId", "text", (c) => c.notNull())
        .addColumn("eventId", "integer", (c) => c.notNull())
        .addColumn("kind", "text", (c) => c.notNull())
        .addColumn("body", "text", (c) => c.notNull())
        .addColumn("state", "text", (c) => c.notNull())
        .addColumn("attempts", "integer", (c) => c.notNull())
        .addColumn("nextMs", "integer", (c) => c.notNull())
        .addColumn("error", "text")
        .addColumn("createdMs", "integer", (c) => c.notNull())
        .execute();
      await db.schema
        .createIndex("delivery_by_webhook")
        .on("delivery")
        .columns(["webhookId", "state", "nextMs"])
        .execute();
      await db.schema.createIndex("event_by_time").on("event").column("atMs").execute();
      await db.schema.createIndex("boot_by_time").on("boot").column("startedMs").execute();
    },
  },
};
