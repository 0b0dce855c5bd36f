// Nodes and profiles as rows of the book.
import type { Selectable } from "kysely";
import { parseMac } from "../base/addresses.ts";
import type { DiskSettings, Node, NodeLife, Profile } from "../fleet/node.ts";
import type { Tables } from "../storage/book.ts";
import type { LifeColumns } from "../storage/life-tables.ts";

/** Drops the nulls of a row: an absent value is an absent field. */
export const present = <T extends object>(row: T) =>
  Object.fromEntries(Object.entries(row).filter(([, value]) => value !== null)) as {
    [K in keyof T]: NonNullable<T[K]>;
  };

type DiskColumns = Pick<
  Selectable<Tables["profile"]>,
  "ephemeral" | "quota" | "guard" | "volumes" | "nfsBoot" | "nfsDurability" | "external"
>;

/** What a row holds as JSON or as 0 and 1. */
export const unpacked = (row: DiskColumns & { seed: string }) => ({
  seed: JSON.parse(row.seed) as Node["seed"],
  ...(row.ephemeral !== null && { ephemeral: row.ephemeral === 1 }),
  ...(row.guard !== null && { guard: JSON.parse(row.guard) as NonNullable<Node["guard"]> }),
  ...(row.volumes !== null && { volumes: JSON.parse(row.volumes) as NonNullable<Node["volumes"]> }),
  ...(row.external !== null && { external: JSON.parse(row.external) as NonNullable<Node["external"]> }),
});
export const packed = ({
  ephemeral,
  quota,
  guard,
  volumes,
  nfsBoot,
  nfsDurability,
  external,
}: DiskSettings): DiskColumns => ({
  ephemeral: ephemeral === undefined ? null : Number(ephemeral),
  quota: quota ?? null,
  guard: guard ? JSON.stringify(guard) : null,
  volumes: volumes ? JSON.stringify(volumes) : null,
  nfsBoot: nfsBoot ?? null,
  nfsDurability: nfsDurability ?? null,
  external: external ? JSON.stringify(external) : null,
});

/** Columns of a node that hold JSON. */
const JSON_COLUMNS = ["labels", "place", "planned", "values", "override"] as const;

export const nodeOf = (row: Selectable<Tables["node"]>): Node => {
  const json = JSON_COLUMNS.flatMap((name) => {
    const text = row[name];
    return text === null ? [] : [[name, JSON.parse(text)]];
  });
  return { ...present(row), ...unpacked(row), ...Object.fromEntries(json) } as unknown as Node;
};
export const profileOf = (row: Selectable<Tables["profile"]>): Profile =>
  ({ ...present(row), ...unpacked(row) }) as unknown as Profile;

const json = (value: object | undefined): string | null =>
  value === undefined ? null : JSON.stringify(value);

/** The columns that only the life cycle writes, in transactions of its own. */
export const lifeRow = (life: NodeLife): LifeColumns => ({
  state: life.state,
  version: life.version,
  owner: life.owner ?? null,
  maintenance: life.maintenance ?? null,
  stateSinceMs: life.stateSinceMs,
  deadlineMs: life.deadlineMs ?? null,
  attempt: life.attempt,
  override: json(life.override),
});
export const lifeOf = (row: LifeColumns): NodeLife => {
  const { state, version, owner, maintenance, stateSinceMs, deadlineMs, attempt, override } = row;
  return {
    ...present({ state, version, owner, maintenance, stateSinceMs, deadlineMs, attempt }),
    ...(override !== null && { override: JSON.parse(override) }),
  } as unknown as NodeLife;
};

/** What a change of a node's settings writes: all but its id and its life. */
export function settingsRow(row: Selectable<Tables["node"]>): Partial<Selectable<Tables["node"]>> {
  const { id, state, version, owner, maintenance, stateSinceMs, deadlineMs, attempt, override, ...rest } =
    row;
  return rest;
}

export const nodeRow = (node: Node): Selectable<Tables["node"]> => ({
  id: node.id,
  serial: node.serial ?? null,
  mac: node.mac ? parseMac(node.mac) : null,
  model: node.model ?? null,
  revision: node.revision ?? null,
  name: node.name,
  ...lifeRow(node),
  profile: node.profile,
  image: node.image ?? null,
  root: node.root ?? null,
  firmware: node.firmware ?? null,
  address: node.address ?? null,
  seed: JSON.stringify(node.seed),
  firstSeenMs: node.firstSeenMs,
  lastSeenMs: node.lastSeenMs,
  group: node.group ?? null,
  management: node.management ?? null,
  managementMac: node.managementMac ?? null,
  labels: json(node.labels),
  place: json(node.place),
  planned: json(node.planned),
  values: json(node.values),
  ...packed(node),
});
export const profileRow = (profile: Profile): Selectable<Tables["profile"]> => ({
  name: profile.name,
  image: profile.image ?? null,
  root: profile.root,
  firmware: profile.firmware ?? null,
  seed: JSON.stringify(profile.seed),
  version: profile.version ?? 1,
  ...packed(profile),
});
