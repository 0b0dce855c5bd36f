// ext2, ext3 and ext4: Linux's Documentation/filesystems/ext4 and fs/ext4/ext4.h name every field here.

import { crc32cRaw } from "../../base/crc32c.ts";
import { BrambleError } from "../../base/errors.ts";
import { utf8 } from "../../base/text.ts";
import { u16, u32 } from "../fields.ts";
import { uuid } from "../uuid.ts";

export const SUPERBLOCK_AT = 1024;
export const SUPERBLOCK_SIZE = 1024;

/** Incompatible features by bit; those that the reader knows say true. */
const INCOMPAT: readonly [bit: number, name: string, known: boolean][] = [
  [0x1, "compression", false],
  [0x2, "filetype", true],
  [0x4, "needs_recovery", true],
  [0x8, "journal_dev", false],
  [0x10, "meta_bg", true],
  [0x40, "extents", true],
  [0x80, "64bit", true],
  [0x100, "mmp", true],
  [0x200, "flex_bg", true],
  [0x400, "ea_inode", true],
  [0x1000, "dirdata", false],
  [0x2000, "metadata_csum_seed", true],
  [0x4000, "large_dir", true],
  [0x8000, "inline_data", true],
  [0x10000, "encrypt", false],
  [0x20000, "casefold", false],
];
const META_BG = 0x10;
const RO_SPARSE_SUPER = 0x1;
const RO_GDT_CSUM = 0x10;
const RO_BIGALLOC = 0x200;
const RO_METADATA_CSUM = 0x400;

export interface Superblock {
  blockSize: number;
  /** Blocks of the whole file system. */
  blocks: number;
  freeBlocks: number;
  firstBlock: number;
  blocksPerGroup: number;
  /** Blocks in one bit of a block bitmap: more than 1 with bigalloc. */
  clusterBlocks: number;
  groups: number;
  inodes: number;
  inodesPerGroup: number;
  inodeSize: number;
  descriptorSize: number;
  needsRecovery: boolean;
  hasFiletype: boolean;
  journalInode: number;
  groupChecksum: "none" | "crc16" | "crc32c";
  /** Where every checksum of this file system starts (with crc32c). */
  seed: number;
  rawUuid: Uint8Array;
  uuid: string;
  label: string;
  metaBg: { first: number; hasSuper(group: number): boolean } | undefined;
}

const bad = (why: string): BrambleError => new BrambleError("FORMAT_VALUE", `ext4: superblock: ${why}`);

export const isExt = (superblock: Uint8Array): boolean => u16(superblock, 0x38) === 0xef53;

/**
 * The 1,024 bytes at offset 1,024 of a file system that lies on `size` bytes.
 * FORMAT_VALUE for nonsense, FORMAT_UNSUPPORTED naming the features that we cannot read.
 */
export function decodeSuperblock(bytes: Uint8Array, size: number): Superblock {
  if (!isExt(bytes)) throw bad("there is none");
  const revision = u32(bytes, 0x4c);
  const incompat = revision === 0 ? 0 : u32(bytes, 0x60);
  const readOnly = revision === 0 ? 0 : u32(bytes, 0x64);
  refuseUnknown(incompat);
  const checksums = (readOnly & RO_METADATA_CSUM) !== 0;
  if (checksums) {
    if (bytes[0x175] !== 1) throw bad(`checksum type ${bytes[0x175]}`);
    if (crc32cRaw(0xffffffff, bytes, 0, 0x3fc) !== u32(bytes, 0x3fc))
      throw bad("its checksum does not match");
  }
  const log = u32(bytes, 0x18);
  if (log > 6) throw bad(`block size 2^${10 + log}`);
  const blockSize = 1024 << log;
  const wide = (incompat & 0x80) !== 0;
  const high = (at: number): number => (wide ? u32(bytes, at) * 2 ** 32 : 0);
  const blocks = high(0x150) + u32(bytes, 0x4);
  if (blocks === 0 || blocks * blockSize > size) {
    throw new BrambleError(
      "FORMAT_VALUE",
      `ext4: the file system is ${blocks * blockSize} bytes long, its partition ${size}`,
      { hint: "is the image cut short?" },
    );
  }
  const inodeSize = revision === 0 ? 128 : u16(bytes, 0x58);
  if (inodeSize < 128 || inodeSize > blockSize || inodeSize & (inodeSize - 1))
    throw bad(`inode size ${inodeSize}`);
  const descriptorSize = wide ? u16(bytes, 0xfe) : 32;
  if (descriptorSize < 32 || descriptorSize > blockSize || descriptorSize & (descriptorSize - 1)) {
    throw bad(`group descriptor size ${descriptorSize}`);
  }
  const blocksPerGroup = u32(bytes, 0x20);
  const inodesPerGroup = u32(bytes, 0x28);
  const firstBlock = u32(bytes, 0x14);
  const clusterBlocks = readOnly & RO_BIGALLOC ? 2 ** (u32(bytes, 0x1c) - log) : 1;
  if (blocksPerGroup < 8 || firstBlock > 1 || firstBlock >= blocks) throw bad("group geometry");
  if (!Number.isInteger(clusterBlocks) || blocksPerGroup / clusterBlocks > blockSize * 8)
    throw bad("cluster size");
  if (inodesPerGroup < 1 || inodesPerGroup > blockSize * 8) throw bad(`${inodesPerGroup} inodes in a group`);
  const groups = Math.ceil((blocks - firstBlock) / blocksPerGroup);
  const rawUuid = bytes.slice(0x68, 0x78);
  const seeded = (incompat & 0x2000) !== 0;
  const label = bytes.subarray(0x78, 0x88);
  const end = label.indexOf(0);
  return {
    blockSize,
    blocks,
    freeBlocks: Math.min(high(0x158) + u32(bytes, 0xc), blocks),
    firstBlock,
    blocksPerGroup,
    clusterBlocks,
    groups,
    inodes: Math.min(u32(bytes, 0), groups * inodesPerGroup),
    inodesPerGroup,
    inodeSize,
    descriptorSize,
    needsRecovery: (incompat & 0x4) !== 0,
    hasFiletype: (incompat & 0x2) !== 0,
    journalInode: u32(bytes, 0xe0),
    groupChecksum: checksums ? "crc32c" : readOnly & RO_GDT_CSUM ? "crc16" : "none",
    seed: seeded ? u32(bytes, 0x270) : crc32cRaw(0xffffffff, rawUuid),
    rawUuid,
    uuid: uuid(rawUuid),
    label: utf8(end < 0 ? label : label.subarray(0, end)),
    metaBg: incompat & META_BG ? { first: u32(bytes, 0x104), hasSuper: supers(bytes, readOnly) } : undefined,
  };
}

function refuseUnknown(incompat: number): void {
  const unknown: string[] = [];
  for (let bit = 1; bit !== 0; bit = (bit << 1) >>> 0) {
    if (!(incompat & bit)) continue;
    const feature = INCOMPAT.find(([known]) => known === bit);
    if (!feature?.[2]) unknown.push(feature?.[1] ?? `0x${bit.toString(16)}`);
  }
  if (unknown.length === 0) return;
  throw new BrambleError(
    "FORMAT_UNSUPPORTED",
    `ext4: this file system uses ${unknown.join(", ")}, which Bramble cannot read`,
  );
}

/** Which groups start with a copy of the superblock (ext4_bg_has_super). */
function supers(bytes: Uint8Array, readOnly: number): (group: number) => boolean {
  const sparse2 = (u32(bytes, 0x5c) & 0x200) !== 0;
  const copies = [0, u32(bytes, 0x24c), u32(bytes, 0x250)];
  const powerOf = (n: number, base: number): boolean => {
    let power = base;
    while (power < n) power *= base;
    return power === n;
  };
  return (group) => {
    if (group === 0) return true;
    if (sparse2) return copies.includes(group);
    if (group === 1 || !(readOnly & RO_SPARSE_SUPER)) return true;
    return powerOf(group, 3) || powerOf(group, 5) || powerOf(group, 7);
  };
}
