import { randomUUID } from "node:crypto";
import { close, existsSync, fsync, open as openFile, renameSync, rmSync } from "node:fs";
import { basename, dirname, relative, resolve } from "node:path";
import { BrambleError } from "../../base/errors.ts";
import { toUtf8, utf8 } from "../../base/text.ts";
import { encodeHeader, INCOMPATIBLE, type Qcow2Header } from "../../formats/qcow2.ts";
import { encodeOffset, geometry } from "../../formats/qcow2-tables.ts";
import { type HostFile, hostError, openHostFile } from "./host-file.ts";
import { openImage } from "./image.ts";

/** Our header extension ("BRMB"): what the clone is, and which image it stands on. Others keep it and look away. */
const EXTENSION = 0x42524d42;
const CLUSTER_BITS = 16;
const PAGE = 4096;

export interface CloneRecord {
  id: string;
  /** The raw image: its hash, its size in bytes, and a hash of samples of it. */
  image: { sha256: string; size: number; fingerprint: string };
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

/** Path of the image, in bytes its size, hex its hash; the disk may be larger than the image and is 0 there. */
export interface NewClone {
  path: string;
  image: { path: string; size: number; sha256: string };
  size?: number;
}

/** A clone that has nothing of its own: four pages and no copy. It appears under its name when it is durable. */
export async function writeClone({ path, image, size = image.size }: NewClone): Promise<void> {
  if (existsSync(path)) throw new BrambleError("BAD_INPUT", `${path} exists already`);
  if (size < image.size)
    throw new BrambleError("BAD_INPUT", `a disk of ${size} bytes is too small for an image of ${image.size}`);
  const base = openImage(image.path);
  const { size: imageSize, fingerprint } = base;
  base.close();
  if (imageSize !== image.size)
    throw new BrambleError(
      "IMAGE_DAMAGED",
      `${image.path} has ${imageSize} bytes, should have ${image.size}`,
    );
  const draft = `${path}.new`;
  rmSync(draft, { force: true });
  const file = openHostFile(draft, "create");
  try {
    const record: CloneRecord = {
      id: randomUUID(),
      image: { sha256: image.sha256, size: imageSize, fingerprint },
    };
    layOut(file, {
      size: Math.ceil(size / 512) * 512,
      backing: { file: relative(dirname(resolve(path)), resolve(image.path)), format: "raw" },
      extensions: [{ type: EXTENSION, bytes: toUtf8(JSON.stringify(record)) }],
    });
    await file.sync("mapping");
    renameSync(draft, path);
    await syncFolder(dirname(resolve(path)));
  } catch (error) {
    rmSync(draft, { force: true });
    throw hostError(error, `create ${basename(path)}`);
  } finally {
    file.close();
  }
}

/** Cluster 0 header, 1 refcount table (enough for 16 TiB), 2 its first block, then L1. Only pages that hold something are written. */
function layOut(file: HostFile, what: Pick<Qcow2Header, "size" | "backing" | "extensions">): void {
  const { clusterSize, entries } = geometry(CLUSTER_BITS, true);
  const l1Entries = Math.max(1, Math.ceil(Math.ceil(what.size / clusterSize) / entries));
  const used = 3 + Math.ceil((l1Entries * 8) / clusterSize);
  const header = encodeHeader({
    ...{ version: 3, clusterBits: CLUSTER_BITS, l1Entries, l1Offset: 3 * clusterSize, refcountOrder: 4 },
    ...{ refcountTableOffset: clusterSize, refcountTableClusters: 1, snapshots: 0, cryptMethod: 0 },
    ...{ compressionType: 0, incompatible: INCOMPATIBLE.extendedL2, compatible: 0n, autoclear: 0n },
    ...what,
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

/** So that the new name outlives a power cut. */
function syncFolder(path: string): Promise<void> {
  return new Promise((done, fail) =>
    openFile(path, "r", (error, fd) => {
      if (error) return fail(hostError(error, `open ${path}`));
      fsync(fd, (problem) => close(fd, () => (problem ? fail(hostError(problem, `fsync ${path}`)) : done())));
    }),
  );
}
