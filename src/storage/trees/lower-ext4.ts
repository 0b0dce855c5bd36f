// An ext4 as lower layer: inodes, directories and extents decoded once and kept for all nodes.
import type { ReadableDisk } from "../../base/disk.ts";
import { latin1 } from "../../base/text.ts";
import type { EntryKind } from "../../base/tree.ts";
import { openFile, readDirectory, readLink, readXattrs } from "../../formats/ext4/files.ts";
import { decodeInode, EA_INODE, type Inode as Ext4Inode, INLINE_DATA } from "../../formats/ext4/inode.ts";
import { openVolume } from "../../formats/ext4/open.ts";
import type { Volume } from "../../formats/ext4/volume.ts";
import { u32 } from "../../formats/fields.ts";
import { FILE_KIND, type FileKind, type Ino, type Time } from "../../wire/nfs/tree.ts";
import type { Inode } from "./changes.ts";
import { AHEAD, type Lower, type LowerDirectory } from "./lower.ts";
import { LowerCache } from "./lower-cache.ts";
import { Extents, extentsOf } from "./lower-extents.ts";

export const ROOT = 2;
/** Inodes below serve the file system itself (its journal, for example). */
const FIRST_FREE = 11;

const KINDS: Record<EntryKind, FileKind> = {
  file: FILE_KIND.file,
  directory: FILE_KIND.directory,
  block: FILE_KIND.block,
  character: FILE_KIND.character,
  symlink: FILE_KIND.symlink,
  socket: FILE_KIND.socket,
  fifo: FILE_KIND.fifo,
};

/** "none": there is no such inode. */
type Found = Inode | "none";

/** `cacheBytes`: memory for what was decoded. Errors as openVolume() has them. */
export async function openExt4Lower(disk: ReadableDisk, cacheBytes: number): Promise<Ext4Lower> {
  const { volume } = await openVolume(disk);
  const root = await volume.inode(ROOT);
  if (root.kind !== "directory") throw new TypeError("decodeInode() gave a root that is no directory");
  return new Ext4Lower(volume, cacheBytes);
}

export class Ext4Lower implements Lower {
  readonly root = ROOT;
  readonly usedBytes: number;
  readonly inodes: number;
  readonly #volume: Volume;
  readonly #inodes: LowerCache<Found>;
  readonly #directories: LowerCache<LowerDirectory>;
  readonly #parents: LowerCache<Ino>;
  readonly #extents: LowerCache<Extents>;

  constructor(volume: Volume, cacheBytes: number) {
    const { blocks, freeBlocks, blockSize, inodes } = volume.superblock;
    this.usedBytes = (blocks - freeBlocks) * blockSize;
    this.inodes = inodes;
    this.#volume = volume;
    this.#inodes = new LowerCache(cacheBytes * 0.4, 2 * AHEAD, (found) =>
      found === "none" ? 50 : 400 + found.target.length,
    );
    this.#parents = new LowerCache(cacheBytes * 0.05, 256, () => 30);
    this.#directories = new LowerCache(cacheBytes * 0.35, 8, ({ names }) => 200 + names.length * 110);
    this.#extents = new LowerCache(cacheBytes * 0.2, 8, (extents) => extents.bytes);
  }

  inode(ino: Ino): Inode | undefined {
    const found = this.#inodes.need(ino, this.#loadInode, this.#decodeInode);
    return found === "none" ? undefined : found;
  }

  directory(ino: Ino): LowerDirectory {
    return this.#directories.need(ino, this.#loadDirectory);
  }

  parent(ino: Ino): Ino {
    return this.#parents.need(ino, this.#loadParent);
  }

  async warm(inos: readonly Ino[]): Promise<void> {
    const jobs: Promise<void>[] = [];
    for (const ino of inos)
      if (this.#inodes.get(ino) === undefined) jobs.push(this.#inodes.load(ino, this.#loadInode));
    await Promise.all(jobs);
  }

  read(ino: Ino, into: Uint8Array, offset: number): void | Promise<void> {
    const extents = this.#extents.get(ino);
    if (extents) return extents.read(this.#volume.disk, into, offset);
    return this.#readCold(ino, into, offset);
  }

  async #readCold(ino: Ino, into: Uint8Array, offset: number): Promise<void> {
    // A small cache may have forgotten it again when its turn comes.
    for (;;) {
      const extents = this.#extents.get(ino);
      if (extents) return extents.read(this.#volume.disk, into, offset);
      await this.#extents.load(ino, this.#loadExtents);
    }
  }

  async xattrs(ino: Ino): Promise<Map<string, Uint8Array>> {
    return readXattrs(this.#volume, await this.#volume.inode(ino));
  }

  #isKnown(ino: Ino): boolean {
    return ino === ROOT || (ino >= FIRST_FREE && ino <= this.#volume.superblock.inodes);
  }

  /** Where its block is in memory: no promise, and nobody waits. */
  readonly #decodeInode = (ino: Ino): Found | undefined => {
    if (!this.#isKnown(ino)) return "none";
    const { superblock } = this.#volume;
    const { blockSize, inodeSize, inodesPerGroup } = superblock;
    const index = (ino - 1) % inodesPerGroup;
    const group = held(this.#volume.group((ino - 1 - index) / inodesPerGroup));
    const at = index * inodeSize;
    const block = group && held(this.#volume.block(group.inodeTable + Math.floor(at / blockSize)));
    if (!block) return undefined;
    const from = at % blockSize;
    const inode = decodeInode(block.subarray(from, from + inodeSize), ino, superblock);
    if (!isThere(inode)) return "none";
    return inode.kind === "symlink" ? undefined : record(inode, "");
  };

  readonly #loadInode = async (ino: Ino): Promise<Found> => {
    if (!this.#isKnown(ino)) return "none";
    const inode = await this.#volume.inode(ino);
    if (!isThere(inode)) return "none";
    const target = inode.kind === "symlink" ? latin1(await readLink(this.#volume, inode)) : "";
    return record(inode, target);
  };

  readonly #loadDirectory = async (ino: Ino): Promise<LowerDirectory> => {
    const inode = await this.#volume.inode(ino);
    const places = new Map<string, number>();
    const names: string[] = [];
    const inos: Ino[] = [];
    for await (const dirents of readDirectory(this.#volume, inode)) {
      for (const dirent of dirents) {
        const name = latin1(dirent.nameBytes);
        if (places.has(name)) continue;
        places.set(name, names.length);
        names.push(name);
        inos.push(dirent.inode);
      }
    }
    return { places, names, inos };
  };

  /** What ".." says: the second entry of the first block, or the first word of an inline directory. */
  readonly #loadParent = async (ino: Ino): Promise<Ino> => {
    const inode = await this.#volume.inode(ino);
    if (inode.flags & INLINE_DATA) return u32(inode.map, 0);
    const start = new Uint8Array(16);
    await this.#volume.readBlocks(inode, start, 0);
    return u32(start, 12);
  };

  readonly #loadExtents = async (ino: Ino): Promise<Extents> => {
    const inode = await this.#volume.inode(ino);
    if (!(inode.flags & INLINE_DATA)) return extentsOf(this.#volume, inode);
    const bytes = new Uint8Array(inode.size);
    await (await openFile(this.#volume, inode)).read(bytes, 0);
    return new Extents([], [], bytes);
  };
}

const isThere = ({ nlink, flags }: Ext4Inode): boolean => nlink !== 0 && (flags & EA_INODE) === 0;

/** What is in memory; what is not is on its way, and whoever asks again hears of its failure. */
function held<T>(soon: T | Promise<T>): T | undefined {
  if (!(soon instanceof Promise)) return soon;
  soon.catch(() => {});
  return undefined;
}

function record(inode: Ext4Inode, target: string): Inode {
  const file = inode.kind === "file";
  return {
    ino: inode.number,
    kind: KINDS[inode.kind],
    mode: inode.mode,
    nlink: inode.nlink,
    uid: inode.uid,
    gid: inode.gid,
    size: inode.size,
    used: inode.allocated,
    major: inode.rdev?.major ?? 0,
    minor: inode.rdev?.minor ?? 0,
    atime: time(inode.atimeNs),
    mtime: time(inode.mtimeNs),
    ctime: time(inode.ctimeNs),
    parent: 0,
    target,
    verifier: "",
    limit: file ? inode.size : 0,
    imageUsed: inode.allocated,
    blocks: 0,
  };
}

const SECOND = 1_000_000_000n;

function time(sinceEpoch: bigint): Time {
  const ns = ((sinceEpoch % SECOND) + SECOND) % SECOND;
  return { s: Number((sinceEpoch - ns) / SECOND), ns: Number(ns) };
}
