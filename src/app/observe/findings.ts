// What the book and the registry know that may keep boards from booting. For the fleet, or for one node of it.
import type { FindingView } from "../../api/observe-contract.ts";
import type { Node } from "../../fleet/node.ts";
import { listImages } from "../../storage/images.ts";
import type { Core } from "../core.ts";
import { firmwarePaths, lackedBy } from "../known-images.ts";

/** Conflicts that are older do not count. */
const RECENT_MS = 24 * 3_600_000;
const MOST = 200;

/** Without a node: of all of them. Only what is wrong is told of single nodes. */
export async function fleetFindings(core: Core, only?: Node): Promise<FindingView[]> {
  const nodes = only ? [only] : core.registry.all();
  const images = await listImages(core.data.root);
  const sets = new Map<string, ReturnType<typeof firmwarePaths>>();
  const laidBy = (name: string) => {
    const set = sets.get(name) ?? firmwarePaths(core.data.root, name);
    sets.set(name, set);
    return set;
  };
  const found = [
    ...(await Promise.all(nodes.map((node) => imageFinding(core, node, { images, laidBy })))).flat(),
    ...duplicates(core.registry.all()).filter(({ node }) => !only || node === only.name),
    ...(await conflicts(core, only)),
    ...(await slowPorts(core, only)),
  ];
  if (found.length > 0) return found.slice(0, MOST);
  const whom = only ? only.name : `${nodes.length} nodes`;
  return [{ what: "nodes", state: "ok", words: `nothing is known that would keep ${whom} from booting` }];
}

interface Files {
  images: Awaited<ReturnType<typeof listImages>>;
  /** Paths of a firmware set, in lower case. */
  laidBy(name: string): Promise<ReadonlySet<string>>;
}

/** The image must be there, and must have what the model's firmware asks for. */
async function imageFinding(
  { registry }: Core,
  node: Node,
  { images, laidBy }: Files,
): Promise<FindingView[]> {
  const { image: reference, root, firmware } = registry.resolve(node);
  const about = { what: "image", node: node.name };
  if (root === "inventory" || root === "shell") return [];
  if (!reference)
    return [
      {
        ...about,
        state: images.length > 0 ? "problem" : "warning",
        words: `${node.name} has no image to boot`,
        hint:
          images.length > 0
            ? `bramble node set ${node.name} --image NAME:VERSION`
            : "bramble image add FILE|URL",
      },
    ];
  const [name, version] = reference.split(":");
  const image = images.find(
    (one) =>
      one.name === name &&
      (version === undefined || one.version === version || one.aliases.includes(version)),
  );
  if (!image)
    return [
      {
        ...about,
        state: "problem",
        words: `${node.name} is set to ${reference}, which is not there`,
        hint: "bramble image list",
      },
    ];
  if (lackedBy(image, node.model).length === 0) return [];
  const lacks = lackedBy(image, node.model, firmware ? await laidBy(firmware) : undefined);
  if (lacks.length === 0) return [];
  return [
    {
      ...about,
      state: "problem",
      words: `${reference} lacks what a Pi ${node.model} (${node.name}) asks for${firmware ? `, and ${firmware} does not have it either` : ""}: ${lacks.join(", ")}`,
      hint: `another image, or lay boot files under it: bramble firmware add FOLDER|ARCHIVE|DEB, then bramble node set ${node.name} --firmware NAME:VERSION`,
    },
  ];
}

/** Two nodes that would be given, or that claim, the same. The registry refuses most of it; a book of before may hold it. */
function duplicates(nodes: readonly Node[]): FindingView[] {
  const out: FindingView[] = [];
  for (const key of ["serial", "mac", "address", "management"] as const) {
    const owners = new Map<string, Node[]>();
    for (const node of nodes) {
      const value = node[key];
      if (value) owners.set(value, [...(owners.get(value) ?? []), node]);
    }
    for (const [value, two] of owners) {
      if (two.length < 2) continue;
      const names = two.map(({ name }) => name).join(" and ");
      for (const { name } of two)
        out.push({
          what: `duplicate ${key}`,
          state: "problem",
          node: name,
          words: `${names} have the same ${key}, ${value}`,
          hint: "give one of them another, or forget the one that is gone: bramble node forget",
        });
    }
  }
  return out;
}

/** What was heard on the network: two boards with one identity, an address that somebody else uses, another server. */
async function conflicts({ book, registry }: Core, only?: Node): Promise<FindingView[]> {
  let query = book
    .selectFrom("event")
    .selectAll()
    .where("kind", "in", ["conflict", "decline", "foreign-server"])
    .where("atMs", ">", Date.now() - RECENT_MS)
    .orderBy("id", "desc")
    .limit(MOST);
  if (only) query = query.where("nodeId", "=", only.id);
  const seen = new Set<string>();
  return (await query.execute()).flatMap(({ kind, nodeId, words }): FindingView[] => {
    const key = `${kind} ${nodeId} ${words.replace(/^\S+ → \S+( [\d.]+)?: /, "")}`;
    if (seen.has(key)) return [];
    seen.add(key);
    const node = nodeId === null ? undefined : registry.byId(nodeId)?.name;
    return [
      {
        what: WHAT[kind] ?? kind,
        state: kind === "foreign-server" ? "warning" : "problem",
        words,
        ...(node && { node }),
        hint: HINTS[kind] ?? "bramble explain NODE",
      },
    ];
  });
}

/** From power to the first DHCP request a Pi needs 2 to 10 s (spec pi-boot.md 2.5); a port that blocks adds 30. */
const SLOW_MS = 25_000;
const LOOKED_AT = 500;

/** Boards whose first request came late after their power, every time: their switch port opens slowly. */
async function slowPorts({ book, registry }: Core, only?: Node): Promise<FindingView[]> {
  let query = book
    .selectFrom("boot")
    .select(["nodeId", "reached"])
    .where("reached", "is not", null)
    .orderBy("startedMs", "desc")
    .limit(LOOKED_AT);
  if (only) query = query.where("nodeId", "=", only.id);
  const waits = new Map<string, number[]>();
  for (const { nodeId, reached } of await query.execute()) {
    const { power, dhcp } = JSON.parse(reached ?? "{}") as { power?: number; dhcp?: number };
    if (power === undefined || dhcp === undefined) continue;
    waits.set(nodeId, [...(waits.get(nodeId) ?? []), dhcp - power]);
  }
  return [...waits].flatMap(([nodeId, times]): FindingView[] => {
    const node = registry.byId(nodeId);
    const least = Math.min(...times);
    if (!node || least < SLOW_MS) return [];
    const count = times.length === 1 ? "in its last boot" : `in each of its last ${times.length} boots`;
    return [
      {
        what: "slow switch port",
        state: "warning",
        node: node.name,
        words: `${node.name} was first heard ${Math.round(least / 1000)} s or more after its power came on, ${count}`,
        hint: "spanning tree keeps its port closed: set it to edge (portfast); else the board retries its other boot sources first (BOOT_ORDER)",
      },
    ];
  });
}

const WHAT: Record<string, string> = {
  conflict: "address or identity conflict",
  decline: "duplicate address",
  "foreign-server": "another DHCP server",
};
const HINTS: Record<string, string> = {
  conflict:
    "two boards say that they are the same, or somebody else uses the address: find the one that is not yours by its MAC on the switch",
  decline: "the board found somebody else at the address that it was given: take the address out of the pool",
  "foreign-server": "in proxy mode one other server is right; two netboot servers disturb each other",
};
