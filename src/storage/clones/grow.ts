import { BrambleError } from "../../base/errors.ts";
import { writeSize } from "./header-edit.ts";
import type { QcowLayer } from "./open-layers.ts";

/**
 * Makes the disk of a qcow2 file of ours larger: the header first, durable, then what is in memory. The new part is zeros.
 * BAD_INPUT where it would be smaller, or where the file has no room for so large a table (2 TiB, unless made larger).
 */
export async function growDisk(layer: QcowLayer, wanted: number): Promise<void> {
  const size = Math.ceil(wanted / 512) * 512;
  const { mapping, header, own } = layer;
  if (!Number.isSafeInteger(size) || size < mapping.size)
    throw new BrambleError("BAD_INPUT", `a disk of ${mapping.size} bytes cannot become one of ${wanted}`, {
      hint: "disks grow only: what lies at the end of one would be cut off",
    });
  const { clusterSize, entries } = mapping.geometry;
  const l1Entries = Math.max(header.l1Entries, Math.ceil(Math.ceil(size / clusterSize) / entries));
  const room = (Math.ceil((header.l1Entries * 8) / clusterSize) * clusterSize) / 8;
  if (l1Entries > room)
    throw new BrambleError(
      "BAD_INPUT",
      `this disk can grow to ${room * entries * clusterSize} bytes, no further`,
      {
        hint: "export it and make a larger one of it",
      },
    );
  await writeSize(own.file, size, l1Entries);
  header.size = size;
  header.l1Entries = l1Entries;
  mapping.grow(size, l1Entries);
}
