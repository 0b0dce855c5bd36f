import type { ReadableDisk } from "../base/disk.ts";
import { BrambleError } from "../base/errors.ts";

/** A window on a disk (a partition), in bytes. DISK_RANGE where it, or a read of it, lies outside. */
export function slice(disk: ReadableDisk, offset: number, size: number): ReadableDisk {
  if (!(offset >= 0 && size >= 0 && offset + size <= disk.size)) {
    throw new BrambleError(
      "DISK_RANGE",
      `bytes ${offset} to ${offset + size} lie outside a disk of ${disk.size}`,
    );
  }
  return {
    size,
    read(into, at) {
      if (!(at >= 0 && at + into.length <= size)) {
        throw new BrambleError("DISK_RANGE", `${into.length} bytes at ${at} lie outside a window of ${size}`);
      }
      return disk.read(into, offset + at);
    },
  };
}
