import { type Kysely, type Migration, sql } from "kysely";
import type { NfsColumns } from "./nfs-tables.ts";

/** Groups, address pools, versions of templates, and what nodes and boots keep of them. */
export interface ModelTables {
  group: NfsColumns & {
    name: string;
    about: string | null;
    image: string | null;
    root: string | null;
    firmware: string | null;
    seed: string;
    ephemeral: number | null;
    quota: number | null;
    guard: string | null;
    volumes: string | null;
    values: string;
    version: number;
  };
  addressPool: { name: string; kind: string; from: string; to: string; for: string };
  /** Each version of a profile's templates; the highest number is the newest. */
  templateVersion: {
    profile: string;
    version: number;
    atMs: number;
    by: string;
    note: string;
    /** JSON of the templates. */
    text: string;
  };
}

/** Columns of `node`. */
export interface ModelNodeColumns {
  labels: string | null;
  group: string | null;
  place: string | null;
  management: string | null;
  managementMac: string | null;
  planned: string | null;
  values: string | null;
}

export const modelMigrations: Record<string, Migration> = {
  "2026-11-y-model": {
    async up(db: Kysely<unknown>) {
      for (const column of ["labels", "group", "place", "management", "managementMac", "planned", "values"])
        await db.schema.alterTable("node").addColumn(column, "text").execute();
      await db.schema
        .alterTable("profile")
        .addColumn("version", "integer", (c) => c.notNull().defaultTo(1))
        .execute();
      await db.schema.alterTable("boot").addColumn("templates", "text").execute();
      await db.schema
        .createTable("group")
        .addColumn("name", "text", (c) => c.primaryKey())
        .addColumn("about", "text")
        .addColumn("image", "text")
        .addColumn("root", "text")
        .addColumn("firmware", "text")
        .addColumn("seed", "text", (c) => c.notNull())
        .addColumn("ephemeral", "integer")
        .addColumn("quota", "integer")
        .addColumn("guard", "text")
        .addColumn("volumes", "text")
        .addColumn("values", "text", (c) => c.notNull())
        .addColumn("version", "integer", (c) => c.notNull())
        .execute();
      await db.schema
        .createTable("addressPool")
        .addColumn("name", "text", (c) => c.primaryKey())
        .addColumn("kind", "text", (c) => c.notNull())
        .addColumn("from", "text", (c) => c.notNull())
        .addColumn("to", "text", (c) => c.notNull())
        .addColumn("for", "text", (c) => c.notNull())
        .execute();
      await db.schema
        .createTable("templateVersion")
        .addColumn("profile", "text", (c) => c.notNull())
        .addColumn("version", "integer", (c) => c.notNull())
        .addColumn("atMs", "integer", (c) => c.notNull())
        .addColumn("by", "text", (c) => c.notNull())
        .addColumn("note", "text", (c) => c.notNull())
        .addColumn("text", "text", (c) => c.notNull())
        .addPrimaryKeyConstraint("templateVersion_key", ["profile", "version"])
        .execute();
      await sql`insert into "templateVersion" ("profile", "version", "atMs", "by", "note", "text")
        select "profile", 1, 0, 'bramble', 'as it was', "text" from "template"`.execute(db);
    },
  },
};
