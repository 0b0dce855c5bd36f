import type { ReadableDisk } from "../base/disk.ts";
import { latin1 } from "../base/text.ts";
import { isExt, SUPERBLOCK_AT, SUPERBLOCK_SIZE } from "./ext4/superblock.ts";
import { fatGeometry } from "./fat/geometry.ts";
import { u16, u32 } from "./fields.ts";

export type FilesystemKind =
  | "fat12"
  | "fat16"
  | "fat32"
  | "ext2"
  | "ext3"
  | "ext4"
  | "squashfs"
  | "btrfs"
  | "xfs"
  | "f2fs"
  | "swap"
  | "lvm"
  | "luks"
  | "unknown";

/** Magic words: what, where, which. */
const MAGICS: readonly [FilesystemKind, number, string][] = [
  ["luks", 0, "LUKS\xba\xbe"],
  ["xfs", 0, "XFSB"],
  ["squashfs", 0, "hsqs"],
  ["f2fs", 1024, "\x10\x20\xf5\xf2"],
  ["btrfs", 65536 + 64, "_BHRfS_M"],
  // The label of a physical volume lies in one of the first four sectors.
  ...[0, 512, 1024, 1536].map((at): [FilesystemKind, number, string] => ["lvm", at, "LABELONE"]),
  // Swap's signature ends its first page, whatever size pages have.
  ...[4096, 8192, 16384, 65536].flatMap((page): [FilesystemKind, number, string][] => [
    ["swap", page - 10, "SWAPSPACE2"],
    ["swap", page - 10, "SWAP-SPACE"],
  ]),
];

/** What a partition (or a bare disk) holds, by its magic numbers: what the readers say of it may still be that it is damaged. */
export async function identifyFilesystem(disk: ReadableDisk): Promise<FilesystemKind> {
  const start = new Uint8Array(Math.min(disk.size, 65536 + 4096));
  await disk.read(start, 0);
  for (const [kind, at, magic] of MAGICS) {
    if (latin1(start.subarray(at, at + magic.length)) === magic) return kind;
  }
  const superblock = start.subarray(SUPERBLOCK_AT, SUPERBLOCK_AT + SUPERBLOCK_SIZE);
  if (superblock.length === SUPERBLOCK_SIZE && isExt(superblock)) return extVersion(superblock);
  const endsWell = start.length >= 512 && u16(start, 510) === 0xaa55;
  return (endsWell && fatGeometry(start, disk.size)?.kind) || "unknown";
}

/** As libblkid tells them apart: what ext2 and ext3 could not know makes an ext4, a journal an ext3. */
function extVersion(superblock: Uint8Array): FilesystemKind {
  const HAS_JOURNAL = 0x4;
  const EXT3_INCOMPAT = 0x2 | 0x4 | 0x10;
  const EXT3_RO_COMPAT = 0x1 | 0x2 | 0x4;
  if (u32(superblock, 0x60) & ~EXT3_INCOMPAT || u32(superblock, 0x64) & ~EXT3_RO_COMPAT) return "ext4";
  return u32(superblock, 0x5c) & HAS_JOURNAL ? "ext3" : "ext2";
}
