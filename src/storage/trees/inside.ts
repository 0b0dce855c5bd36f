// A node's tree as we look into it ourselves, by path: for settling, boot files, export, comparison. Nobody's permissions count here.
import { BrambleError } from "../../base/errors.ts";
import { latin1, toUtf8 } from "../../base/text.ts";
import type { FileBytes } from "../../base/tree.ts";
import { STATUS } from "../../wire/nfs/status.ts";
import { type Answer, type Credentials, FILE_KIND, type Ino, STABLE } from "../../wire/nfs/tree.ts";
import type { Inode } from "./changes.ts";
import { whenWarm } from "./cold.ts";
import { setattr } from "./ops-attributes.ts";
import { flush } from "./ops-commit.ts";
import { readData, write } from "./ops-data.ts";
import type { Ground } from "./ops-ground.ts";
import * as moves from "./ops-moves.ts";
import * as names from "./ops-names.ts";
import { readdir } from "./ops-readdir.ts";
import * as posix from "./posix.ts";
import { OWN_INO } from "./upper.ts";

const ROOT: Credentials = { uid: 0, gid: 0, gids: [] };
const MAX_LINKS = 40;
/** Names that the Linux client gives to files that are removed while they are open: fs/nfs/unlink.c. */
const SILLY = /^\.nfs[0-9a-f]{24}$/;

export interface Owner {
  mode: number;
  uid: number;
  gid: number;
}

export interface InsideFile extends FileBytes {
  readonly ino: Ino;
  /** Its bytes are the image's. */
  readonly untouched: boolean;
}

/** `name` and what follows from it: one character per byte. */
export interface InsideEntry {
  name: string;
  inode: Inode;
}

/**
 * Paths are `a/b/c` in UTF-8, "" is the root; parts of one may be symlinks, which lead within the tree. Changes last when the tree's settled() has ended.
 * Errors: FILE_UNKNOWN where there is no such path, BAD_INPUT for one that cannot be, DISK_FULL, DISK_IO, FORMAT_VALUE.
 */
export class Inside {
  readonly #ground: Ground;

  constructor(ground: Ground) {
    this.#ground = ground;
  }

  /** By path (without following a symlink in its last part) or number; undefined where there is none. */
  look(what: string | Ino): Promise<Inode | undefined> {
    return whenWarm(() => (typeof what === "number" ? this.#ground.inode(what) : this.#find(what, false)));
  }

  /** What a directory holds, in the order of inode numbers. */
  async list(what: string | Ino): Promise<InsideEntry[]> {
    const directory = await whenWarm(() =>
      typeof what === "number" ? this.#ground.inode(what) : this.#find(what, true),
    );
    if (directory?.kind !== FILE_KIND.directory) throw unknown(`directory ${what}`);
    const found: InsideEntry[] = [];
    const answer = await readdir(this.#ground, ROOT, directory.ino, 2, ({ name, ino }) => {
      const inode = this.#ground.inode(ino);
      if (inode) found.push({ name, inode });
      return true;
    });
    must(answer, `list ${what}`);
    return found.sort((a, b) => a.inode.ino - b.inode.ino);
  }

  /** A regular file; undefined where there is none. Symlinks are followed. It reads what is there when it is read. */
  async open(what: string | Ino): Promise<InsideFile | undefined> {
    const inode = await whenWarm(() =>
      typeof what === "number" ? this.#ground.inode(what) : this.#find(what, true),
    );
    if (inode?.kind !== FILE_KIND.file) return undefined;
    const { ino, size } = inode;
    return {
      ino,
      size,
      untouched: this.#isUntouched(inode),
      read: async (into, offset) => {
        const now = await whenWarm(() => this.#ground.inode(ino));
        if (!now || offset + into.length > now.size)
          throw new BrambleError("DISK_RANGE", `${what}: the file was removed or cut while it was read`);
        await readData(this.#ground, now, into, offset);
      },
    };
  }

  #isUntouched({ ino, size, limit }: Inode): boolean {
    return ino < OWN_INO && limit === size && !this.#ground.upper.maps.get(ino)?.count;
  }

  /** Those of the image's inodes; own ones have none. Capabilities are gone where Linux takes them: when a file is written to or changes hands. */
  async xattrs(ino: Ino): Promise<Map<string, Uint8Array>> {
    if (ino >= OWN_INO) return new Map();
    const { lower } = this.#ground;
    const found = await lower.xattrs(ino);
    const [now, was] = await whenWarm(() => [this.#ground.inode(ino), lower.inode(ino)]);
    const same = now && was && now.uid === was.uid && now.gid === was.gid;
    const whole = now && (now.kind !== FILE_KIND.file || (this.#isUntouched(now) && now.size === was?.size));
    if (!same || !whole) found.delete("security.capability");
    return found;
  }

  /** A file with these bytes in the place of what is there; a regular file stays the inode that it is. Folders above are made. */
  async put(path: string, bytes: Uint8Array, owner: Owner): Promise<void> {
    const { directory, name } = await this.#above(path);
    const there = await whenWarm(() => this.#child(directory, name));
    if (there && there.kind !== FILE_KIND.file) await this.remove(path);
    const ino = await whenWarm(() => {
      const set = { ...owner, size: 0 };
      return must(names.create(this.#ground, ROOT, directory, name, { how: "unchecked", set }), path).made
        .ino;
    });
    await whenWarm(() => must(setattr(this.#ground, ROOT, ino, owner), path));
    if (bytes.length > 0)
      must(await whenWarm(() => write(this.#ground, ROOT, ino, 0, bytes, STABLE.fileSync)), path);
    // A change of owner takes set-user-id away, also one that was asked for with it; nobody is to have it with half the bytes.
    const { mode } = owner;
    if (mode & posix.SETID) await whenWarm(() => must(setattr(this.#ground, ROOT, ino, { mode }), path));
    await flush(this.#ground, ino);
  }

  /** A symlink in the place of what is there. */
  async symlink(path: string, target: string): Promise<void> {
    const { directory, name } = await this.#above(path);
    await this.remove(path);
    const text = latin1(toUtf8(target));
    await whenWarm(() => must(names.symlink(this.#ground, ROOT, directory, name, text, {}), path));
  }

  /** Nothing where there is one; what else is there goes. */
  async folder(path: string, owner: Owner): Promise<void> {
    const { directory, name } = await this.#above(path);
    const there = await whenWarm(() => this.#child(directory, name));
    if (there?.kind === FILE_KIND.directory) return;
    if (there) await this.remove(path);
    await whenWarm(() => must(names.mkdir(this.#ground, ROOT, directory, name, owner), path));
  }

  /** With all that is below. Nothing where there is nothing. */
  async remove(path: string): Promise<void> {
    const { up, name } = split(path);
    const directory = await whenWarm(() => this.#find(up, true));
    if (directory?.kind === FILE_KIND.directory) await this.#remove(directory.ino, name);
  }

  async #remove(directory: Ino, name: string): Promise<void> {
    const inode = await whenWarm(() => this.#child(directory, name));
    if (!inode) return;
    if (inode.kind === FILE_KIND.directory) {
      for (const entry of await this.list(inode.ino)) await this.#remove(inode.ino, entry.name);
      await whenWarm(() => must(moves.rmdir(this.#ground, ROOT, directory, name), name));
    } else await whenWarm(() => must(moves.remove(this.#ground, ROOT, directory, name), name));
  }

  /**
   * Everything below a directory (without itself), each directory before what it holds, its entries in the order of inode numbers. `path` is one
   * character per byte. A file with several names comes as often.
   */
  async *walk(path = ""): AsyncGenerator<{ path: string; inode: Inode }> {
    const top = await whenWarm(() => this.#find(path, true));
    if (top?.kind !== FILE_KIND.directory) throw unknown(`directory ${path}`);
    const waiting = [{ path: latin1(toUtf8(parts(path).join("/"))), ino: top.ino }];
    const seen = new Set([top.ino]);
    for (let here = waiting.pop(); here; here = waiting.pop()) {
      const deeper: typeof waiting = [];
      for (const { name, inode } of await this.list(here.ino)) {
        const found = here.path ? `${here.path}/${name}` : name;
        yield { path: found, inode };
        if (inode.kind !== FILE_KIND.directory) continue;
        if (seen.has(inode.ino))
          throw new BrambleError("FORMAT_VALUE", `the image's directory ${found} is found twice`);
        seen.add(inode.ino);
        deeper.push({ path: found, ino: inode.ino });
      }
      waiting.push(...deeper.reverse());
    }
  }

  /** Removes what a client that has died has left of files removed while open (.nfsXXXX); how many. */
  async sweep(): Promise<number> {
    let swept = 0;
    for (const [directory, { names: own }] of [...this.#ground.upper.entries])
      for (const { name, ino } of [...own.values()]) {
        if (!ino || !SILLY.test(name)) continue;
        const inode = await whenWarm(() => this.#child(directory, name));
        if (!inode || inode.kind === FILE_KIND.directory) continue;
        await whenWarm(() => must(moves.remove(this.#ground, ROOT, directory, name), name));
        swept += 1;
      }
    return swept;
  }

  #child(directory: Ino, name: string): Inode | undefined {
    const ino = this.#ground.find(directory, name);
    return ino ? this.#ground.inode(ino) : undefined;
  }

  /** The directory of a path, made where it is not, and the path's last part. */
  async #above(path: string): Promise<{ directory: Ino; name: string }> {
    const { up, name } = split(path);
    const there = await whenWarm(() => this.#find(up, true));
    if (there?.kind === FILE_KIND.directory) return { directory: there.ino, name };
    if (there || up === "") throw new BrambleError("BAD_INPUT", `${up} is no directory`);
    await this.folder(up, { mode: 0o755, uid: 0, gid: 0 });
    const made = await whenWarm(() => this.#find(up, true));
    if (!made) throw unknown(up);
    return { directory: made.ino, name };
  }

  /** `follow`: also a symlink in the last part. Throws Cold. */
  #find(path: string, follow: boolean): Inode | undefined {
    const ground = this.#ground;
    let here = ground.inode(ground.lower.root);
    const ahead = parts(path)
      .map((part) => latin1(toUtf8(part)))
      .reverse();
    for (let links = 0; here; ) {
      const part = ahead.pop();
      if (part === undefined) return here;
      if (here.kind !== FILE_KIND.directory) return undefined;
      if (part === ".") continue;
      if (part === "..") {
        here = ground.inode(ground.parent(here));
        continue;
      }
      const found = this.#child(here.ino, part);
      if (found?.kind !== FILE_KIND.symlink || (ahead.length === 0 && !follow)) {
        here = found;
        continue;
      }
      if (++links > MAX_LINKS) return undefined;
      if (found.target.startsWith("/")) here = ground.inode(ground.lower.root);
      ahead.push(...parts(found.target).reverse());
    }
    return undefined;
  }
}

const parts = (path: string): string[] => path.split("/").filter(Boolean);

function split(path: string): { up: string; name: string } {
  const all = parts(path);
  const name = all.pop();
  if (name === undefined) throw new BrambleError("BAD_INPUT", "the root itself cannot be replaced");
  return { up: all.join("/"), name: latin1(toUtf8(name)) };
}

const unknown = (what: string) => new BrambleError("FILE_UNKNOWN", `there is no ${what}`);

function must<T extends object>(answer: Answer<T>, what: string): T {
  if (typeof answer === "object") return answer;
  const name = Object.entries(STATUS).find(([, code]) => code === answer)?.[0];
  const full = answer === STATUS.DQUOT || answer === STATUS.NOSPC;
  throw new BrambleError(full ? "DISK_FULL" : "BAD_INPUT", `${what}: ${name}`);
}
