import { crc32cRaw } from "../../base/crc32c.ts";
import type { ReadableDisk } from "../../base/disk.ts";
import { BrambleError } from "../../base/errors.ts";
import { Chunks } from "../chunks.ts";
import { u16, u32 } from "../fields.ts";
import { END_OF_FILE, findExtent, mapPath, pointerRun, type Run } from "./blocks.ts";
import { decodeGroup, descriptorBlock, type Group } from "./groups.ts";
import { decodeInode, EXTENTS, type Inode, inodeSeed } from "./inode.ts";
import type { Superblock } from "./superblock.ts";

/** Files are read ahead in pieces of this many bytes: small ones lie side by side, and reads of a quarter or more go straight. */
const READ_AHEAD = 131072;
/** Remembered groups and verified blocks: forgotten all at once when there are more. */
const REMEMBERED = 8192;

/** The blocks and inodes of one file system: what directories, files and attributes are read from. */
export class Volume {
  readonly superblock: Superblock;
  readonly disk: ReadableDisk;
  readonly #chunks: Chunks;
  readonly #ahead: Chunks;
  readonly #groups = new Map<number, Group>();
  readonly #verified = new Set<number>();

  constructor(disk: ReadableDisk, superblock: Superblock) {
    this.disk = disk;
    this.superblock = superblock;
    this.#chunks = new Chunks(disk);
    this.#ahead = new Chunks(disk, READ_AHEAD, 32);
  }

  /** A whole block, through the cache: a view. */
  block(number: number): Uint8Array | Promise<Uint8Array> {
    const { blockSize, blocks } = this.superblock;
    if (!(number > 0 && number < blocks)) throw outside(number);
    return this.#chunks.view(number * blockSize, blockSize);
  }

  group(number: number): Group | Promise<Group> {
    const sb = this.superblock;
    const held = this.#groups.get(number);
    if (held) return held;
    const block = descriptorBlock(number, sb);
    const slot = number % (sb.blockSize / sb.descriptorSize);
    const view = this.#chunks.view(block * sb.blockSize + slot * sb.descriptorSize, sb.descriptorSize);
    const keep = (bytes: Uint8Array): Group => {
      if (this.#groups.size >= REMEMBERED) this.#groups.clear();
      const group = decodeGroup(bytes, number, sb);
      this.#groups.set(number, group);
      return group;
    };
    return view instanceof Promise ? view.then(keep) : keep(view);
  }

  /** FORMAT_VALUE where there is no such inode, or garbage in its place. */
  async inode(number: number): Promise<Inode> {
    const sb = this.superblock;
    if (!(number >= 1 && number <= sb.inodes)) {
      throw new BrambleError("FORMAT_VALUE", `ext4: inode ${number} does not exist`);
    }
    const index = (number - 1) % sb.inodesPerGroup;
    const group = this.group((number - 1 - index) / sb.inodesPerGroup);
    const { inodeTable } = group instanceof Promise ? await group : group;
    const view = this.#chunks.view(inodeTable * sb.blockSize + index * sb.inodeSize, sb.inodeSize);
    return decodeInode(view instanceof Promise ? await view : view, number, sb);
  }

  /** Where the file's block `logical` lies, and how many of its neighbours lie in order beside it. */
  async locate(inode: Inode, logical: number): Promise<Run> {
    const run =
      inode.flags & EXTENTS ? await this.#byExtents(inode, logical) : await this.#byMap(inode, logical);
    if (run.physical + run.count > this.superblock.blocks && run.physical !== 0) throw outside(run.physical);
    return run;
  }

  async #byExtents(inode: Inode, logical: number): Promise<Run> {
    let step = findExtent(inode.map, logical, END_OF_FILE, undefined);
    while (step.step === "down") {
      const node = await this.block(step.block);
      this.#verifyNode(step.block, node, inode);
      step = findExtent(node, logical, step.end, step.depth);
    }
    return step;
  }

  async #byMap(inode: Inode, logical: number): Promise<Run> {
    const { blockSize } = this.superblock;
    const path = mapPath(logical, blockSize);
    if (!path)
      throw new BrambleError("FORMAT_VALUE", `ext4: inode ${inode.number}: block ${logical} is too far`);
    let pointers = inode.map;
    for (const [level, slot] of path.entries()) {
      const last = level === path.length - 1;
      // i_block's first twelve point to data, the others to blocks of pointers.
      if (last) return pointerRun(pointers, slot, level === 0 ? 12 : blockSize / 4);
      const next = u32(pointers, slot * 4);
      if (next === 0) return { physical: 0, count: missing(path, level, blockSize / 4) };
      pointers = await this.block(next);
    }
    return { physical: 0, count: 1 };
  }

  /** The checksum behind the last extent that a node has room for. */
  #verifyNode(number: number, node: Uint8Array, inode: Inode): void {
    const sb = this.superblock;
    if (sb.groupChecksum !== "crc32c" || this.#verified.has(number)) return;
    const tail = 12 + u16(node, 4) * 12;
    const seed = inodeSeed(inode.number, inode.generation, sb.seed);
    if (tail + 4 > node.length || crc32cRaw(seed, node, 0, tail) !== u32(node, tail)) {
      throw new BrambleError(
        "FORMAT_VALUE",
        `ext4: inode ${inode.number}: the checksum of its extents in block ${number} does not match`,
      );
    }
    if (this.#verified.size >= REMEMBERED) this.#verified.clear();
    this.#verified.add(number);
  }

  /** Bytes of the file's blocks; the caller keeps inside the size. Holes read as zeros. */
  async readBlocks(inode: Inode, into: Uint8Array, offset: number): Promise<void> {
    const { blockSize } = this.superblock;
    for (let done = 0; done < into.length; ) {
      const logical = Math.floor((offset + done) / blockSize);
      const inside = offset + done - logical * blockSize;
      const { physical, count } = await this.locate(inode, logical);
      const length = Math.min(into.length - done, count * blockSize - inside);
      const part = into.subarray(done, done + length);
      const at = physical * blockSize + inside;
      if (physical === 0) part.fill(0);
      else if (length >= READ_AHEAD / 4) await this.disk.read(part, at);
      else {
        const view = this.#ahead.view(at, length);
        part.set(view instanceof Promise ? await view : view);
      }
      done += length;
    }
  }
}

const outside = (block: number): BrambleError =>
  new BrambleError("FORMAT_VALUE", `ext4: block ${block} lies outside the file system`);

/** Blocks under a pointer that is missing at `level`, from the one on the path to the last. */
function missing(path: readonly number[], level: number, perBlock: number): number {
  const below = path.slice(level + 1);
  const before = below.reduce((sum, slot) => sum * perBlock + slot, 0);
  return perBlock ** below.length - before;
}
