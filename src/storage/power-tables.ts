import type { Kysely, Migration } from "kysely";

export interface PowerTables {
  /** What switches power: PoE switches, PDUs, controllers, plugs. */
  powerSwitch: {
    id: string;
    name: string;
    driver: string;
    /** Host, host:port or URL; none for those that have no address. */
    address: string | null;
    /** JSON of what is no secret. */
    options: string;
    addedMs: number;
    /** Its time since it started, as it said at `upAtMs`. */
    upTimeMs: number | null;
    upAtMs: number | null;
    scannedMs: number | null;
  };
  /** Write-only: JSON of communities, keys, passwords. */
  powerSecret: { switchId: string; value: string };
  /** Its ports as they were found the last time. */
  powerPort: {
    switchId: string;
    name: string;
    /** As the driver counts; null: it gives no power. */
    port: string | null;
    alias: string | null;
    up: number | null;
    /** JSON. */
    macs: string;
    neighbour: string | null;
    /** What a person said: `allow` or `refuse`; null: as the rules say. */
    guard: string | null;
  };
  /** What gives a node its power. */
  powerBinding: {
    nodeId: string;
    switchId: string;
    port: string;
    /** How we know: hand, fdb, lldp, circuit, power-toggle. */
    proof: string;
    boundMs: number;
  };
  /** What a node's power is to be, and what is under way: taken up again after a restart of ours. */
  powerWant: {
    nodeId: string;
    want: string;
    /** null, or the half of an operation that is under way: set, off-half, on-half. */
    doing: string | null;
    by: string;
    why: string;
    atMs: number;
    alarm: string | null;
    /** It shut itself down while its port delivers: `on` is off and on. */
    halted: number;
  };
  /** Learned: which port a relay's circuit id (DHCP option 82, hex) stands for. */
  powerCircuit: { circuit: string; switchId: string; port: string };
}

export const powerMigrations: Record<string, Migration> = {
  "2026-11-z-power": {
    async up(db: Kysely<unknown>) {
      await db.schema
        .createTable("powerSwitch")
        .addColumn("id", "text", (c) => c.primaryKey())
        .addColumn("name", "text", (c) => c.notNull().unique())
        .addColumn("driver", "text", (c) => c.notNull())
        .addColumn("address", "text")
        .addColumn("options", "text", (c) => c.notNull())
        .addColumn("addedMs", "integer", (c) => c.notNull())
        .addColumn("upTimeMs", "integer")
        .addColumn("upAtMs", "integer")
        .addColumn("scannedMs", "integer")
        .execute();
      await db.schema
        .createTable("powerSecret")
        .addColumn("switchId", "text", (c) => c.primaryKey())
        .addColumn("value", "text", (c) => c.notNull())
        .execute();
      await db.schema
        .createTable("powerPort")
        .addColumn("switchId", "text", (c) => c.notNull())
        .addColumn("name", "text", (c) => c.notNull())
        .addColumn("port", "text")
        .addColumn("alias", "text")
        .addColumn("up", "integer")
        .addColumn("macs", "text", (c) => c.notNull())
        .addColumn("neighbour", "text")
        .addColumn("guard", "text")
        .addPrimaryKeyConstraint("powerPort_key", ["switchId", "name"])
        .execute();
      await db.schema
        .createTable("powerBinding")
        .addColumn("nodeId", "text", (c) => c.primaryKey())
        .addColumn("switchId", "text", (c) => c.notNull())
        .addColumn("port", "text", (c) => c.notNull())
        .addColumn("proof", "text", (c) => c.notNull())
        .addColumn("boundMs", "integer", (c) => c.notNull())
        .addUniqueConstraint("powerBinding_once", ["switchId", "port"])
        .execute();
      await db.schema
        .createTable("powerWant")
        .addColumn("nodeId", "text", (c) => c.primaryKey())
        .addColumn("want", "text", (c) => c.notNull())
        .addColumn("doing", "text")
        .addColumn("by", "text", (c) => c.notNull())
        .addColumn("why", "text", (c) => c.notNull())
        .addColumn("atMs", "integer", (c) => c.notNull())
        .addColumn("alarm", "text")
        .addColumn("halted", "integer", (c) => c.notNull())
        .execute();
      await db.schema
        .createTable("powerCircuit")
        .addColumn("circuit", "text", (c) => c.primaryKey())
        .addColumn("switchId", "text", (c) => c.notNull())
        .addColumn("port", "text", (c) => c.notNull())
        .execute();
    },
  },
};
