import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { type parseStanza, parseStanzas } from "../formats/debian-control.ts";

const DEFAULT = "http://deb.debian.org/debian";

/** Where Debian's packages may come from, best first: what this host's own apt uses for Debian, then Debian's own address. */
export async function hostMirrors(folder = "/etc/apt"): Promise<string[]> {
  const parts = await readdir(join(folder, "sources.list.d")).catch(() => []);
  const files = ["sources.list", ...parts.sort().map((name) => join("sources.list.d", name))];
  const found: string[] = [];
  for (const file of files) {
    const text = await readFile(join(folder, file), "utf8").catch(() => "");
    found.push(...(file.endsWith(".sources") ? deb822(text) : file.endsWith(".list") ? oneLine(text) : []));
  }
  return [...new Set([...found.filter(isDebian), DEFAULT])];
}

/** sources.list(5), one-line style: `deb [options] URI suite component…`. */
function oneLine(text: string): string[] {
  return text.split("\n").flatMap((line) => {
    const words = line.replace(/#.*/, "").replace(/\[[^\]]*\]/, " ");
    const [type, uri] = words.trim().split(/\s+/);
    return type === "deb" && uri ? [uri.replace(/\/+$/, "")] : [];
  });
}

/** sources.list(5), deb822 style. A file that is not readable as such names no mirror. */
function deb822(text: string): string[] {
  let stanzas: ReturnType<typeof parseStanza>[];
  try {
    stanzas = parseStanzas(text);
  } catch {
    return []; // apt itself will have told its user
  }
  return stanzas
    .filter((stanza) => stanza.get("enabled")?.toLowerCase() !== "no")
    .filter((stanza) => (stanza.get("types") ?? "").split(/\s+/).includes("deb"))
    .flatMap((stanza) => (stanza.get("uris") ?? "").split(/\s+/))
    .map((uri) => uri.replace(/\/+$/, ""));
}

/** Mirrors of the main archive end in /debian by custom. Whether one really is Debian's is decided by its signature, not here. */
const isDebian = (uri: string): boolean =>
  /^https?:\/\/.*\/debian$/.test(uri) && !/raspberrypi|raspbian/.test(uri);
