import { randomUUID } from "node:crypto";
import { basename, dirname, relative, resolve } from "node:path";
import { BrambleError } from "../../base/errors.ts";
import { toUtf8, utf8 } from "../../base/text.ts";
import { encodeHeader, INCOMPATIBLE, type Qcow2Header } from "../../formats/qcow2.ts";
import { encodeOffset, geometry } from "../../formats/qcow2-tables.ts";
import { type HostFile, hostError, type OpenHostFile, openHostFile } from "./host-file.ts";
import { type HostFolder, hostFolder } from "./host-folder.ts";
import { openImage } from "./image.ts";

/** Our header extension ("BRMB"): what the clone is, and which image it stands on. Others keep it and look away. */
const EXTENSION = 0x42524d42;
const CLUSTER_BITS = 16;
const PAGE = 4096;

export interface CloneRecord {
  id: string;
  /** The raw image at the bottom: its hash, its size in bytes, and a hash of samples of it. Volumes have none. */
  image?: { sha256: string; size: number; fingerprint: string };
}

/** What createClone() wrote into the header; undefined in files that others made. */
export function cloneRecord(header: Qcow2Header): CloneRecord | undefined {
  const extension = header.extensions.find(({ type }) => type === EXTENSION);
  if (!extension) return undefined;
  try {
    return JSON.parse(utf8(extension.bytes)) as CloneRecord;
  } catch (cause) {
    throw new BrambleError("FORMAT_VALUE", "qcow2 header: Bramble's record in it is damaged", { cause });
  }
}

/** A raw image as callers know it: path, in bytes its size, hex its hash. */
export interface ImageRef {
  path: string;
  size: number;
  sha256: string;
}

/** The disk may be larger than the image and is 0 there. */
export interface NewClone {
  path: string;
  image: ImageRef;
  size?: number;
}

/** A clone that has nothing of its own: four pages and no copy. It appears under its name when it is durable. */
export async function writeClone({ path, image, size = image.size }: NewClone): Promise<void> {
  refuseExisting(path);
  if (size < image.size)
    throw new BrambleError("BAD_INPUT", `a disk of ${size} bytes is too small for an image of ${image.size}`);
  const on = overImage(path, image);
  await publishOverlay(path, { size, backing: on.backing, record: { id: randomUUID(), image: on.image } });
}

/** A clone without an image: zeros at first. */
export async function writeVolume({ path, size }: { path: string; size: number }): Promise<void> {
  refuseExisting(path);
  if (!(size >= 1 && Number.isSafeInteger(size)))
    throw new BrambleError("BAD_INPUT", `a disk of ${size} bytes cannot be`);
  await publishOverlay(path, { size, record: { id: randomUUID() } });
}

function refuseExisting(path: string): void {
  if (hostFolder.identity(path) !== undefined) throw new BrambleError("BAD_INPUT", `${path} exists already`);
}

/** How an overlay names its image, and what it remembers of it. IMAGE_DAMAGED where the size is another. */
export function overImage(path: string, image: ImageRef) {
  const base = openImage(image.path);
  const { size, fingerprint } = base;
  base.close();
  if (size !== image.size)
    throw new BrambleError("IMAGE_DAMAGED", `${image.path} has ${size} bytes, should have ${image.size}`, {
      hint: "the image's file was changed: add the image again",
    });
  return {
    backing: { file: relative(dirname(resolve(path)), resolve(image.path)), format: "raw" },
    image: { sha256: image.sha256, size, fingerprint },
  };
}

export interface Overlay {
  size: number;
  backing?: { file: string; format?: string };
  /** Files for others have none. */
  record?: CloneRecord;
  /** Subclusters need QEMU 5.2 or later, and are what makes small first writes cheap: not for files that are handed out. */
  plain?: boolean;
}

async function publishOverlay(path: string, what: Overlay): Promise<void> {
  const draft = `${path}.new`;
  try {
    await writeOverlay(draft, what);
    hostFolder.rename(draft, path);
    await hostFolder.sync(path);
  } catch (error) {
    hostFolder.remove(draft);
    throw hostError(error, `create ${basename(path)}`);
  }
}

/** An empty overlay, durable when it ends; whatever had this name before is gone. */
export async function writeOverlay(
  path: string,
  what: Overlay,
  host: { open: OpenHostFile; folder: HostFolder } = { open: openHostFile, folder: hostFolder },
): Promise<void> {
  host.folder.remove(path);
  const file = host.open(path, "create");
  try {
    layOut(file, what);
    await file.sync("mapping");
  } finally {
    file.close();
  }
}

/** Cluster 0 header, 1 refcount table (enough for 16 TiB), 2 its first block, then L1. Only pages that hold something are written. */
function layOut(file: HostFile, { size, backing, record, plain = false }: Overlay): void {
  const { clusterSize, entries } = geometry(CLUSTER_BITS, !plain);
  const whole = Math.ceil(size / 512) * 512;
  const l1Entries = Math.max(1, Math.ceil(Math.ceil(whole / clusterSize) / entries));
  const used = 3 + Math.ceil((l1Entries * 8) / clusterSize);
  const header = encodeHeader({
    ...{ version: 3, clusterBits: CLUSTER_BITS, l1Entries, l1Offset: 3 * clusterSize, refcountOrder: 4 },
    ...{ refcountTableOffset: clusterSize, refcountTableClusters: 1, snapshots: 0, cryptMethod: 0 },
    ...{ compressionType: 0, incompatible: plain ? 0n : INCOMPATIBLE.extendedL2, compatible: 0n },
    ...{ autoclear: 0n, size: whole, ...(backing ? { backing } : {}) },
    extensions: record ? [{ type: EXTENSION, bytes: toUtf8(JSON.stringify(record)) }] : [],
  });
  const counts = new Uint8Array(PAGE);
  for (let i = 0; i < used; i++) counts[i * 2 + 1] = 1;
  const table = new Uint8Array(PAGE);
  table.set(encodeOffset(2 * clusterSize, false));
  const first = new Uint8Array(PAGE);
  first.set(header);
  file.write(first, 0);
  file.write(table, clusterSize);
  file.write(counts, 2 * clusterSize);
  file.truncate(used * clusterSize);
}
