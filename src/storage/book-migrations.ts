import { type Kysely, type Migration, sql } from "kysely";
import { accessMigrations } from "./access-tables.ts";
import { lifeMigrations } from "./life-tables.ts";
import { modelMigrations } from "./model-tables.ts";
import { nfsMigrations } from "./nfs-tables.ts";
import { observeMigrations } from "./observe-tables.ts";
import { powerMigrations } from "./power-tables.ts";
import { profileMigrations } from "./profile-tables.ts";
import { superviseMigrations } from "./supervise-tables.ts";

/** Never edited once released: a change is a new entry with a later name. */
export const migrations: Record<string, Migration> = {
  "2026-11-a-first": {
    async up(db: Kysely<unknown>) {
      await db.schema
        .createTable("node")
        .addColumn("id", "text", (c) => c.primaryKey())
        .addColumn("serial", "text")
        .addColumn("mac", "text")
        .addColumn("model", "text")
        .addColumn("revision", "integer")
        .addColumn("name", "text", (c) => c.notNull().unique())
        .addColumn("state", "text", (c) => c.notNull())
        .addColumn("profile", "text", (c) => c.notNull())
        .addColumn("image", "text")
        .addColumn("root", "text")
        .addColumn("firmware", "text")
        .addColumn("address", "text")
        .addColumn("seed", "text", (c) => c.notNull())
        .addColumn("firstSeenMs", "integer", (c) => c.notNull())
        .addColumn("lastSeenMs", "integer", (c) => c.notNull())
        .execute();
      await db.schema
        .createTable("profile")
        .addColumn("name", "text", (c) => c.primaryKey())
        .addColumn("image", "text")
        .addColumn("root", "text", (c) => c.notNull())
        .addColumn("firmware", "text")
        .addColumn("seed", "text", (c) => c.notNull())
        .execute();
      await db.schema
        .createTable("clone")
        .addColumn("nodeId", "text", (c) => c.primaryKey())
        .addColumn("imageSha", "text", (c) => c.notNull())
        .addColumn("createdMs", "integer", (c) => c.notNull())
        .execute();
      await db.schema
        .createTable("boot")
        .addColumn("id", "text", (c) => c.primaryKey())
        .addColumn("nodeId", "text", (c) => c.notNull())
        .addColumn("startedMs", "integer", (c) => c.notNull())
        .addColumn("endedMs", "integer")
        .addColumn("stage", "text", (c) => c.notNull())
        .addColumn("outcome", "text")
        .addColumn("verdict", "text")
        .addColumn("root", "text")
        .addColumn("image", "text")
        .addColumn("address", "text")
        .addColumn("tokenHash", "text")
        .execute();
      await db.schema.createIndex("boot_by_node").on("boot").columns(["nodeId", "startedMs"]).execute();
      await db.schema
        .createTable("step")
        .addColumn("bootId", "text", (c) => c.notNull())
        .addColumn("seq", "integer", (c) => c.notNull())
        .addColumn("atMs", "integer", (c) => c.notNull())
        .addColumn("kind", "text", (c) => c.notNull())
        .addColumn("words", "text", (c) => c.notNull())
        .addColumn("path", "text")
        .addColumn("result", "text")
        .addColumn("bytes", "integer")
        .addColumn("tookMs", "real")
        .addColumn("origin", "text")
        .addPrimaryKeyConstraint("step_key", ["bootId", "seq"])
        .execute();
      await db.schema
        .createTable("event")
        .addColumn("id", "integer", (c) => c.primaryKey().autoIncrement())
        .addColumn("atMs", "integer", (c) => c.notNull())
        .addColumn("nodeId", "text")
        .addColumn("kind", "text", (c) => c.notNull())
        .addColumn("words", "text", (c) => c.notNull())
        .execute();
      await db.schema.createIndex("event_by_node").on("event").columns(["nodeId", "id"]).execute();
      await db.schema
        .createTable("setting")
        .addColumn("name", "text", (c) => c.primaryKey())
        .addColumn("value", "text", (c) => c.notNull())
        .execute();
      await sql`insert into profile (name, root, seed) values ('default', 'auto', '{}')`.execute(db);
    },
  },
  "2026-11-v-volumes": {
    async up(db: Kysely<unknown>) {
      for (const table of ["node", "profile"]) {
        for (const column of ["ephemeral", "quota"])
          await db.schema.alterTable(table).addColumn(column, "integer").execute();
        for (const column of ["guard", "volumes"])
          await db.schema.alterTable(table).addColumn(column, "text").execute();
      }
      await db.schema.alterTable("clone").addColumn("bootId", "text").execute();
      await db.schema
        .createTable("volume")
        .addColumn("id", "text", (c) => c.primaryKey())
        .addColumn("name", "text", (c) => c.notNull().unique())
        .addColumn("nodeId", "text")
        .addColumn("spec", "text")
        .addColumn("size", "integer", (c) => c.notNull())
        .addColumn("fstype", "text", (c) => c.notNull())
        .addColumn("mountpoint", "text")
        .addColumn("createdMs", "integer", (c) => c.notNull())
        .execute();
      await db.schema.createIndex("volume_by_node").on("volume").column("nodeId").execute();
      await db.schema
        .createTable("lun")
        .addColumn("nodeId", "text", (c) => c.notNull())
        .addColumn("lun", "integer", (c) => c.notNull())
        .addColumn("volumeId", "text", (c) => c.notNull())
        .addPrimaryKeyConstraint("lun_key", ["nodeId", "lun"])
        .addUniqueConstraint("lun_once", ["nodeId", "volumeId"])
        .execute();
    },
  },
  "2026-11-w-open-disks": {
    async up(db: Kysely<unknown>) {
      await db.schema
        .createTable("secret")
        .addColumn("nodeId", "text", (c) => c.notNull())
        .addColumn("kind", "text", (c) => c.notNull())
        .addColumn("value", "text", (c) => c.notNull())
        .addPrimaryKeyConstraint("secret_key", ["nodeId", "kind"])
        .execute();
      await db.schema
        .createTable("openDisk")
        .addColumn("nodeId", "text", (c) => c.primaryKey())
        .addColumn("bootId", "text", (c) => c.notNull())
        .addColumn("kind", "text", (c) => c.notNull())
        .addColumn("address", "text", (c) => c.notNull())
        .addColumn("secretHash", "text")
        .addColumn("atMs", "integer", (c) => c.notNull())
        .execute();
      await db.schema
        .createTable("agentSession")
        .addColumn("nodeId", "text", (c) => c.primaryKey())
        .addColumn("bootId", "text", (c) => c.notNull())
        .addColumn("address", "text", (c) => c.notNull())
        .addColumn("secretHash", "text", (c) => c.notNull())
        .addColumn("atMs", "integer", (c) => c.notNull())
        .execute();
      await db.schema.alterTable("boot").addColumn("server", "text").execute();
    },
  },
  ...profileMigrations,
  ...accessMigrations,
  ...observeMigrations,
  ...modelMigrations,
  ...lifeMigrations,
  ...superviseMigrations,
  ...powerMigrations,
  ...nfsMigrations,
};
