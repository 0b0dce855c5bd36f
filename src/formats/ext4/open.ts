import type { ReadableDisk } from "../../base/disk.ts";
import { readJournal, replayed } from "./journal.ts";
import { decodeSuperblock, SUPERBLOCK_AT, SUPERBLOCK_SIZE } from "./superblock.ts";
import { Volume } from "./volume.ts";

/**
 * The blocks and inodes of the file system that fills `disk`, as they are after a replay of its journal in memory (`transactions` of it).
 * FORMAT_VALUE for what is damaged or no ext4, FORMAT_UNSUPPORTED naming features that we cannot read.
 */
export async function openVolume(disk: ReadableDisk): Promise<{ volume: Volume; transactions: number }> {
  const superblock = decodeSuperblock(await superblockBytes(disk), disk.size);
  if (!superblock.needsRecovery) return { volume: new Volume(disk, superblock), transactions: 0 };
  const replay = await readJournal(new Volume(disk, superblock));
  const view = replayed(disk, replay, superblock.blockSize);
  const newer = decodeSuperblock(await superblockBytes(view), disk.size);
  return { volume: new Volume(view, newer), transactions: replay.transactions };
}

async function superblockBytes(disk: ReadableDisk): Promise<Uint8Array> {
  const bytes = new Uint8Array(SUPERBLOCK_SIZE);
  if (disk.size >= SUPERBLOCK_AT + SUPERBLOCK_SIZE) await disk.read(bytes, SUPERBLOCK_AT);
  return bytes;
}
