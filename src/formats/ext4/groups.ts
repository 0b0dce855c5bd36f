import { crc16, crc32cRaw } from "../../base/crc32c.ts";
import { BrambleError } from "../../base/errors.ts";
import { u16, u32 } from "../fields.ts";
import type { Superblock } from "./superblock.ts";

export interface Group {
  /** First block of its inode table. */
  inodeTable: number;
  freeClusters: number;
  /** Block that holds the bits of the group's clusters. */
  blockBitmap: number;
  inodeBitmap: number;
  /** Nothing was ever given out in this group: the bitmap is not there yet (BLOCK_UNINIT). */
  bitmapUnwritten: boolean;
}

/** The block that holds the descriptor of a group. With meta_bg the descriptors lie among the groups (ext4's descriptor_loc). */
export function descriptorBlock(group: number, sb: Superblock): number {
  const perBlock = sb.blockSize / sb.descriptorSize;
  const nth = Math.floor(group / perBlock);
  // The superblock lies in block 1 if blocks are as small as it, also where block 0 counts (bigalloc).
  const superblock = sb.blockSize === 1024 ? 1 : 0;
  if (!sb.metaBg || nth < sb.metaBg.first) return superblock + 1 + nth;
  const first = nth * perBlock;
  const start = sb.firstBlock + first * sb.blocksPerGroup;
  if (nth === 0) return superblock + 1;
  return start + (sb.metaBg.hasSuper(first) ? 1 : 0);
}

/** FORMAT_VALUE for a wrong checksum or a table outside the file system. */
export function decodeGroup(bytes: Uint8Array, group: number, sb: Superblock): Group {
  const wide = sb.descriptorSize >= 64;
  const bad = (why: string) => new BrambleError("FORMAT_VALUE", `ext4: group ${group}: ${why}`);
  if (checksum(bytes, group, sb) !== (sb.groupChecksum === "none" ? undefined : u16(bytes, 0x1e))) {
    throw bad("its checksum does not match");
  }
  const inodeTable = u32(bytes, 0x8) + (wide ? u32(bytes, 0x28) * 2 ** 32 : 0);
  const length = Math.ceil((sb.inodesPerGroup * sb.inodeSize) / sb.blockSize);
  if (inodeTable === 0 || inodeTable + length > sb.blocks)
    throw bad(`its inode table is at block ${inodeTable}`);
  return {
    inodeTable,
    freeClusters: u16(bytes, 0xc) + (wide ? u16(bytes, 0x2c) * 65536 : 0),
    blockBitmap: u32(bytes, 0x0) + (wide ? u32(bytes, 0x20) * 2 ** 32 : 0),
    inodeBitmap: u32(bytes, 0x4) + (wide ? u32(bytes, 0x24) * 2 ** 32 : 0),
    bitmapUnwritten: sb.groupChecksum !== "none" && (u16(bytes, 0x12) & 0x2) !== 0,
  };
}

function checksum(bytes: Uint8Array, group: number, sb: Superblock): number | undefined {
  if (sb.groupChecksum === "none") return undefined;
  const number = Uint8Array.of(group, group >>> 8, group >>> 16, group >>> 24);
  if (sb.groupChecksum === "crc16") {
    const start = crc16(crc16(crc16(0xffff, sb.rawUuid), number), bytes.subarray(0, 0x1e));
    return crc16(start, bytes.subarray(0x20, sb.descriptorSize));
  }
  let crc = crc32cRaw(crc32cRaw(sb.seed, number), bytes, 0, 0x1e);
  crc = crc32cRaw(crc, new Uint8Array(2));
  return crc32cRaw(crc, bytes, 0x20, sb.descriptorSize) & 0xffff;
}
