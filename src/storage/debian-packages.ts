import { createReadStream } from "node:fs";
import { BrambleError } from "../base/errors.ts";
import { parseDepends, parseStanza } from "../formats/debian-control.ts";
import { openXz } from "./images/xz.ts";

export interface Package {
  name: string;
  version: string;
  /** Groups of alternatives: Pre-Depends and Depends. */
  depends: string[][];
  provides: string[];
  /** Path under the mirror's root. */
  path: string;
  sha256: string;
  size: number;
}

/** The stanzas of a Packages.xz, one at a time: the whole text (50 MB) is never in memory. */
export async function readPackages(path: string): Promise<Package[]> {
  const packages: Package[] = [];
  let rest = "";
  const decoder = new TextDecoder();
  for await (const chunk of openXz(createReadStream(path))) {
    const stanzas = (rest + decoder.decode(chunk, { stream: true })).split("\n\n");
    rest = stanzas.pop() ?? "";
    for (const stanza of stanzas) packages.push(packageOf(stanza));
  }
  if (rest.trim() !== "") packages.push(packageOf(rest));
  return packages;
}

function packageOf(text: string): Package {
  const stanza = parseStanza(text);
  const field = (name: string): string => {
    const value = stanza.get(name);
    if (!value) throw new BrambleError("FORMAT_VALUE", `Packages: ${stanza.get("package")} has no ${name}`);
    return value;
  };
  return {
    name: field("package"),
    version: field("version"),
    depends: parseDepends([stanza.get("pre-depends") ?? "", stanza.get("depends") ?? ""].join(",")),
    provides: parseDepends(stanza.get("provides") ?? "").flat(),
    path: field("filename"),
    sha256: field("sha256"),
    size: Number(field("size")),
  };
}

/**
 * The packages wanted and all that they depend on, sorted by name. Of alternatives the first that the suite has; a virtual
 * package is the first real one that provides it; `without` counts as there already. Throws PACKAGE_UNKNOWN.
 */
export function resolve(
  wanted: readonly string[],
  suite: ReadonlyMap<string, Package>,
  without: readonly string[] = [],
): Package[] {
  const providers = new Map<string, Package>();
  for (const one of suite.values())
    for (const name of one.provides) if (!providers.has(name)) providers.set(name, one);
  const chosen = new Map<string, Package>();
  const open: { names: readonly string[]; for: string }[] = wanted.map((name) => ({
    names: [name],
    for: "the agent",
  }));
  for (let next = open.pop(); next; next = open.pop()) {
    const { names } = next;
    if (names.some((name) => chosen.has(name) || without.includes(name))) continue;
    const found =
      names.map((name) => suite.get(name)).find((one) => one !== undefined) ??
      names.map((name) => providers.get(name)).find((one) => one !== undefined);
    if (!found)
      throw new BrambleError("PACKAGE_UNKNOWN", `no package ${names.join(" or ")}, wanted by ${next.for}`);
    if (chosen.has(found.name)) continue;
    chosen.set(found.name, found);
    for (const group of found.depends) open.push({ names: group, for: found.name });
  }
  return [...chosen.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}
