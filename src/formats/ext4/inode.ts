import { crc32cRaw } from "../../base/crc32c.ts";
import { BrambleError } from "../../base/errors.ts";
import type { EntryKind } from "../../base/tree.ts";
import { u16, u32 } from "../fields.ts";
import type { Superblock } from "./superblock.ts";

export interface Inode {
  number: number;
  kind: EntryKind;
  /** Permission bits, 0o7777. */
  mode: number;
  uid: number;
  gid: number;
  nlink: number;
  /** Bytes. */
  size: number;
  /** Bytes that it takes on the disk (i_blocks). */
  allocated: number;
  /** EXT4_*_FL. */
  flags: number;
  /** Only of block and character devices. */
  rdev: { major: number; minor: number } | undefined;
  /** Nanoseconds since 1970. */
  atimeNs: bigint;
  mtimeNs: bigint;
  ctimeNs: bigint;
  /** Undefined in inodes of 128 bytes. */
  crtimeNs: bigint | undefined;
  generation: number;
  /** i_block: 60 bytes of extents, block numbers, or the data itself. */
  map: Uint8Array;
  /** Extended attributes in the inode (after their magic number) and the block of more, 0 without. */
  ownXattrs: Uint8Array;
  xattrBlock: number;
}

export const INDEXED = 0x1000;
/** i_blocks counts blocks of the file system, not sectors. */
const HUGE_FILE = 0x40000;
export const EXTENTS = 0x80000;
export const EA_INODE = 0x200000;
export const INLINE_DATA = 0x10000000;

const KINDS: { [type: number]: EntryKind } = {
  1: "fifo",
  2: "character",
  4: "directory",
  6: "block",
  8: "file",
  10: "symlink",
  12: "socket",
};
const XATTR_MAGIC = 0xea020000;

/** `bytes` (of the inode's size) are copied where kept. FORMAT_VALUE for a wrong checksum or a type that does not exist. */
export function decodeInode(bytes: Uint8Array, number: number, sb: Superblock): Inode {
  const extra = bytes.length > 128 ? u16(bytes, 0x80) : 0;
  if (extra % 4 || 128 + extra > bytes.length) throw bad(number, `extra size ${extra}`);
  if (sb.groupChecksum === "crc32c") verify(bytes, number, extra, sb.seed);
  const own = bytes.slice();
  const map = own.subarray(0x28, 0x64);
  const type = u16(own, 0) >> 12;
  const kind = KINDS[type];
  if (!kind) throw bad(number, `file type ${type} does not exist`);
  const size = u32(own, 0x6c) * 2 ** 32 + u32(own, 0x4);
  if (!Number.isSafeInteger(size)) throw bad(number, `size ${size}`);
  const flags = u32(own, 0x20);
  const taken = u16(own, 0x74) * 2 ** 32 + u32(own, 0x1c);
  const device = kind === "block" || kind === "character";
  const inside = 128 + extra;
  const hasXattrs = bytes.length > 128 && u32(own, inside) === XATTR_MAGIC;
  return {
    number,
    kind,
    mode: u16(own, 0) & 0o7777,
    uid: u16(own, 0x2) + u16(own, 0x78) * 65536,
    gid: u16(own, 0x18) + u16(own, 0x7a) * 65536,
    nlink: u16(own, 0x1a),
    size,
    allocated: taken * (flags & HUGE_FILE ? sb.blockSize : 512),
    flags,
    rdev: device ? decodeDevice(map) : undefined,
    atimeNs: time(own, 0x8, 0x8c, extra),
    mtimeNs: time(own, 0x10, 0x88, extra),
    ctimeNs: time(own, 0xc, 0x84, extra),
    crtimeNs: extra >= 0x18 ? time(own, 0x90, 0x94, extra) : undefined,
    generation: u32(own, 0x64),
    map,
    ownXattrs: hasXattrs ? own.subarray(inside + 4) : own.subarray(0, 0),
    xattrBlock: u16(own, 0x76) * 2 ** 32 + u32(own, 0x68),
  };
}

const bad = (number: number, why: string) =>
  new BrambleError("FORMAT_VALUE", `ext4: inode ${number}: ${why}`);

/** Seconds from 1901 on; two more bits of them and the nanoseconds share the extra field, where the inode has it. */
function time(bytes: Uint8Array, at: number, extraAt: number, extra: number): bigint {
  const seconds = u32(bytes, at) | 0;
  if (extraAt + 4 > 128 + extra) return BigInt(seconds) * 1_000_000_000n;
  const more = u32(bytes, extraAt);
  return BigInt(seconds + (more & 3) * 2 ** 32) * 1_000_000_000n + BigInt(more >>> 2);
}

/** Small numbers in the old 8:8 form, others in the second word (Linux's new_encode_dev). */
function decodeDevice(map: Uint8Array): { major: number; minor: number } {
  const old = u32(map, 0);
  if (old) return { major: (old >> 8) & 0xff, minor: old & 0xff };
  const wide = u32(map, 4);
  return { major: (wide & 0xfff00) >>> 8, minor: (wide & 0xff) | ((wide >>> 12) & 0xfff00) };
}

/** The checksum that blocks of this inode start from. */
export function inodeSeed(number: number, generation: number, seed: number): number {
  const words = new Uint8Array(8);
  for (let i = 0; i < 4; i++) {
    words[i] = number >>> (i * 8);
    words[i + 4] = generation >>> (i * 8);
  }
  return crc32cRaw(seed, words);
}

const ZEROS = new Uint8Array(2);

function verify(bytes: Uint8Array, number: number, extra: number, seed: number): void {
  // i_checksum_lo at 0x7c, i_checksum_hi at 0x82 where the inode reaches that far: both count as zero.
  const wide = extra >= 4;
  let crc = crc32cRaw(inodeSeed(number, u32(bytes, 0x64), seed), bytes, 0, 0x7c);
  crc = crc32cRaw(crc, ZEROS);
  crc = crc32cRaw(crc, bytes, 0x7e, wide ? 0x82 : bytes.length);
  if (wide) crc = crc32cRaw(crc32cRaw(crc, ZEROS), bytes, 0x84);
  const stored = u16(bytes, 0x7c) + (wide ? u16(bytes, 0x82) * 65536 : 0);
  if ((wide ? crc : crc & 0xffff) !== stored) throw bad(number, "its checksum does not match");
}
