import type { VolumeCommands, VolumeView } from "../api/contract.ts";
import { BrambleError } from "../base/errors.ts";
import { checkVolume, type VolumeFilesystem } from "../fleet/disk-settings.ts";
import type { Node } from "../fleet/node.ts";
import type { Tables } from "../storage/book.ts";
import type { Running } from "./commands.ts";
import type { Core } from "./core.ts";
import { attach, makeVolume } from "./volumes.ts";

type Row = Tables["volume"];

/** The commands about volumes. */
export function volumeCommands(core: Core, running?: Running): VolumeCommands {
  const { book, registry, data, journal, disks } = core;

  async function need(reference: string): Promise<Row> {
    const rows = await book.selectFrom("volume").selectAll().execute();
    const found =
      rows.find(({ name, id }) => name === reference || id === reference) ?? only(rows, reference);
    if (found) return found;
    const names = rows.map(({ name }) => name).slice(0, 12);
    throw new BrambleError("VOLUME_UNKNOWN", `there is no volume ${reference}`, {
      hint: names.length > 0 ? `there are: ${names.join(", ")}` : "make one: bramble volume create NAME SIZE",
    });
  }
  const facts = (row: Row) => disks.call("facts", { path: data.volume(row.id) });

  async function view(row: Row): Promise<VolumeView> {
    const { ownBytes, busy } = await facts(row);
    const lun = row.nodeId
      ? await book
          .selectFrom("lun")
          .select("lun")
          .where("volumeId", "=", row.id)
          .where("nodeId", "=", row.nodeId)
          .executeTakeFirst()
      : undefined;
    return {
      id: row.id,
      name: row.name,
      size: row.size,
      fstype: row.fstype as VolumeFilesystem,
      bySettings: row.spec !== null,
      path: data.volume(row.id),
      ownBytes,
      createdMs: row.createdMs,
      inUse: busy,
      ...(row.mountpoint !== null && { mountpoint: row.mountpoint }),
      ...(row.nodeId !== null && { node: registry.byId(row.nodeId)?.name ?? row.nodeId }),
      ...(lun && { lun: lun.lun }),
    };
  }
  const again = async (row: Row) => view(await need(row.id));

  /** A place can hold one volume: the agent would mount the second over the first. */
  async function placeIsFree(node: Node, row: Row, mountpoint: string | null): Promise<void> {
    if (mountpoint === null) return;
    const there = await book
      .selectFrom("volume")
      .select(["id", "name"])
      .where("nodeId", "=", node.id)
      .where("mountpoint", "=", mountpoint)
      .execute();
    const other = there.find(({ id }) => id !== row.id);
    if (!other) return;
    throw new BrambleError("VOLUME_IN_USE", `${other.name} is mounted at ${mountpoint} on ${node.name}`, {
      hint: "give this one a place of its own: --mount PATH",
    });
  }

  return {
    async volumes() {
      return Promise.all((await book.selectFrom("volume").selectAll().orderBy("name").execute()).map(view));
    },
    volume: async ({ volume }) => view(await need(volume)),
    async createVolume({ name, size, fstype = "ext4", mountpoint }) {
      const place = mountpoint ?? (fstype === "none" ? undefined : `/srv/${name}`);
      const wish = checkVolume({ name, size: Number(size), fstype, mountpoint: place });
      return view(await makeVolume(core, wish, null));
    },
    async attachVolume({ volume, node, mountpoint }) {
      const [row, to] = [await need(volume), registry.need(node)];
      if (row.nodeId !== null && row.nodeId !== to.id) {
        const owner = registry.byId(row.nodeId)?.name ?? row.nodeId;
        throw new BrambleError("VOLUME_IN_USE", `${row.name} is attached to ${owner}`, {
          hint: `one volume, one node: bramble volume detach ${row.name}`,
        });
      }
      if (mountpoint !== undefined) {
        checkVolume({ name: row.spec ?? row.name, size: row.size, fstype: row.fstype, mountpoint });
        await book.updateTable("volume").set({ mountpoint }).where("id", "=", row.id).execute();
      }
      await placeIsFree(to, row, mountpoint ?? row.mountpoint);
      await attach(core, row, to);
      await running?.volumesChanged(to);
      journal.event("volume", to.id, `volume ${row.name} was attached: it has it from its next boot on`);
      return again(row);
    },
    async detachVolume({ volume, force }) {
      const row = await need(volume);
      const node = row.nodeId === null ? undefined : registry.byId(row.nodeId);
      if (!node) return view(row);
      const wanted = registry.resolve(node).volumes;
      if (row.spec !== null && wanted.some(({ name }) => name === row.spec)) {
        throw new BrambleError("VOLUME_IN_USE", `the settings of ${node.name} give it ${row.name}`, {
          hint: `it would be back at the next boot: take it out with \`bramble node set ${node.name} --volume …\` or \`bramble profile set ${node.profile} --volume …\` first`,
        });
      }
      if ((await facts(row)).busy) {
        if (!force) {
          throw new BrambleError("CLONE_BUSY", `${node.name} has ${row.name} open`, {
            hint: "shut the node down first; with --force it loses the volume at its next login, or as soon as another node opens it",
          });
        }
      }
      await book.updateTable("volume").set({ nodeId: null }).where("id", "=", row.id).execute();
      await running?.volumesChanged(node);
      journal.event(
        "volume",
        node.id,
        `volume ${row.name} was detached${force ? " by force" : ""}; what is on it stays`,
      );
      return again(row);
    },
    async resizeVolume({ volume, size }) {
      const row = await need(volume);
      const wish = checkVolume({
        ...row,
        name: "v",
        size: Number(size),
        mountpoint: row.mountpoint ?? undefined,
      });
      await disks.call("resizeClone", { path: data.volume(row.id), size: wish.size });
      await book.updateTable("volume").set({ size: wish.size }).where("id", "=", row.id).execute();
      if (row.nodeId) journal.event("volume", row.nodeId, `volume ${row.name} now has ${wish.size} bytes`);
      return again(row);
    },
    async removeVolume({ volume }) {
      const row = await need(volume);
      if (row.nodeId !== null) {
        throw new BrambleError(
          "VOLUME_IN_USE",
          `${row.name} is attached to ${registry.byId(row.nodeId)?.name ?? row.nodeId}`,
          {
            hint: `detach it first: bramble volume detach ${row.name}`,
          },
        );
      }
      await disks.call("removeClone", { path: data.volume(row.id) });
      await book.transaction().execute(async (trx) => {
        await trx.deleteFrom("lun").where("volumeId", "=", row.id).execute();
        await trx.deleteFrom("volume").where("id", "=", row.id).execute();
      });
      return { name: row.name };
    },
  };
}

/** The one whose name begins so. */
function only(rows: readonly Row[], beginning: string): Row | undefined {
  const near = rows.filter(({ name }) => name.startsWith(beginning));
  return near.length === 1 && beginning !== "" ? near[0] : undefined;
}
