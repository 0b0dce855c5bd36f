// Where a file system keeps nothing: free blocks and clusters, and the log of a journal that was left clean. What was deleted lies there still.
import type { ReadableDisk } from "../base/disk.ts";
import { BrambleError } from "../base/errors.ts";
import type { Group } from "./ext4/groups.ts";
import { decodeSuperblock, SUPERBLOCK_AT, SUPERBLOCK_SIZE, type Superblock } from "./ext4/superblock.ts";
import { Volume } from "./ext4/volume.ts";
import { Clusters } from "./fat/clusters.ts";
import { fatGeometry } from "./fat/geometry.ts";

/** Bytes from the start of the file system. */
export interface Range {
  offset: number;
  length: number;
}

/**
 * Free space of an ext2, ext3 or ext4 that was left clean, in order. FORMAT_VALUE where its journal must be replayed first or its
 * bitmaps say something else than the groups.
 */
export async function* unusedExt4(disk: ReadableDisk): AsyncGenerator<Range> {
  const bytes = new Uint8Array(SUPERBLOCK_SIZE);
  await disk.read(bytes, SUPERBLOCK_AT);
  const sb = decodeSuperblock(bytes, disk.size);
  if (sb.needsRecovery) throw new BrambleError("FORMAT_VALUE", "ext4: the journal must be replayed first");
  const volume = new Volume(disk, sb);
  const unit = sb.clusterBlocks * sb.blockSize;
  for (let group = 0; group < sb.groups; group++) {
    const known = await volume.group(group);
    const { blockBitmap, bitmapUnwritten, freeClusters } = known;
    if (freeClusters === 0) continue;
    const start = sb.firstBlock + group * sb.blocksPerGroup;
    const clusters = Math.ceil(Math.min(sb.blocksPerGroup, sb.blocks - start) / sb.clusterBlocks);
    let bitmap = new Uint8Array(sb.blockSize);
    if (bitmapUnwritten) bitmap = impliedBitmap(known, { start, clusters }, sb);
    else await disk.read(bitmap, blockBitmap * sb.blockSize);
    let free = 0;
    for (const run of clearRuns(bitmap, clusters)) {
      free += run.count;
      yield { offset: start * sb.blockSize + run.first * unit, length: run.count * unit };
    }
    if (free !== freeClusters) {
      throw new BrambleError(
        "FORMAT_VALUE",
        `ext4: group ${group} has ${freeClusters} free, its bitmap says ${free}`,
      );
    }
  }
  if (sb.journalInode !== 0) yield* log(volume, sb.journalInode);
}

/**
 * A group from which no file has a block has no bitmap: in use is what describes the file system, its own bitmaps and inode table where
 * they lie in it, and at its beginning copies of the superblock (ext4_init_block_bitmap in fs/ext4/balloc.c).
 */
function impliedBitmap(
  { blockBitmap, inodeBitmap, inodeTable, freeClusters }: Group,
  { start, clusters }: { start: number; clusters: number },
  sb: Superblock,
): Uint8Array<ArrayBuffer> {
  const bitmap = new Uint8Array(sb.blockSize);
  let used = 0;
  const use = (cluster: number) => {
    if (cluster < 0 || cluster >= clusters || (bitmap[cluster >> 3] as number) & (1 << (cluster & 7))) return;
    bitmap[cluster >> 3] = (bitmap[cluster >> 3] as number) | (1 << (cluster & 7));
    used += 1;
  };
  const tableBlocks = Math.ceil((sb.inodesPerGroup * sb.inodeSize) / sb.blockSize);
  for (const block of [
    blockBitmap,
    inodeBitmap,
    ...Array.from({ length: tableBlocks }, (_, i) => inodeTable + i),
  ])
    use(Math.floor((block - start) / sb.clusterBlocks));
  for (let cluster = 0; used < clusters - freeClusters && cluster < clusters; cluster++) use(cluster);
  return bitmap;
}

/** The blocks of a journal behind its superblock. A clean journal's log starts anew: nobody reads it. */
async function* log(volume: Volume, number: number): AsyncGenerator<Range> {
  const { blockSize } = volume.superblock;
  const inode = await volume.inode(number);
  const blocks = Math.floor(inode.size / blockSize);
  for (let at = 1; at < blocks; ) {
    const { physical, count } = await volume.locate(inode, at);
    const taken = Math.min(count, blocks - at);
    if (physical !== 0) yield { offset: physical * blockSize, length: taken * blockSize };
    at += taken;
  }
}

/** Runs of zero bits among the first `bits` of a bitmap; bit 0 is the lowest of byte 0. */
export function clearRuns(bitmap: Uint8Array, bits: number): { first: number; count: number }[] {
  const runs: { first: number; count: number }[] = [];
  let first = -1;
  for (let bit = 0; bit <= bits; bit++) {
    const clear = bit < bits && (((bitmap[bit >> 3] ?? 0) >> (bit & 7)) & 1) === 0;
    if (clear && first < 0) first = bit;
    if (!clear && first >= 0) {
      runs.push({ first, count: bit - first });
      first = -1;
    }
  }
  return runs;
}

/** Free clusters of a FAT12, FAT16 or FAT32, in order; nothing where it is none. */
export async function* unusedFat(disk: ReadableDisk): AsyncGenerator<Range> {
  const sector = new Uint8Array(512);
  await disk.read(sector, 0);
  const geometry = fatGeometry(sector, disk.size);
  if (!geometry) return;
  const clusters = new Clusters(disk, geometry);
  let first = 0;
  for (let cluster = 2; cluster <= geometry.lastCluster + 1; cluster++) {
    const free = cluster <= geometry.lastCluster && (await clusters.next(cluster)) === 0;
    if (free && first === 0) first = cluster;
    if (!free && first > 0) {
      const at = (number: number) => geometry.dataAt + (number - 2) * geometry.clusterSize;
      yield { offset: at(first), length: at(cluster) - at(first) };
      first = 0;
    }
  }
}
