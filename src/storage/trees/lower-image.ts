import type { ReadableDisk } from "../../base/disk.ts";
import { BrambleError } from "../../base/errors.ts";
import { openFat } from "../../formats/fat.ts";
import { slice } from "../../formats/slice.ts";
import { openImage } from "../clones/image.ts";
import type { Lower } from "./lower.ts";
import { withBoot } from "./lower-boot.ts";
import { openExt4Lower } from "./lower-ext4.ts";

/** In bytes from the start of the image. */
export interface Window {
  offset: number;
  size: number;
}

/** Memory at most for decoded inodes, directories and extents of one image: 25,000 inodes that are asked for in turn stay. */
const CACHE_BYTES = 48 * 1024 * 1024;

/**
 * The lower layer of all trees over one image: its root partition (ext2 to ext4), and its boot partition (FAT) at the place where it mounts it.
 * Errors as readers of file systems have them: FILE_UNKNOWN for a file that is not there, FORMAT_VALUE, FORMAT_UNSUPPORTED.
 */
export async function openImageLower(
  path: string,
  partitions: { root: Window; boot?: Window },
  cacheBytes = CACHE_BYTES,
): Promise<{ lower: Lower; close(): void }> {
  const image = openImage(path);
  const disk: ReadableDisk = {
    size: image.size,
    read(into, offset) {
      if (!(offset >= 0 && offset + into.length <= image.size))
        throw new BrambleError("DISK_RANGE", `${into.length} bytes at ${offset} of a disk of ${image.size}`);
      if (image.isWarm(offset, into.length)) return image.readNow(into, offset);
      return image.warm(offset, into.length).then(() => image.readNow(into, offset));
    },
  };
  try {
    const { root, boot } = partitions;
    const lower = await openExt4Lower(slice(disk, root.offset, root.size), cacheBytes);
    const whole = boot ? await withBoot(lower, await openFat(slice(disk, boot.offset, boot.size))) : lower;
    return { lower: whole, close: () => image.close() };
  } catch (error) {
    image.close();
    throw error;
  }
}
