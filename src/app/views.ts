import type { Selectable } from "kysely";
import type {
  BootDetail,
  BootView,
  DiskSettingsView,
  EventView,
  NodeView,
  ProfileView,
} from "../api/contract.ts";
import { addressOf } from "../fleet/address-plan.ts";
import type { Fact, Step } from "../fleet/boots.ts";
import type { DiskSettings, Node, Profile } from "../fleet/node.ts";
import type { Book, Tables } from "../storage/book.ts";
import { lifeFields } from "./life/fields.ts";
import type { FrozenRow } from "./model-frozen.ts";
import type { Registry } from "./registry.ts";

/** Rows and nodes as people and programs outside see them; no secret passes here. */
export function nodeView(
  node: Node,
  registry: Registry,
  boot: BootView | undefined,
  more: Pick<NodeView, "line" | "supervision"> = {},
): NodeView {
  const now = registry.resolve(node);
  const own = (
    [
      ...(["image", "root", "firmware", "address", "ephemeral", "quota", "guard", "volumes"] as const),
      ...(["nfsBoot", "nfsDurability", "external"] as const),
    ] as const
  ).filter((key) => node[key] !== undefined);
  return {
    id: node.id,
    name: node.name,
    state: node.state,
    ...lifeFields(node),
    profile: node.profile,
    root: now.root,
    hasPassword: now.seed.passwordHash !== undefined,
    sshKeys: now.seed.sshKeys?.length ?? 0,
    own: [...own, ...Object.keys(node.seed)],
    firstSeenMs: node.firstSeenMs,
    lastSeenMs: node.lastSeenMs,
    ...diskSettings(now),
    ...(node.serial && { serial: node.serial }),
    ...(node.mac && { mac: node.mac }),
    ...(node.model && { model: node.model }),
    ...(node.revision !== undefined && { revision: node.revision }),
    ...(now.image && { image: now.image }),
    ...(now.firmware && { firmware: now.firmware }),
    ...placeFacts(node),
    ...(now.seed.user && { user: now.seed.user }),
    ...(boot && { boot }),
    ...more,
  };
}

/** Where it stands, and what it is told apart by. */
function placeFacts(node: Node) {
  const client = addressOf(node, "client");
  const management = addressOf(node, "management");
  return {
    labels: node.labels ?? {},
    place: node.place ?? {},
    ...(node.group !== undefined && { group: node.group }),
    ...(client && { address: client.address, addressFrom: client.from }),
    ...(management && { management: management.address }),
    ...(node.managementMac !== undefined && { managementMac: node.managementMac }),
  };
}

const diskSettings = ({
  ephemeral = false,
  quota,
  guard,
  volumes = [],
  nfsBoot,
  nfsDurability,
  external,
}: Unset<DiskSettings>): DiskSettingsView => ({
  ephemeral,
  volumes,
  ...(quota !== undefined && { quota }),
  ...(guard && { guard }),
  ...(nfsBoot !== undefined && nfsBoot !== "auto" && { nfsBoot }),
  ...(nfsDurability !== undefined && { nfsDurability }),
  ...(external && { external }),
});
type Unset<T> = { [K in keyof T]: T[K] | undefined };

export const profileView = ({ name, image, root, firmware, seed, ...disk }: Profile): ProfileView => ({
  name,
  root,
  ...diskSettings(disk),
  hasPassword: seed.passwordHash !== undefined,
  sshKeys: seed.sshKeys?.length ?? 0,
  ...(image && { image }),
  ...(firmware && { firmware }),
  ...(seed.user && { user: seed.user }),
});

const templatesGiven = (json: string) => {
  const { version, facts } = JSON.parse(json) as FrozenRow;
  return { profile: facts.profile, version };
};

export const bootView = (row: Selectable<Tables["boot"]>, registry: Registry): BootView => ({
  id: row.id,
  node: registry.byId(row.nodeId)?.name ?? row.nodeId,
  startedMs: row.startedMs,
  stage: row.stage as BootView["stage"],
  ...(row.endedMs !== null && { endedMs: row.endedMs }),
  ...(row.outcome !== null && { outcome: row.outcome as NonNullable<BootView["outcome"]> }),
  ...(row.verdict !== null && { verdict: row.verdict }),
  ...(row.cause !== null && { cause: row.cause }),
  ...(row.todo !== null && { todo: row.todo }),
  ...(row.tries !== null && { tries: row.tries }),
  ...(row.address !== null && { address: row.address }),
  ...(row.root !== null && { root: row.root }),
  ...(row.image !== null && { image: row.image }),
  ...(row.templates !== null && { templates: templatesGiven(row.templates) }),
});

export async function bootDetail(book: Book, view: BootView): Promise<BootDetail> {
  const rows = await book
    .selectFrom("step")
    .selectAll()
    .where("bootId", "=", view.id)
    .orderBy("seq")
    .execute();
  return {
    ...view,
    steps: rows.map((row) => ({
      atMs: row.atMs,
      kind: row.kind as Step["kind"],
      words: row.words,
      ...(row.path !== null && { path: row.path }),
      ...(row.result !== null && { result: row.result as NonNullable<Step["result"]> }),
      ...(row.bytes !== null && { bytes: row.bytes }),
      ...(row.tookMs !== null && { tookMs: row.tookMs }),
      ...(row.origin !== null && { origin: row.origin }),
      ...(row.fact !== null && { fact: row.fact as Fact }),
    })),
  };
}

export const eventView = (row: Selectable<Tables["event"]>, registry: Registry): EventView => ({
  id: row.id,
  atMs: row.atMs,
  kind: row.kind,
  words: row.words,
  ...(row.nodeId !== null && { node: registry.byId(row.nodeId)?.name ?? row.nodeId }),
});
