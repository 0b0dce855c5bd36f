// Nodes and profiles as rows of the book.
import type { Selectable } from "kysely";
import { parseMac } from "../base/addresses.ts";
import type { DiskSettings, Node, Profile } from "../fleet/node.ts";
import type { Tables } from "../storage/book.ts";

/** Drops the nulls of a row: an absent value is an absent field. */
const present = <T extends object>(row: T) =>
  Object.fromEntries(Object.entries(row).filter(([, value]) => value !== null)) as {
    [K in keyof T]: NonNullable<T[K]>;
  };

type DiskColumns = Pick<Selectable<Tables["profile"]>, "ephemeral" | "quota" | "guard" | "volumes">;

/** What a row holds as JSON or as 0 and 1. */
const unpacked = (row: DiskColumns & { seed: string }) => ({
  seed: JSON.parse(row.seed) as Node["seed"],
  ...(row.ephemeral !== null && { ephemeral: row.ephemeral === 1 }),
  ...(row.guard !== null && { guard: JSON.parse(row.guard) as NonNullable<Node["guard"]> }),
  ...(row.volumes !== null && { volumes: JSON.parse(row.volumes) as NonNullable<Node["volumes"]> }),
});
const packed = ({ ephemeral, quota, guard, volumes }: DiskSettings): DiskColumns => ({
  ephemeral: ephemeral === undefined ? null : Number(ephemeral),
  quota: quota ?? null,
  guard: guard ? JSON.stringify(guard) : null,
  volumes: volumes ? JSON.stringify(volumes) : null,
});

export const nodeOf = (row: Selectable<Tables["node"]>): Node =>
  ({ ...present(row), ...unpacked(row) }) as unknown as Node;
export const profileOf = (row: Selectable<Tables["profile"]>): Profile =>
  ({ ...present(row), ...unpacked(row) }) as unknown as Profile;

export const nodeRow = (node: Node): Selectable<Tables["node"]> => ({
  id: node.id,
  serial: node.serial ?? null,
  mac: node.mac ? parseMac(node.mac) : null,
  model: node.model ?? null,
  revision: node.revision ?? null,
  name: node.name,
  state: node.state,
  profile: node.profile,
  image: node.image ?? null,
  root: node.root ?? null,
  firmware: node.firmware ?? null,
  address: node.address ?? null,
  seed: JSON.stringify(node.seed),
  firstSeenMs: node.firstSeenMs,
  lastSeenMs: node.lastSeenMs,
  ...packed(node),
});
export const profileRow = (profile: Profile): Selectable<Tables["profile"]> => ({
  name: profile.name,
  image: profile.image ?? null,
  root: profile.root,
  firmware: profile.firmware ?? null,
  seed: JSON.stringify(profile.seed),
  ...packed(profile),
});
