// What a tar file of a system becomes: one tree of directories, the last word for each path, hard links as one file with several names.
import type { ReadableDisk } from "../../base/disk.ts";
import { BrambleError } from "../../base/errors.ts";
import type { TarKind } from "../../formats/tar.ts";
import { readTar, type TarFound } from "../../formats/tar-read.ts";

/** A file of the system to be. Names are one character per byte. */
export interface Planned {
  kind: Exclude<TarKind, "link">;
  mode: number;
  uid: number;
  gid: number;
  mtime: { s: number; ns: number };
  size: number;
  /** Where its bytes lie in the tar file. */
  at: number;
  major: number;
  minor: number;
  target: string;
  xattrs: ReadonlyMap<string, Uint8Array>;
  /** Its names. */
  links: number;
  /** Of a directory. */
  children: Map<string, Planned>;
}

/** Each costs about 500 bytes of memory; a full desktop has 300,000 files. */
const MAX_ENTRIES = 2_000_000;
const MAX_DEPTH = 256;

/** Throws as readTar(), and FORMAT_VALUE for an entry that lies in what is no folder, or a link to nothing. */
export async function planTar(tar: ReadableDisk): Promise<Planned> {
  const root = folder();
  let entries = 0;
  for await (const found of readTar(tar)) {
    if (++entries > MAX_ENTRIES)
      throw new BrambleError("FORMAT_UNSUPPORTED", `tar: more than ${MAX_ENTRIES} files`);
    if (found.path === "") Object.assign(root, attributes(found));
    else place(root, found);
  }
  if (entries === 0) throw new BrambleError("FORMAT_VALUE", "tar: nothing is in it");
  return root;
}

/** A directory that a path needs and nobody has described. */
const folder = (): Planned => ({
  ...{ kind: "directory", mode: 0o755, uid: 0, gid: 0, mtime: { s: 0, ns: 0 }, size: 0, at: 0 },
  ...{ major: 0, minor: 0, target: "", xattrs: new Map(), links: 1, children: new Map() },
});

const attributes = ({ mode, uid, gid, mtime, xattrs }: TarFound) => ({ mode, uid, gid, mtime, xattrs });

function place(root: Planned, found: TarFound): void {
  const { path, kind } = found;
  const parts = path.split("/");
  if (parts.length > MAX_DEPTH) throw bad(`a path of ${parts.length} folders`);
  const name = parts.pop() ?? "";
  let above = root;
  for (const part of parts) {
    const next = above.children.get(part) ?? folder();
    if (next.kind !== "directory") throw bad(`${path} lies in ${part}, which is no folder`);
    above.children.set(part, next);
    above = next;
  }
  const there = above.children.get(name);
  if (kind === "link") {
    const linked = find(root, found.target);
    if (!linked || linked.kind === "directory")
      throw bad(`${path} is a link to ${found.target}, which is no file`);
    if (linked === there) return;
    linked.links += 1;
    put(linked);
    return;
  }
  if (there?.kind === "directory" && kind === "directory") Object.assign(there, attributes(found));
  else {
    const { size, at, major, minor } = found;
    const target = kind === "symlink" ? found.target : "";
    put({ ...folder(), ...attributes(found), kind, size, at, major, minor, target });
  }

  function put(one: Planned): void {
    if (there) there.links -= 1;
    above.children.set(name, one);
  }
}

/** Follows no symlink; undefined where there is nothing. */
export function find(root: Planned, path: string): Planned | undefined {
  let here: Planned | undefined = root;
  for (const part of path.split("/").filter(Boolean)) here = here?.children.get(part);
  return here;
}

const bad = (what: string) => new BrambleError("FORMAT_VALUE", `tar: ${what}`);
