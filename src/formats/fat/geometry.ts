// The boot sector of FAT12, FAT16 and FAT32: Microsoft's "FAT: General Overview of On-Disk Format" 1.03.
import { latin1 } from "../../base/text.ts";
import { u16, u32 } from "../fields.ts";

export interface FatGeometry {
  kind: "fat12" | "fat16" | "fat32";
  sectorSize: number;
  /** Bytes. */
  clusterSize: number;
  /** Byte offsets: the table in use, the fixed root directory (FAT12/16), cluster 2. */
  fatAt: number;
  rootAt: number;
  dataAt: number;
  /** Bytes of one table, of the fixed root directory (0 on FAT32), of the whole volume. */
  fatSize: number;
  rootSize: number;
  totalSize: number;
  /** Clusters are numbered 2 up to and including this. */
  lastCluster: number;
  /** FAT32: the root directory's first cluster; else 0. */
  rootCluster: number;
  /** FAT32: the byte offset of the FSInfo sector, 0 without one. */
  infoAt: number;
  volumeId: string;
  label: string;
}

const powerOfTwo = (n: number): boolean => n > 0 && (n & (n - 1)) === 0;

/** What a boot sector (its first 512 bytes) says, or undefined where it is no FAT or contradicts itself. `size` of the disk in bytes. */
export function fatGeometry(sector: Uint8Array, size: number): FatGeometry | undefined {
  const sectorSize = u16(sector, 11);
  const perCluster = sector[13] as number;
  const reserved = u16(sector, 14);
  const fats = sector[16] as number;
  const rootEntries = u16(sector, 17);
  const media = sector[21] as number;
  if (!powerOfTwo(sectorSize) || sectorSize < 512 || sectorSize > 4096) return undefined;
  if (!powerOfTwo(perCluster) || reserved === 0 || fats === 0 || fats > 4) return undefined;
  if (media !== 0xf0 && media < 0xf8) return undefined;
  const total = u16(sector, 19) || u32(sector, 32);
  const short = u16(sector, 22);
  // As Linux: a table size of 0 in the old field means FAT32, however few clusters there are.
  const is32 = short === 0;
  const fatSectors = short || u32(sector, 36);
  const rootSize = Math.ceil((rootEntries * 32) / sectorSize) * sectorSize;
  const firstRoot = reserved + fats * fatSectors;
  const firstData = firstRoot + rootSize / sectorSize;
  if (fatSectors === 0 || total <= firstData || total * sectorSize > size) return undefined;
  const clusters = Math.floor((total - firstData) / perCluster);
  const kind = is32 ? "fat32" : clusters > 4084 ? "fat16" : "fat12";
  if (!is32 && (rootEntries === 0 || clusters > 65524)) return undefined;
  const fatSize = fatSectors * sectorSize;
  const entries = Math.floor((fatSize * 8) / { fat12: 12, fat16: 16, fat32: 32 }[kind]);
  // FAT32's flags: bit 7 says that only one table is kept up, the low bits which.
  const flags = is32 ? u16(sector, 40) : 0;
  const active = flags & 0x80 ? flags & 0x0f : 0;
  if (active >= fats) return undefined;
  const info = is32 ? u16(sector, 48) : 0;
  const extra = is32 ? 66 : 38;
  const signed = sector[extra] === 0x29;
  return {
    kind,
    sectorSize,
    clusterSize: perCluster * sectorSize,
    fatAt: (reserved + active * fatSectors) * sectorSize,
    rootAt: firstRoot * sectorSize,
    dataAt: firstData * sectorSize,
    fatSize,
    rootSize: is32 ? 0 : rootSize,
    totalSize: total * sectorSize,
    lastCluster: Math.min(clusters + 1, entries - 1),
    rootCluster: is32 ? u32(sector, 44) : 0,
    infoAt: info > 0 && info < reserved ? info * sectorSize : 0,
    volumeId: signed ? volumeId(u32(sector, extra + 1)) : "",
    label: signed ? fatLabel(sector.subarray(extra + 5, extra + 16)) : "",
  };
}

/** As dosfstools and blkid write it: "1234-ABCD". */
const volumeId = (id: number): string =>
  id.toString(16).toUpperCase().padStart(8, "0").replace(/^..../, "$&-");

const fatLabel = (bytes: Uint8Array): string => {
  const label = latin1(bytes).trimEnd();
  return label === "NO NAME" ? "" : label;
};
