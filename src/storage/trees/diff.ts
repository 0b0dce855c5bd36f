// What a node has changed of its image: by path, with sizes. Directories that are the image's own are walked, files in them only looked at.
import { FILE_KIND, type FileKind, type Ino } from "../../wire/nfs/tree.ts";
import type { Inode } from "./changes.ts";
import { whenWarm } from "./cold.ts";
import type { Inside } from "./inside.ts";
import type { Lower } from "./lower.ts";
import { OWN_INO } from "./upper.ts";

const CHUNK = 1 << 20;

/** `attributes`: owner, mode or times only, or where a symlink leads. */
export type DiffKind = "added" | "changed" | "attributes" | "removed";

export interface DiffEntry {
  /** One character per byte. */
  path: string;
  what: DiffKind;
  kind: FileKind;
  /** Bytes of a regular file, now and in the image. */
  size: number;
  before: number;
}

/** In the order of the walk, a folder before what is in it. What differs in a folder's own times is not told. */
export async function* diffOf(inside: Inside, lower: Lower): AsyncGenerator<DiffEntry> {
  const top = await inside.look("");
  if (top) yield* both("", top, top);

  async function* both(path: string, now: Inode, before: Inode): AsyncGenerator<DiffEntry> {
    const old = await lowerNames(lower, before.ino);
    const entries = (await inside.list(now.ino)).sort((a, b) => (a.name < b.name ? -1 : 1));
    for (const { name, inode } of entries) {
      const found = path === "" ? name : `${path}/${name}`;
      const was = await lowerInode(lower, old.get(name));
      old.delete(name);
      if (!was) {
        yield* whole("added", found, inode);
        continue;
      }
      const what = await difference(inode, was);
      if (what) yield told(what, found, inode, was);
      const folders = inode.kind === FILE_KIND.directory && was.kind === FILE_KIND.directory;
      if (folders) yield* both(found, inode, was);
      else if (inode.kind === FILE_KIND.directory) yield* below("added", found, inode);
      else if (was.kind === FILE_KIND.directory) yield* below("removed", found, was);
    }
    for (const [name, ino] of old) {
      const was = await lowerInode(lower, ino);
      if (was) yield* whole("removed", path === "" ? name : `${path}/${name}`, was);
    }
  }

  async function* whole(what: "added" | "removed", path: string, inode: Inode): AsyncGenerator<DiffEntry> {
    yield what === "added" ? told(what, path, inode) : told(what, path, undefined, inode);
    if (inode.kind === FILE_KIND.directory) yield* below(what, path, inode);
  }

  async function* below(what: "added" | "removed", path: string, inode: Inode): AsyncGenerator<DiffEntry> {
    if (what === "added") {
      for (const one of await inside.list(inode.ino)) yield* whole(what, `${path}/${one.name}`, one.inode);
      return;
    }
    for (const [name, ino] of await lowerNames(lower, inode.ino)) {
      const was = await lowerInode(lower, ino);
      if (was) yield* whole(what, `${path}/${name}`, was);
    }
  }

  /** A package that is installed again leaves other files of the same bytes. */
  async function sameBytes(now: Inode, was: Inode): Promise<boolean> {
    const file = await inside.open(now.ino);
    if (!file) return false;
    if (file.untouched && now.ino === was.ino) return true;
    for (let at = 0; at < was.size; at += CHUNK) {
      const [own, old] = [0, 1].map(() => new Uint8Array(Math.min(CHUNK, was.size - at))) as [
        Uint8Array,
        Uint8Array,
      ];
      await Promise.all([file.read(own, at), lower.read(was.ino, old, at)]);
      if (Buffer.compare(own, old) !== 0) return false;
    }
    return true;
  }

  async function difference(now: Inode, was: Inode): Promise<DiffKind | undefined> {
    if (now === was) return undefined;
    if (now.kind !== was.kind || now.major !== was.major || now.minor !== was.minor) return "changed";
    if (now.kind === FILE_KIND.file) {
      if (now.size !== was.size || !(await sameBytes(now, was))) return "changed";
    }
    const same =
      now.mode === was.mode && now.uid === was.uid && now.gid === was.gid && now.target === was.target;
    return same ? undefined : "attributes";
  }
}

function told(what: DiffKind, path: string, now: Inode | undefined, was?: Inode): DiffEntry {
  const size = (inode: Inode | undefined) => (inode?.kind === FILE_KIND.file ? inode.size : 0);
  const kind = (now ?? was)?.kind ?? FILE_KIND.file;
  return { path, what, kind, size: size(now), before: size(was) };
}

async function lowerNames(lower: Lower, ino: Ino): Promise<Map<string, Ino>> {
  if (ino >= OWN_INO) return new Map();
  const { names, inos } = await whenWarm(() => lower.directory(ino));
  await lower.warm(inos);
  return new Map(names.map((name, i) => [name, inos[i] as Ino]));
}

const lowerInode = (lower: Lower, ino: Ino | undefined): Promise<Inode | undefined> =>
  ino === undefined ? Promise.resolve(undefined) : whenWarm(() => lower.inode(ino));
