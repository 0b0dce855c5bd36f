// Volumes: extra disks of nodes, which outlive their roots. Attached by hand, or given by the node's settings.
import { randomUUID } from "node:crypto";
import { BrambleError } from "../base/errors.ts";
import type { VolumeFilesystem, VolumeSpec } from "../fleet/disk-settings.ts";
import type { Node } from "../fleet/node.ts";
import type { Tables } from "../storage/book.ts";
import type { Core } from "./core.ts";

/** A volume as its node gets it at its next boot. */
export interface AttachedVolume {
  id: string;
  name: string;
  /** 1 or more; the clone is LUN 0. */
  lun: number;
  path: string;
  size: number;
  fstype: VolumeFilesystem;
  mountpoint?: string;
  /** Of the file system that is made on it: 16 characters at most (ext4). */
  label: string;
}

type Row = Tables["volume"];
type VolumeCore = Pick<Core, "book" | "data" | "disks" | "journal" | "registry">;

const making = new WeakMap<object, Map<string, Promise<AttachedVolume[]>>>();

/**
 * The volumes of a node, in the order of their LUNs. Those that its settings name and that it has not got yet are made, or
 * attached again where they lie from before it was forgotten. What a node has open stays as it is until its next boot.
 */
export function nodeVolumes(core: VolumeCore, node: Node): Promise<AttachedVolume[]> {
  const known = making.get(core.book) ?? new Map<string, Promise<AttachedVolume[]>>();
  making.set(core.book, known);
  const current = known.get(node.id);
  if (current) return current;
  const promise = ready(core, node).finally(() => known.delete(node.id));
  known.set(node.id, promise);
  return promise;
}

async function ready(core: VolumeCore, node: Node): Promise<AttachedVolume[]> {
  const { volumes } = core.registry.resolve(node);
  for (const spec of volumes) await fulfil(core, node, spec);
  return attachedVolumes(core, node);
}

/** What is attached to a node now; makes nothing. */
export async function attachedVolumes({ book, data }: VolumeCore, node: Node): Promise<AttachedVolume[]> {
  const rows = await book
    .selectFrom("volume")
    .innerJoin("lun", (join) =>
      join.onRef("lun.volumeId", "=", "volume.id").onRef("lun.nodeId", "=", "volume.nodeId"),
    )
    .selectAll("volume")
    .select("lun.lun")
    .where("volume.nodeId", "=", node.id)
    .orderBy("lun.lun")
    .execute();
  return rows.map((row) => ({
    id: row.id,
    name: row.name,
    lun: row.lun,
    path: data.volume(row.id),
    size: row.size,
    fstype: row.fstype as VolumeFilesystem,
    label: (row.spec ?? row.name).slice(0, 16),
    ...(row.mountpoint !== null && { mountpoint: row.mountpoint }),
  }));
}

/** The name under which the book knows a volume that a node's settings give it. */
const nameFor = (spec: VolumeSpec, node: Node): string => `${spec.name}-${node.id}`;

async function fulfil(core: VolumeCore, node: Node, spec: VolumeSpec): Promise<void> {
  const name = nameFor(spec, node);
  const row = await core.book.selectFrom("volume").selectAll().where("name", "=", name).executeTakeFirst();
  if (!row) {
    const made = await makeVolume(core, { ...spec, name }, spec.name);
    await attach(core, made, node);
    core.journal.event("volume", node.id, `volume ${name} was made for it, as its settings say`);
  } else if (row.nodeId === null) {
    await attach(core, row, node);
    core.journal.event("volume", node.id, `volume ${name} is its again, with what was on it`);
  } else if (row.nodeId === node.id && row.mountpoint !== (spec.mountpoint ?? null)) {
    await core.book
      .updateTable("volume")
      .set({ mountpoint: spec.mountpoint ?? null })
      .where("id", "=", row.id)
      .execute();
  }
}

/** Makes the file, then its row: a kill between the two leaves a file of no bytes that nobody knows. Throws VOLUME_TAKEN. */
export async function makeVolume(core: VolumeCore, wish: VolumeSpec, spec: string | null): Promise<Row> {
  const { book, data, disks } = core;
  const taken = await book.selectFrom("volume").select("id").where("name", "=", wish.name).executeTakeFirst();
  if (taken) {
    throw new BrambleError("VOLUME_TAKEN", `there is a volume ${wish.name} already`, {
      hint: "give this one another name; `bramble volume list` shows all",
    });
  }
  const row: Row = {
    id: randomUUID(),
    name: wish.name,
    nodeId: null,
    spec,
    size: wish.size,
    fstype: wish.fstype,
    mountpoint: wish.mountpoint ?? null,
    createdMs: Date.now(),
  };
  await disks.call("createVolume", { path: data.volume(row.id), size: row.size });
  await book.insertInto("volume").values(row).execute();
  return row;
}

/** Attaches a volume that no node has: its LUN is the one that it had on this node before, else the first that is free there. */
export async function attach({ book }: VolumeCore, volume: Row, node: Node): Promise<void> {
  await book.transaction().execute(async (trx) => {
    const luns = await trx.selectFrom("lun").selectAll().where("nodeId", "=", node.id).execute();
    if (!luns.some(({ volumeId }) => volumeId === volume.id)) {
      let lun = 1;
      while (luns.some((one) => one.lun === lun)) lun += 1;
      if (lun > MOST_LUNS) {
        throw new BrambleError("BAD_INPUT", `${node.name} has ${MOST_LUNS} volumes already`, {
          hint: "remove one that it had before: bramble volume list",
        });
      }
      await trx.insertInto("lun").values({ nodeId: node.id, lun, volumeId: volume.id }).execute();
    }
    await trx.updateTable("volume").set({ nodeId: node.id }).where("id", "=", volume.id).execute();
  });
}

/** One byte in the simple addressing of SAM-5 4.7.7.1, so that every initiator can name them. */
const MOST_LUNS = 255;
