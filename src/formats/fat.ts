// FAT12, FAT16 and FAT32 with long names, read where they lie. Never written from here.
import type { ReadableDisk } from "../base/disk.ts";
import { BrambleError } from "../base/errors.ts";
import type { FileBytes, Tree } from "../base/tree.ts";
import { Clusters, fileOf } from "./fat/clusters.ts";
import { decodeDirectory, type FatEntry } from "./fat/directory.ts";
import { type FatGeometry, fatGeometry } from "./fat/geometry.ts";
import { u32 } from "./fields.ts";

/** A directory may hold 65,536 records of 32 bytes (FAT specification 6.2). */
const MAX_DIRECTORY = 65536 * 32;

export interface FatTree extends Tree {
  readonly kind: "fat12" | "fat16" | "fat32";
  readonly label: string;
  /** "1234-ABCD" as blkid writes it; "" where the volume has none. */
  readonly volumeId: string;
  readonly totalBytes: number;
  /** Undefined where FAT32's information sector does not say. */
  readonly freeBytes: number | undefined;
}

/**
 * Opens the volume that fills `disk`. Names are found as they are written, else in any case, else by their 8.3 name.
 * The disk must not change while the tree is in use: open it again then.
 * FORMAT_VALUE for what is no FAT volume, and later for damaged directories and chains.
 */
export async function openFat(disk: ReadableDisk): Promise<FatTree> {
  const sector = new Uint8Array(512);
  if (disk.size >= 512) await disk.read(sector, 0);
  const geometry = fatGeometry(sector, disk.size);
  if (!geometry)
    throw new BrambleError("FORMAT_VALUE", "this is no FAT volume, or it is larger than its partition");
  const clusters = new Clusters(disk, geometry);
  const files = new FatFiles(disk, geometry, clusters);
  const { label } = await files.root();
  const free = geometry.kind === "fat32" ? await freeByInfo(disk, geometry) : await clusters.free();
  return {
    kind: geometry.kind,
    label: label ?? geometry.label,
    volumeId: geometry.volumeId,
    totalBytes: geometry.totalSize,
    freeBytes: free === undefined ? undefined : free * geometry.clusterSize,
    lookup: (path) => files.lookup(path),
    list: (path) => files.list(path),
    open: (path) => files.open(path),
  };
}

/** The count of free clusters in FAT32's information sector (specification 5). */
async function freeByInfo(disk: ReadableDisk, geometry: FatGeometry): Promise<number | undefined> {
  if (geometry.infoAt === 0) return undefined;
  const info = new Uint8Array(512);
  await disk.read(info, geometry.infoAt);
  const free = u32(info, 488);
  const sound = u32(info, 0) === 0x41615252 && u32(info, 484) === 0x61417272;
  return sound && free <= geometry.lastCluster - 1 ? free : undefined;
}

class FatFiles {
  readonly #disk: ReadableDisk;
  readonly #geometry: FatGeometry;
  readonly #clusters: Clusters;
  /** Directories read lately, by first cluster. */
  readonly #held = new Map<number, ReturnType<typeof decodeDirectory>>();

  constructor(disk: ReadableDisk, geometry: FatGeometry, clusters: Clusters) {
    this.#disk = disk;
    this.#geometry = geometry;
    this.#clusters = clusters;
  }

  async root(): Promise<ReturnType<typeof decodeDirectory>> {
    const { rootCluster, rootAt, rootSize } = this.#geometry;
    if (rootSize === 0) return this.#directory(rootCluster, "the root directory");
    const held = this.#held.get(0);
    if (held) return held;
    const bytes = new Uint8Array(rootSize);
    await this.#disk.read(bytes, rootAt);
    const directory = decodeDirectory(bytes);
    this.#held.set(0, directory);
    return directory;
  }

  async lookup(path: string): Promise<FatEntry | undefined> {
    let entry: FatEntry | undefined = ROOT;
    const above = new Set<number>([this.#geometry.rootCluster]);
    for (const part of path.split("/").filter(Boolean)) {
      if (entry.kind !== "directory") return undefined;
      // Whoever walks a directory that holds itself would never end.
      if (entry !== ROOT && above.has(entry.cluster)) throw loop(path);
      above.add(entry.cluster);
      entry = find((await this.#entries(entry)).entries, part);
      if (!entry) return undefined;
    }
    return entry;
  }

  async list(path: string): Promise<FatEntry[]> {
    const entry = await this.lookup(path);
    if (entry?.kind !== "directory") throw new BrambleError("FILE_UNKNOWN", `there is no directory ${path}`);
    return [...(await this.#entries(entry)).entries];
  }

  async open(path: string): Promise<FileBytes | undefined> {
    const entry = await this.lookup(path);
    if (entry?.kind !== "file") return undefined;
    const count = Math.ceil(entry.size / this.#geometry.clusterSize);
    const runs = await this.#clusters.chain(entry.cluster, count, true, path);
    return fileOf(this.#disk, this.#geometry, runs, entry.size);
  }

  #entries(entry: FatEntry): Promise<ReturnType<typeof decodeDirectory>> {
    return entry === ROOT ? this.root() : this.#directory(entry.cluster, `directory ${entry.name}`);
  }

  async #directory(cluster: number, what: string): Promise<ReturnType<typeof decodeDirectory>> {
    const held = this.#held.get(cluster);
    if (held) return held;
    const { clusterSize } = this.#geometry;
    const runs = await this.#clusters.chain(cluster, Math.ceil(MAX_DIRECTORY / clusterSize), false, what);
    const size = runs.reduce((sum, run) => sum + run.count * clusterSize, 0);
    const bytes = new Uint8Array(size);
    await fileOf(this.#disk, this.#geometry, runs, size).read(bytes, 0);
    const directory = decodeDirectory(bytes);
    if (this.#held.size >= 64) this.#held.clear();
    this.#held.set(cluster, directory);
    return directory;
  }
}

const loop = (path: string) => new BrambleError("FORMAT_VALUE", `FAT: ${path}: a directory holds itself`);

const ROOT: FatEntry = {
  name: "",
  shortName: "",
  kind: "directory",
  size: 0,
  mode: 0o755,
  uid: 0,
  gid: 0,
  mtimeMs: 0,
  cluster: 0,
};

/** As written, else in any case, else by the 8.3 name. */
function find(entries: readonly FatEntry[], name: string): FatEntry | undefined {
  const upper = name.toUpperCase();
  return (
    entries.find((entry) => entry.name === name) ??
    entries.find((entry) => entry.name.toUpperCase() === upper) ??
    entries.find((entry) => entry.shortName.toUpperCase() === upper)
  );
}
