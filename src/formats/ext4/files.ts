import { crc32cRaw } from "../../base/crc32c.ts";
import { BrambleError } from "../../base/errors.ts";
import type { FileBytes } from "../../base/tree.ts";
import { u32 } from "../fields.ts";
import { type Dirent, decodeDirents, hasTail, isHashBlock } from "./directory.ts";
import { EA_INODE, EXTENTS, INDEXED, INLINE_DATA, type Inode, inodeSeed } from "./inode.ts";
import type { Volume } from "./volume.ts";
import { aclForSystemCalls, decodeXattrs, INLINE_DATA_XATTR, type XattrEntry } from "./xattrs.ts";

/** Directories are read in pieces of at most this many bytes. */
const PIECE = 1 << 18;
/** ext4's own limit without large_dir is 2 GB; this is five million entries. */
const MAX_DIRECTORY = 1 << 28;
/** A symlink never needs more than a block; the kernel's limit is a page. */
const MAX_LINK = 65536;

const bad = (inode: Inode, why: string): BrambleError =>
  new BrambleError("FORMAT_VALUE", `ext4: inode ${inode.number}: ${why}`);

/** The bytes of a regular file (or of what is kept like one). */
export async function openFile(volume: Volume, inode: Inode): Promise<FileBytes> {
  const { size } = inode;
  const inline = inode.flags & INLINE_DATA ? await inlineData(volume, inode) : undefined;
  return {
    size,
    read(into, offset) {
      if (!(offset >= 0 && offset + into.length <= size)) {
        throw new BrambleError(
          "DISK_RANGE",
          `${into.length} bytes at ${offset} lie outside a file of ${size}`,
        );
      }
      if (!inline) return volume.readBlocks(inode, into, offset);
      into.fill(0);
      into.set(inline.subarray(offset, offset + into.length));
      return undefined;
    },
  };
}

/** Small files and directories kept in the inode: 60 bytes in the place of the block map, the rest as an extended attribute. */
async function inlineData(volume: Volume, inode: Inode): Promise<Uint8Array> {
  const more = (await xattrEntries(volume, inode)).find(({ name }) => name === INLINE_DATA_XATTR);
  const rest = more?.value ?? new Uint8Array(0);
  const bytes = new Uint8Array(60 + rest.length);
  bytes.set(inode.map);
  bytes.set(rest, 60);
  return bytes;
}

/** A symlink's target, as bytes. */
export async function readLink(volume: Volume, inode: Inode): Promise<Uint8Array> {
  if (inode.size > MAX_LINK) throw bad(inode, `a symlink of ${inode.size} bytes`);
  // Short targets lie where the block map would be ("fast" symlinks).
  if (inode.size < 60 && !(inode.flags & (EXTENTS | INLINE_DATA))) return inode.map.slice(0, inode.size);
  const bytes = new Uint8Array(inode.size);
  await (await openFile(volume, inode)).read(bytes, 0);
  return bytes;
}

/** The entries of a directory, in pieces, in the order of the disk. */
export async function* readDirectory(volume: Volume, inode: Inode): AsyncGenerator<Dirent[]> {
  const { blockSize, inodes } = volume.superblock;
  if (inode.flags & INLINE_DATA) {
    const bytes = await inlineData(volume, inode);
    // The first four bytes are the parent's inode; both parts hold records of their own.
    yield decodeDirents(bytes.subarray(4, 60), inodes);
    yield decodeDirents(bytes.subarray(60), inodes);
    return;
  }
  if (inode.size % blockSize) throw bad(inode, `a directory of ${inode.size} bytes`);
  if (inode.size > MAX_DIRECTORY) {
    throw new BrambleError(
      "FORMAT_UNSUPPORTED",
      `ext4: inode ${inode.number}: a directory of ${inode.size} bytes`,
    );
  }
  const seed = inodeSeed(inode.number, inode.generation, volume.superblock.seed);
  for (let at = 0; at < inode.size; ) {
    const { physical, count } = await volume.locate(inode, at / blockSize);
    if (physical === 0) throw bad(inode, "a directory with a hole");
    const bytes = new Uint8Array(Math.min(count * blockSize, inode.size - at, Math.max(PIECE, blockSize)));
    await volume.disk.read(bytes, physical * blockSize);
    const found: Dirent[] = [];
    for (let from = 0; from < bytes.length; from += blockSize) {
      const block = bytes.subarray(from, from + blockSize);
      if (volume.superblock.groupChecksum === "crc32c") verifyLeaf(block, inode, seed, at + from === 0);
      found.push(...decodeDirents(block, inodes));
    }
    yield found;
    at += bytes.length;
  }
}

function verifyLeaf(block: Uint8Array, inode: Inode, seed: number, first: boolean): void {
  if (inode.flags & INDEXED && isHashBlock(block, first)) return;
  const tail = block.length - 12;
  if (!hasTail(block) || crc32cRaw(seed, block, 0, tail) !== u32(block, tail + 8)) {
    throw bad(inode, "the checksum of a directory block does not match");
  }
}

/** Names and values. ACLs as the system calls show them. */
export async function readXattrs(volume: Volume, inode: Inode): Promise<Map<string, Uint8Array>> {
  const found = new Map<string, Uint8Array>();
  for (const entry of await xattrEntries(volume, inode)) {
    if (entry.name === INLINE_DATA_XATTR) continue;
    const value = entry.valueInode === 0 ? entry.value.slice() : await farValue(volume, inode, entry);
    found.set(entry.name, entry.name.startsWith("system.posix_acl_") ? aclForSystemCalls(value) : value);
  }
  return found;
}

async function xattrEntries(volume: Volume, inode: Inode): Promise<XattrEntry[]> {
  const own = decodeXattrs(inode.ownXattrs, 0);
  if (inode.xattrBlock === 0) return own;
  const MAGIC = 0xea020000;
  const block = await volume.block(inode.xattrBlock);
  if (u32(block, 0) !== MAGIC || u32(block, 8) !== 1)
    throw bad(inode, "a damaged block of extended attributes");
  const sb = volume.superblock;
  if (sb.groupChecksum === "crc32c") {
    const number = new Uint8Array(8);
    for (let i = 0; i < 8; i++) number[i] = Math.floor(inode.xattrBlock / 256 ** i);
    let crc = crc32cRaw(crc32cRaw(sb.seed, number), block, 0, 16);
    crc = crc32cRaw(crc32cRaw(crc, new Uint8Array(4)), block, 20);
    if (crc !== u32(block, 16)) throw bad(inode, "the checksum of its extended attributes does not match");
  }
  return [...own, ...decodeXattrs(block, 32)];
}

/** A value in an inode of its own (feature ea_inode). */
async function farValue(volume: Volume, inode: Inode, entry: XattrEntry): Promise<Uint8Array> {
  const holder = await volume.inode(entry.valueInode);
  if (!(holder.flags & EA_INODE) || holder.size !== entry.size)
    throw bad(inode, `the value of ${entry.name} is lost`);
  const value = new Uint8Array(entry.size);
  await (await openFile(volume, holder)).read(value, 0);
  return value;
}
