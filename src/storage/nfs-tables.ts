import type { Generated, Kysely, Migration } from "kysely";

/** Columns of nodes, profiles and groups. */
export interface NfsColumns {
  nfsBoot: string | null;
  nfsDurability: string | null;
  /** JSON of fleet/nfs-root.ts ExternalRoot. */
  external: string | null;
}

export interface NfsTables {
  /** The tree of a node, with root mode `nfs`. */
  tree: {
    /** Of the export, in handles: never another one's. */
    number: Generated<number>;
    nodeId: string;
    /** 32 random bits in the handles' check, never told. */
    salt: number;
    imageSha: string;
    createdMs: number;
    /** The boot that an ephemeral tree was made for. */
    bootId: string | null;
    /** It was made this node's (fleet/settle.ts): 1. */
    settled: number;
    /** Its last boot's `nfsDurability`; null: the server's. */
    durability: string | null;
  };
  /** Which boot has mounted the tree, and from where: it must go on after a restart of ours. */
  openTree: {
    nodeId: string;
    bootId: string;
    address: string;
    /** sha256 of the secret in the path that it mounts. */
    secretHash: string;
    atMs: number;
  };
}

export const nfsMigrations: Record<string, Migration> = {
  "2026-11-z-nfs": {
    async up(db: Kysely<unknown>) {
      for (const table of ["node", "profile", "group"])
        for (const column of ["nfsBoot", "external"])
          await db.schema.alterTable(table).addColumn(column, "text").execute();
      await db.schema
        .createTable("tree")
        .addColumn("number", "integer", (c) => c.primaryKey().autoIncrement())
        .addColumn("nodeId", "text", (c) => c.notNull().unique())
        .addColumn("salt", "integer", (c) => c.notNull())
        .addColumn("imageSha", "text", (c) => c.notNull())
        .addColumn("createdMs", "integer", (c) => c.notNull())
        .addColumn("bootId", "text")
        .addColumn("settled", "integer", (c) => c.notNull())
        .execute();
      await db.schema
        .createTable("openTree")
        .addColumn("nodeId", "text", (c) => c.primaryKey())
        .addColumn("bootId", "text", (c) => c.notNull())
        .addColumn("address", "text", (c) => c.notNull())
        .addColumn("secretHash", "text", (c) => c.notNull())
        .addColumn("atMs", "integer", (c) => c.notNull())
        .execute();
    },
  },
  "2026-11-z-nfs-durability": {
    async up(db: Kysely<unknown>) {
      for (const table of ["node", "profile", "group"])
        await db.schema.alterTable(table).addColumn("nfsDurability", "text").execute();
      await db.schema.alterTable("tree").addColumn("durability", "text").execute();
    },
  },
};
