import { readAll, type Tree } from "../../src/base/tree.ts";
import { type Ext4Tree, openExt4 } from "../../src/formats/ext4.ts";
import { openFat } from "../../src/formats/fat.ts";
import { readPartitions } from "../../src/formats/partitions.ts";
import { slice } from "../../src/formats/slice.ts";
import { fileDisk } from "../../src/storage/disks.ts";

/** A card's image opened as its two file systems. */
export async function openCard(
  path: string,
): Promise<{ boot: Tree; root: Ext4Tree; bootOffset: number; rootOffset: number; close(): void }> {
  const disk = fileDisk(path);
  const [first, second] = (await readPartitions(disk)).partitions;
  if (!first || !second) throw new Error(`${path} has no two partitions`);
  const boot = await openFat(slice(disk, first.offset, first.size));
  const root = await openExt4(slice(disk, second.offset, second.size));
  return { boot, root, bootOffset: first.offset, rootOffset: second.offset, close: () => disk.close() };
}

export async function bytesOf(tree: Tree, path: string): Promise<Uint8Array> {
  const file = await tree.open(path);
  if (!file) throw new Error(`no ${path} there`);
  return readAll(file);
}
