// Nodes and profiles as rows of the book.
import type { Selectable } from "kysely";
import { parseMac } from "../base/addresses.ts";
import type { Node, Profile } from "../fleet/node.ts";
import type { Tables } from "../storage/book.ts";

/** Drops the nulls of a row: an absent value is an absent field. */
const present = <T extends object>(row: T) =>
  Object.fromEntries(Object.entries(row).filter(([, value]) => value !== null)) as {
    [K in keyof T]: NonNullable<T[K]>;
  };

export const nodeOf = (row: Selectable<Tables["node"]>): Node =>
  ({ ...present(row), seed: JSON.parse(row.seed) }) as unknown as Node;
export const profileOf = (row: Selectable<Tables["profile"]>): Profile =>
  ({ ...present(row), seed: JSON.parse(row.seed) }) as unknown as Profile;

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
});
export const profileRow = (profile: Profile): Selectable<Tables["profile"]> => ({
  name: profile.name,
  image: profile.image ?? null,
  root: profile.root,
  firmware: profile.firmware ?? null,
  seed: JSON.stringify(profile.seed),
});
