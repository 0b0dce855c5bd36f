// The disks that nodes may open: one boot of each node, by NBD or iSCSI. The book knows them, so that a restart of ours takes nobody's disk.
import type { Node } from "../fleet/node.ts";
import { sha256 } from "./boot-files.ts";
import type { Core } from "./core.ts";
import type { Chap, DiskEvent, Lun } from "./planes/disk-calls.ts";

export interface NbdRoot {
  port: number;
  /** The name to ask by: a secret of this boot. */
  name: string;
  size: number;
}

/** How a node gets to its target. */
export interface IscsiSession {
  port: number;
  target: string;
  initiator: string;
  chap: Chap;
  /** The disks behind the target: the clone, if it is there, is LUN 0. */
  luns: readonly Lun[];
}

export interface IscsiRoot extends IscsiSession {
  /** The clone's, in bytes. */
  size: number;
}

/** What a boot has open, as the book keeps it: one clone is never open in two ways at once. */
type Opened = "nbd" | "iscsi" | "volumes" | "nbd+volumes";

export const targetName = (node: { id: string }): string => `iqn.2026-11.local.bramble:${node.id}`;
export const initiatorName = (node: { id: string }): string => `iqn.2026-11.local.bramble:init-${node.id}`;

export function nodeDisks(core: Core, ports: { nbd(): number; iscsi(): number }) {
  const { book, disks, data, journal, registry } = core;
  /** By node: the name of what it has. */
  const given = new Map<string, string>();
  const nameOf = (node: Node, bootId: string) => `${node.id}/${bootId}`;

  /** A secret of the node alone: made once. */
  async function secretOf(node: Node, kind: "chap" | "chap-mutual"): Promise<string> {
    const fresh = { nodeId: node.id, kind, value: core.newSecret().slice(0, 32) };
    await book
      .insertInto("secret")
      .values(fresh)
      .onConflict((conflict) => conflict.columns(["nodeId", "kind"]).doNothing())
      .execute();
    const row = await book
      .selectFrom("secret")
      .select("value")
      .where("nodeId", "=", node.id)
      .where("kind", "=", kind)
      .executeTakeFirstOrThrow();
    return row.value;
  }

  /** RFC 7143 12.1: one secret in each direction, and never the same. */
  const chapOf = async (node: Node): Promise<Chap> => ({
    user: node.id,
    secret: await secretOf(node, "chap"),
    mutual: { user: `bramble-${node.id}`.slice(0, 63), secret: await secretOf(node, "chap-mutual") },
  });

  async function lunsOf(node: Node, kind: "iscsi" | "volumes"): Promise<Lun[]> {
    const rows = await book
      .selectFrom("lun")
      .innerJoin("volume", "volume.id", "lun.volumeId")
      .select(["lun.lun", "volume.id"])
      .where("lun.nodeId", "=", node.id)
      .where("volume.nodeId", "=", node.id)
      .orderBy("lun.lun")
      .execute();
    const volumes = rows.map(({ lun, id }) => ({ lun, path: data.volume(id), product: "VOLUME" as const }));
    return kind === "volumes"
      ? volumes
      : [{ lun: 0, path: data.clone(node.id), product: "CLONE" }, ...volumes];
  }

  async function remember(
    node: Node,
    row: { bootId: string; kind: Opened; address: string; secretHash: string | null },
  ): Promise<void> {
    const values = { nodeId: node.id, atMs: Date.now(), ...row };
    await book
      .insertInto("openDisk")
      .values(values)
      .onConflict((conflict) => conflict.column("nodeId").doUpdateSet(values))
      .execute();
  }

  function opened(node: Node, name: string, ended: number): void {
    const before = given.get(node.id);
    given.set(node.id, name);
    if (ended > 0 || (before !== undefined && before !== name))
      journal.event("disk", node.id, "a newer boot has logged in: the one before lost its disk");
  }

  async function giveNbd(node: Node, bootId: string, address: string, secretHash: string): Promise<void> {
    const name = nameOf(node, bootId);
    const path = data.clone(node.id);
    const { ended } = await disks.call("export", { secretHash, name, path, address });
    opened(node, name, ended);
  }

  async function giveIscsi(
    node: Node,
    { bootId, address, kind }: { bootId: string; address: string; kind: "iscsi" | "volumes" },
  ): Promise<IscsiSession> {
    const name = nameOf(node, bootId);
    const [chap, luns] = await Promise.all([chapOf(node), lunsOf(node, kind)]);
    const to = { target: targetName(node), initiator: initiatorName(node), chap, luns };
    const { ended } = await disks.call("exportIscsi", { ...to, name, address });
    opened(node, name, ended);
    return { ...to, port: ports.iscsi() };
  }

  const cloneRow = (nodeId: string) =>
    book.selectFrom("clone").select("nodeId").where("nodeId", "=", nodeId).executeTakeFirst();
  const rowOf = (node: Node) =>
    book.selectFrom("openDisk").selectAll().where("nodeId", "=", node.id).executeTakeFirst();
  /** Which disks this row's target has behind it; undefined: it has none. */
  const targetOf = (kind: Opened) =>
    kind === "iscsi" ? kind : kind.endsWith("volumes") ? ("volumes" as const) : undefined;

  /** Its target, with what lies behind it now. */
  async function giveAgain(node: Node, row: { bootId: string; address: string; kind: Opened }) {
    const kind = targetOf(row.kind);
    if (kind) await giveIscsi(node, { ...row, kind });
  }

  /** Ends every use of a node's disk: it was forgotten, or its clone is to be reset. */
  async function drop(node: Node, why: string): Promise<void> {
    await book.deleteFrom("openDisk").where("nodeId", "=", node.id).execute();
    for (const name of [given.get(node.id), nameOf(node, "tools")])
      if (name) await disks.call("drop", { name, why });
    given.delete(node.id);
  }

  /** The boot has shown its token: an ephemeral node's old clone goes now, and the boot before with it. */
  async function cloneFor(node: Node, bootId: string): Promise<string> {
    const fence = () => drop(node, "a newer boot of this node has logged in, which gets a fresh clone");
    if (await core.freshClone(node, bootId, fence))
      journal.event("clone", node.id, "a fresh clone was made for this boot");
    return (await core.ensureClone(node)).path;
  }

  const sizeOf = async (path: string) => (await disks.call("facts", { path })).size;

  return {
    /** Opens a node's clone to one address under a secret name; the boot before loses it. */
    async exportNbd(node: Node, bootId: string, address: string): Promise<NbdRoot> {
      const path = await cloneFor(node, bootId);
      const secret = core.newSecret();
      await giveNbd(node, bootId, address, sha256(secret));
      await remember(node, { bootId, kind: "nbd", address, secretHash: sha256(secret) });
      return { port: ports.nbd(), name: secret, size: await sizeOf(path) };
    },

    /** Opens a node's target, with its clone and its volumes, to one boot; the boot before loses it. Again for the same boot: other LUNs. */
    async exportIscsi(node: Node, bootId: string, address: string): Promise<IscsiRoot> {
      const path = await cloneFor(node, bootId);
      const session = await giveIscsi(node, { bootId, address, kind: "iscsi" });
      await remember(node, { bootId, kind: "iscsi", address, secretHash: null });
      return { ...session, size: await sizeOf(path) };
    },

    /** The target with a node's volumes alone, for roots that come by another way: what this boot has open by that stays. */
    async exportVolumes(node: Node, bootId: string, address: string): Promise<IscsiSession> {
      const session = await giveIscsi(node, { bootId, address, kind: "volumes" });
      const row = await rowOf(node);
      const nbd = row?.bootId === bootId && row.kind.startsWith("nbd") ? row : undefined;
      const kind = nbd ? ("nbd+volumes" as const) : ("volumes" as const);
      await remember(node, { bootId, kind, address, secretHash: nbd?.secretHash ?? null });
      return session;
    },

    /** Its clone and its volumes as they are, to a boot that is not its own system's: nothing is made for it. The boot before loses them. */
    async exportDisks(node: Node, bootId: string, address: string): Promise<IscsiSession | undefined> {
      const clone = await cloneRow(node.id);
      const kind = clone ? ("iscsi" as const) : ("volumes" as const);
      if (!clone && (await lunsOf(node, kind)).length === 0) return undefined;
      const session = await giveIscsi(node, { bootId, address, kind });
      await remember(node, { bootId, kind, address, secretHash: null });
      return session;
    },

    /** Volumes of a node have changed: what its next login sees. */
    async lunsChanged(node: Node): Promise<void> {
      const row = await rowOf(node);
      if (row) await giveAgain(node, row);
    },

    /** A node has logged in from another address than before. */
    async moved({ name, address }: Extract<DiskEvent, { kind: "moved" }>): Promise<void> {
      const [nodeId = "", bootId = ""] = name.split("/");
      const node = registry.byId(nodeId);
      const row = node && (await rowOf(node));
      if (!node || row?.bootId !== bootId) return;
      // NBD stays bound to the address that the token came from
      if (!row.kind.startsWith("nbd"))
        await book.updateTable("openDisk").set({ address }).where("nodeId", "=", nodeId).execute();
      if (given.get(nodeId) === name) await giveAgain(node, { ...row, address });
    },

    drop,

    /** After a start of ours: what running nodes had open is opened to them again, before anybody can knock. */
    async restore(): Promise<number> {
      const rows = await book.selectFrom("openDisk").selectAll().execute();
      let restored = 0;
      for (const row of rows) {
        const { nodeId, bootId, kind, address, secretHash } = row;
        const node = registry.byId(nodeId);
        const clone = await cloneRow(nodeId);
        if (!node || !(clone || kind === "volumes")) {
          await book.deleteFrom("openDisk").where("nodeId", "=", nodeId).execute();
          continue;
        }
        if (kind.startsWith("nbd")) await giveNbd(node, bootId, address, secretHash ?? "");
        await giveAgain(node, row);
        restored += 1;
      }
      return restored;
    },
  };
}
