// ext2, ext3 and ext4, read where they lie: never mounted, never written. A dirty journal is replayed in memory.
import type { ReadableDisk } from "../base/disk.ts";
import { BrambleError } from "../base/errors.ts";
import { latin1, toLatin1, toUtf8 } from "../base/text.ts";
import type { Entry, FileBytes, Tree } from "../base/tree.ts";
import { nameText } from "./ext4/directory.ts";
import { openFile, readDirectory, readLink, readXattrs } from "./ext4/files.ts";
import { INLINE_DATA, type Inode } from "./ext4/inode.ts";
import { Names } from "./ext4/names.ts";
import { openVolume } from "./ext4/open.ts";
import type { Volume } from "./ext4/volume.ts";

export type { Inode };

export interface Ext4Entry extends Entry {
  nameBytes: Uint8Array;
  inode: number;
}

/** One file of a walk. */
export interface Walked {
  path: string;
  pathBytes: Uint8Array;
  inode: Inode;
}

/**
 * Names are UTF-8 where their bytes are, else one character per byte; both find them again. Paths follow symlinks inside the
 * tree, except in the last part of lookup, stat, readlink and xattrs. Where an Inode is taken, it is one of this tree's.
 */
export interface Ext4Tree extends Tree {
  readonly label: string;
  readonly uuid: string;
  readonly blockSize: number;
  readonly freeBytes: number;
  readonly totalBytes: number;
  /** Transactions replayed from the journal in memory; 0 for a file system that was left clean. */
  readonly journalReplayed: number;
  lookup(path: string): Promise<Ext4Entry | undefined>;
  list(path: string): Promise<Ext4Entry[]>;
  open(file: string | Inode): Promise<FileBytes | undefined>;
  /** FILE_UNKNOWN where there is no such symlink. */
  readlink(link: string | Inode): Promise<string>;
  stat(path: string): Promise<Inode | undefined>;
  /** Where a file's first byte lies, in bytes of the file system; undefined for a hole and for a file kept in its inode. */
  place(file: Inode): Promise<number | undefined>;
  /** FILE_UNKNOWN where there is no such path. */
  xattrs(file: string | Inode): Promise<Map<string, Uint8Array>>;
  /** Everything below a directory (without itself), each directory before what it holds. */
  walk(path?: string): AsyncIterable<Walked>;
}

const ROOT_INODE = 2;
const MAX_LINKS = 40;
/** What list() gives at once; walk() has no such limit. */
const MAX_LISTED = 1_000_000;
const MAX_PATH = 65536;

/**
 * Opens the file system that fills `disk`, which must not change while the tree is in use: open it again then.
 * FORMAT_VALUE for what is damaged or no ext4, FORMAT_UNSUPPORTED naming features that we cannot read.
 */
export async function openExt4(disk: ReadableDisk): Promise<Ext4Tree> {
  const { volume, transactions } = await openVolume(disk);
  const { superblock } = volume;
  const files = new Ext4Files(volume);
  const { blockSize, blocks } = superblock;
  const freeBlocks = transactions > 0 ? await countFree(volume) : superblock.freeBlocks;
  return {
    label: superblock.label,
    uuid: superblock.uuid,
    blockSize,
    totalBytes: blocks * blockSize,
    freeBytes: freeBlocks * blockSize,
    journalReplayed: transactions,
    lookup: (path) => files.lookup(path),
    list: (path) => files.list(path),
    open: (file) => files.open(file),
    readlink: (link) => files.readlink(link),
    stat: (path) => files.find(path, false),
    async place(file) {
      if (file.size === 0 || file.flags & INLINE_DATA) return undefined;
      const { physical } = await volume.locate(file, 0);
      return physical === 0 ? undefined : physical * blockSize;
    },
    xattrs: async (file) => readXattrs(volume, await files.must(file)),
    walk: (path = "") => files.walk(path),
  };
}

/** The superblock of a crashed file system is behind: its groups know. */
async function countFree(volume: Volume): Promise<number> {
  const { groups, clusterBlocks } = volume.superblock;
  let clusters = 0;
  for (let group = 0; group < groups; group++) clusters += (await volume.group(group)).freeClusters;
  return clusters * clusterBlocks;
}

class Ext4Files {
  readonly #volume: Volume;
  readonly #names: Names;

  constructor(volume: Volume) {
    this.#volume = volume;
    this.#names = new Names(volume);
  }

  /** `follow`: also a symlink in the last part. */
  async find(path: string, follow: boolean): Promise<Inode | undefined> {
    const way: Inode[] = [await this.#root()];
    const parts = path.split("/").filter(Boolean).map(pathKeys).reverse();
    for (let links = 0; ; ) {
      const part = parts.pop();
      const here = way.at(-1) as Inode;
      if (!part) return here;
      if (here.kind !== "directory") return undefined;
      if (part[0] === ".") continue;
      if (part[0] === "..") {
        if (way.length > 1) way.pop();
        continue;
      }
      const number = await this.#names.find(here, part);
      if (number === undefined) return undefined;
      const inode = await this.#volume.inode(number);
      if (inode.kind !== "symlink" || (parts.length === 0 && !follow)) {
        way.push(inode);
        continue;
      }
      if (++links > MAX_LINKS) return undefined;
      const target = latin1(await readLink(this.#volume, inode));
      if (target.startsWith("/")) way.length = 1;
      for (const key of target.split("/").filter(Boolean).reverse()) parts.push([key]);
    }
  }

  async #root(): Promise<Inode> {
    const root = await this.#volume.inode(ROOT_INODE);
    if (root.kind !== "directory") throw new BrambleError("FORMAT_VALUE", "ext4: the root is no directory");
    return root;
  }

  async must(file: string | Inode): Promise<Inode> {
    const inode = typeof file === "string" ? await this.find(file, false) : file;
    if (!inode) throw new BrambleError("FILE_UNKNOWN", `there is no ${file}`);
    return inode;
  }

  async lookup(path: string): Promise<Ext4Entry | undefined> {
    const inode = await this.find(path, false);
    const name = path.split("/").filter(Boolean).at(-1) ?? "";
    return inode && entry(toUtf8(name), name, inode);
  }

  async list(path: string): Promise<Ext4Entry[]> {
    const directory = await this.find(path, true);
    if (directory?.kind !== "directory")
      throw new BrambleError("FILE_UNKNOWN", `there is no directory ${path}`);
    const entries: Ext4Entry[] = [];
    for await (const dirents of readDirectory(this.#volume, directory)) {
      if (entries.length + dirents.length > MAX_LISTED) {
        throw new BrambleError("FORMAT_UNSUPPORTED", `${path} holds more than ${MAX_LISTED} files`);
      }
      for (const { nameBytes, inode } of dirents) {
        entries.push(entry(nameBytes, nameText(nameBytes), await this.#volume.inode(inode)));
      }
    }
    return entries;
  }

  async open(file: string | Inode): Promise<FileBytes | undefined> {
    const inode = typeof file === "string" ? await this.find(file, true) : file;
    return inode?.kind === "file" ? openFile(this.#volume, inode) : undefined;
  }

  async readlink(link: string | Inode): Promise<string> {
    const inode = await this.must(link);
    if (inode.kind !== "symlink")
      throw new BrambleError("FILE_UNKNOWN", `inode ${inode.number} is no symlink`);
    return nameText(await readLink(this.#volume, inode));
  }

  async *walk(path: string): AsyncGenerator<Walked> {
    const top = await this.find(path, true);
    if (top?.kind !== "directory") throw new BrambleError("FILE_UNKNOWN", `there is no directory ${path}`);
    const seen = new Set([top.number]);
    const prefix = path.split("/").filter(Boolean).join("/");
    const waiting: Walked[] = [{ inode: top, path: prefix, pathBytes: toUtf8(prefix) }];
    for (let here = waiting.pop(); here; here = waiting.pop()) {
      const deeper: Walked[] = [];
      for await (const dirents of readDirectory(this.#volume, here.inode)) {
        for (const dirent of dirents) {
          const inode = await this.#volume.inode(dirent.inode);
          const found = { ...join(here, dirent.nameBytes), inode };
          yield found;
          if (inode.kind !== "directory") continue;
          // A directory has one name: another one leads in circles.
          if (seen.has(inode.number)) {
            throw new BrambleError("FORMAT_VALUE", `ext4: directory ${found.path} is found twice`);
          }
          seen.add(inode.number);
          deeper.push(found);
        }
      }
      for (const found of deeper.reverse()) waiting.push(found);
    }
  }
}

/** A part of a path as keys of names: its UTF-8 bytes, and for names that are no UTF-8 its characters as bytes. */
function pathKeys(part: string): string[] {
  const key = latin1(toUtf8(part));
  return key === part || latin1(toLatin1(part)) !== part ? [key] : [key, part];
}

function join(directory: Walked, name: Uint8Array): { path: string; pathBytes: Uint8Array } {
  const above = directory.pathBytes;
  if (above.length === 0) return { path: nameText(name), pathBytes: name };
  if (above.length > MAX_PATH) throw new BrambleError("FORMAT_VALUE", "ext4: directories too deep to name");
  const pathBytes = new Uint8Array(above.length + 1 + name.length);
  pathBytes.set(above);
  pathBytes[above.length] = 0x2f;
  pathBytes.set(name, above.length + 1);
  return { path: `${directory.path}/${nameText(name)}`, pathBytes };
}

function entry(nameBytes: Uint8Array, name: string, inode: Inode): Ext4Entry {
  const { kind, size, mode, uid, gid, number } = inode;
  const mtimeMs = Number(inode.mtimeNs / 1_000_000n);
  return { name, nameBytes, kind, size, mode, uid, gid, mtimeMs, inode: number };
}
