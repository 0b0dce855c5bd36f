import { basename, dirname, join } from "node:path";
import { type CloneRecord, cloneRecord } from "./create.ts";
import { readHeader } from "./header-edit.ts";
import type { Host, LayerEntry, LayersIndex } from "./layers-index.ts";
import type { PlannedLayer } from "./merge-plan.ts";
import { layerNumber, layerPath, type QcowLayer } from "./open-layers.ts";

export interface KnownLayer extends PlannedLayer {
  entry: LayerEntry;
  /** Of its disk, bytes. */
  size: number;
  record: CloneRecord | undefined;
}

/** The frozen layers of the index whose files are there, from their headers. `isHeld`: somebody reads from it. */
export function lookAtLayers(
  clone: string,
  index: LayersIndex,
  host: Host,
  isHeld: (number: number) => boolean,
): KnownLayer[] {
  return Object.entries(index.layers).flatMap(([n, entry]) => {
    const number = Number(n);
    const at = layerPath(clone, number);
    // On its way to be made, or to go: whoever lists layers does not wait for that.
    if (host.folder.identity(at) === undefined) return [];
    const file = host.open(at, "read");
    try {
      const header = readHeader(file, at, false);
      const { size } = header;
      const [on, record] = [layerBelow(clone, header.backing), cloneRecord(header)];
      const [wanted, due] = [entry.name !== undefined || isHeld(number), entry.due === true];
      return [{ number, on, wanted, due, bytes: file.allocated(), entry, size, record }];
    } finally {
      file.close();
    }
  });
}

/** The number of the layer that a file of this clone stands on; undefined where that is an image, or nothing. */
export function layerBelow(
  clone: string,
  backing: { file: string; format?: string } | undefined,
): number | undefined {
  if (backing?.format !== "qcow2") return undefined;
  const here = dirname(clone);
  return dirname(join(here, backing.file)) === join(here)
    ? layerNumber(clone, basename(backing.file))
    : undefined;
}

/** Bytes that a clone takes on the host's disk: the layers that are open, and those that only other snapshots need. */
export function bytesOfAll(clone: string, open: QcowLayer[], index: LayersIndex, host: Host): number {
  const paths = new Set(open.map(({ path }) => path));
  let sum = open.reduce((total, layer) => total + layer.allocated(), 0);
  for (const n of Object.keys(index.layers)) {
    const at = layerPath(clone, Number(n));
    if (paths.has(at) || host.folder.identity(at) === undefined) continue;
    const file = host.open(at, "read");
    sum += file.allocated();
    file.close();
  }
  return sum;
}
