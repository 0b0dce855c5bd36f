// What a node is set to and where each setting comes from: profile, then its group, then its own.
import type { Group } from "./groups.ts";
import type { Node, Profile, SeedSettings } from "./node.ts";

/** A setting as it holds for a node. */
export interface Setting {
  /** `image`, `volume.NAME`, `value.NAME` … */
  name: string;
  value: unknown;
  /** `node`, `group NAME`, `profile NAME`, or `bramble` where nobody has said anything. */
  from: string;
  /** What it stands before, the nearest first. */
  over: { value: unknown; from: string }[];
}

type Layer = Pick<
  Node,
  | "image"
  | "root"
  | "firmware"
  | "ephemeral"
  | "quota"
  | "guard"
  | "volumes"
  | "nfsBoot"
  | "nfsDurability"
  | "external"
> & {
  seed: SeedSettings;
  values?: Readonly<Record<string, string | null>> | undefined;
};

const PLAIN = [
  ...["image", "root", "firmware", "ephemeral", "quota", "guard"],
  ...["nfsBoot", "nfsDurability", "external"],
] as const satisfies readonly (keyof Layer)[];
const SEED = ["user", "passwordHash", "sshKeys"] as const;
const BUILT_IN: [string, unknown][] = [
  ["root", "auto"],
  ["ephemeral", false],
];

/** All settings of a node by name; a password is said to be set, and no more. */
export function resolveSettings(
  node: Node,
  profile: Profile,
  group: Group | undefined,
  profileValues: Readonly<Record<string, string | null>> = {},
): Setting[] {
  const layers: [from: string, settings: Map<string, unknown>][] = [
    ["node", settingsOf(node)],
    ...(group ? ([[`group ${group.name}`, settingsOf(group)]] as [string, Map<string, unknown>][]) : []),
    [`profile ${profile.name}`, settingsOf({ ...profile, values: profileValues })],
    ["bramble", new Map(BUILT_IN)],
  ];
  const names = [...new Set(layers.flatMap(([, settings]) => [...settings.keys()]))];
  return names.sort(byName).map((name) => {
    const told = layers.flatMap(([from, settings]) =>
      settings.has(name) ? [{ value: settings.get(name), from }] : [],
    );
    const [first = { value: undefined, from: "bramble" }, ...over] = told;
    return { name, ...first, over: over.filter(({ from }) => from !== "bramble") };
  });
}

function settingsOf(layer: Layer): Map<string, unknown> {
  const out = new Map<string, unknown>();
  for (const name of PLAIN) if (layer[name] !== undefined) out.set(name, layer[name]);
  for (const name of SEED)
    if (layer.seed[name] !== undefined) out.set(name, name === "passwordHash" ? "(set)" : layer.seed[name]);
  for (const volume of layer.volumes ?? []) out.set(`volume.${volume.name}`, volume);
  for (const [name, value] of Object.entries(layer.values ?? {})) out.set(`value.${name}`, value);
  return out;
}

const ORDER: readonly string[] = [...PLAIN, ...SEED];
/** Settings in the order of the documentation, then volumes and values by name. */
const byName = (one: string, other: string): number => {
  const [a, b] = [one, other].map((name) => ORDER.indexOf(name) + 1 || ORDER.length + 1);
  return (a ?? 0) - (b ?? 0) || (one < other ? -1 : 1);
};

/** What templates call `value.NAME` for a node. */
export const valuesFor = (
  node: Pick<Node, "values">,
  group: Group | undefined,
  profileValues: Readonly<Record<string, string | null>>,
): Record<string, string | null> => ({ ...profileValues, ...group?.values, ...node.values });
