// The programs of the agent, taken out of their Debian packages together with the libraries that they need.
import { readFile } from "node:fs/promises";
import { posix } from "node:path";
import { Readable } from "node:stream";
import { extract } from "tar-stream";
import { concat } from "../base/bytes.ts";
import { BrambleError } from "../base/errors.ts";
import { toUtf8 } from "../base/text.ts";
import type { CpioEntry } from "../formats/cpio.ts";
import { readDeb } from "../formats/deb.ts";
import { elfNeeds } from "../formats/elf.ts";
import { debPath, type LockedPackage } from "./agent-lock.ts";
import { openXz } from "./images/xz.ts";

/** Path in a package → where it goes in the agent. */
const PROGRAMS: Record<string, string> = {
  "usr/bin/busybox": "bin/busybox",
  // systemd's shutdown spares what has an @ as the first character of its name (systemd.io/ROOT_STORAGE_DAEMONS)
  "usr/sbin/iscsid": "sbin/@iscsid",
  "usr/sbin/iscsiadm": "sbin/iscsiadm",
  "usr/sbin/mke2fs": "sbin/mke2fs",
};

/** What outlives the agent in a folder of its own; agent/jail lists its files and their libraries. */
const JAILED = ["sbin/@iscsid", "sbin/iscsiadm"];

export const PACKAGES = ["busybox-static", "open-iscsi", "e2fsprogs"];
/** For the packages' own installation scripts, or programs of theirs that are not taken. */
export const NOT_NEEDED = [
  "debconf",
  "gcc-14-base",
  "init-system-helpers",
  "logsave",
  "openssl-provider-legacy",
  "udev",
];

/** Files of all packages by path without the leading "./"; a symlink is the text of its target. */
type Content = Map<string, Uint8Array | string>;

/** The agent's programs, the dynamic loader and the libraries. Throws AGENT_UNBUILDABLE where a package lacks one. */
export async function readPrograms(folder: string, packages: readonly LockedPackage[]): Promise<CpioEntry[]> {
  const content: Content = new Map();
  for (const one of packages) await unpackInto(content, await readFile(debPath(folder, one)), one.name);
  const all = new Map<string, Uint8Array>();
  const jail = new Set<string>();
  for (const [from, to] of Object.entries(PROGRAMS)) {
    for (const [path, bytes] of withLibraries(content, to, need(content, from))) {
      all.set(path, bytes);
      if (JAILED.includes(to)) jail.add(path);
    }
  }
  const list = toUtf8([...jail].map((path) => `${path}\n`).join(""));
  return [
    ...[...all].map(([path, bytes]): CpioEntry => ({ kind: "file", path, mode: 0o755, bytes })),
    { kind: "file", path: "agent/jail", mode: 0o644, bytes: list },
  ];
}

/** A program, its loader, and its libraries with theirs, by the path where each is looked for. */
function withLibraries(content: Content, path: string, bytes: Uint8Array): Map<string, Uint8Array> {
  const files = new Map<string, Uint8Array>();
  const there = new Set<string>();
  const open: string[] = [];
  const add = (to: string, file: Uint8Array) => {
    files.set(to, file);
    there.add(posix.basename(to));
    const { interpreter, libraries } = elfNeeds(file);
    open.push(...libraries);
    // the kernel asks for the loader by its whole path
    if (interpreter && !there.has(posix.basename(interpreter)))
      add(interpreter.slice(1), need(content, findLibrary(content, posix.basename(interpreter))));
  };
  add(path, bytes);
  for (let name = open.pop(); name !== undefined; name = open.pop()) {
    if (there.has(name)) continue;
    const from = findLibrary(content, name);
    // where the loader looks: Debian's /lib is /usr/lib
    add(from.replace(/^usr\//, ""), need(content, from));
  }
  return files;
}

function findLibrary(content: Content, name: string): string {
  for (const path of content.keys())
    if (/^(usr\/)?lib\//.test(path) && posix.basename(path) === name) return path;
  throw new BrambleError("AGENT_UNBUILDABLE", `no package of the agent has the library ${name}`);
}

/** A file's bytes; symlinks are followed inside the packages. */
function need(content: Content, path: string, hops = 0): Uint8Array {
  const found = content.get(path);
  if (found instanceof Uint8Array) return found;
  if (found === undefined || hops > 8)
    throw new BrambleError("AGENT_UNBUILDABLE", `no package of the agent has ${path}`);
  const target = found.startsWith("/") ? found.slice(1) : posix.join(posix.dirname(path), found);
  return need(content, target, hops + 1);
}

async function unpackInto(content: Content, deb: Uint8Array, name: string): Promise<void> {
  const data = readDeb(deb).find((member) => member.name.startsWith("data.tar"));
  if (data?.name !== "data.tar.xz")
    throw new BrambleError(
      "AGENT_UNBUILDABLE",
      `the package ${name} is packed as ${data?.name ?? "nothing"}, not data.tar.xz`,
    );
  const tar = Readable.from(openXz(Readable.from([data.bytes]))).pipe(extract());
  for await (const entry of tar) {
    const { type, linkname } = entry.header;
    const path = entry.header.name.replace(/^\.\//, "");
    const parts: Uint8Array[] = [];
    for await (const chunk of entry) parts.push(chunk as Uint8Array);
    if (!/^(usr\/)?(s?bin|lib)\//.test(path)) continue;
    if (type === "file") content.set(path, concat(parts));
    else if (type === "symlink" && linkname) content.set(path, linkname);
  }
}
