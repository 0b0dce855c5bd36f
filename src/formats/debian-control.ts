// Debian control data: stanzas of `Field: value` lines (deb822), as in Packages, InRelease and *.sources files.
import { BrambleError } from "../base/errors.ts";

/** Field names in lower case; continuation lines are joined by \n, each without its one leading space. */
export type Stanza = ReadonlyMap<string, string>;

/** One stanza. Throws FORMAT_VALUE for a line that is neither a field nor a continuation. */
export function parseStanza(text: string): Stanza {
  const fields = new Map<string, string>();
  let name = "";
  for (const line of text.split("\n")) {
    if (line.startsWith("#") || line.trim() === "") continue;
    if (/^[ \t]/.test(line) && name !== "") {
      fields.set(name, `${fields.get(name) ?? ""}\n${line.slice(1)}`);
      continue;
    }
    const colon = line.indexOf(":");
    if (colon <= 0 || /^\s/.test(line))
      throw new BrambleError("FORMAT_VALUE", `control data: "${line.slice(0, 60)}" is no field`);
    name = line.slice(0, colon).toLowerCase();
    fields.set(name, line.slice(colon + 1).trim());
  }
  return fields;
}

/** All stanzas of a small file (a *.sources file). */
export const parseStanzas = (text: string): Stanza[] =>
  text
    .split(/\n[ \t]*\n/)
    .map(parseStanza)
    .filter((stanza) => stanza.size > 0);

/**
 * The groups of a Depends field, each a list of alternatives, names only: within one suite the versions that a
 * package asks for are the ones that the suite has.
 */
export const parseDepends = (field: string): string[][] =>
  field
    .split(",")
    .map((group) =>
      group
        .split("|")
        .map((one) => /^[a-z0-9][a-z0-9+.-]*/.exec(one.trim())?.[0] ?? "")
        .filter((name) => name !== ""),
    )
    .filter((group) => group.length > 0);

export interface IndexFile {
  sha256: string;
  size: number;
}

/** The SHA256 section of a Release file: path under dists/SUITE → hash and size. */
export function releaseFiles(release: Stanza): Map<string, IndexFile> {
  const files = new Map<string, IndexFile>();
  for (const line of (release.get("sha256") ?? "").split("\n")) {
    const [sha256, size, path] = line.trim().split(/\s+/);
    if (sha256 && size && path && /^[0-9a-f]{64}$/.test(sha256))
      files.set(path, { sha256, size: Number(size) });
  }
  return files;
}
