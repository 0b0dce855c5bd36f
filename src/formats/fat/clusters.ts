import type { ReadableDisk } from "../../base/disk.ts";
import { BrambleError } from "../../base/errors.ts";
import type { FileBytes } from "../../base/tree.ts";
import { Chunks } from "../chunks.ts";
import { u16, u32 } from "../fields.ts";
import type { FatGeometry } from "./geometry.ts";

/** Neighbouring clusters. */
export interface Run {
  cluster: number;
  count: number;
}

/** The allocation table: follows chains of clusters. */
export class Clusters {
  readonly #geometry: FatGeometry;
  readonly #chunks: Chunks;
  readonly #bits: number;

  constructor(disk: ReadableDisk, geometry: FatGeometry) {
    this.#geometry = geometry;
    this.#chunks = new Chunks(disk, 65536, 32);
    this.#bits = { fat12: 12, fat16: 16, fat32: 32 }[geometry.kind];
  }

  /** The table's entry: the next cluster, 0 for a free one, at or above `end` for the chain's last. */
  async next(cluster: number): Promise<number> {
    const at = this.#geometry.fatAt + Math.floor((cluster * this.#bits) / 8);
    const view = this.#chunks.view(at, this.#bits === 32 ? 4 : 2);
    const bytes = view instanceof Promise ? await view : view;
    if (this.#bits === 32) return u32(bytes, 0) & 0x0fffffff;
    if (this.#bits === 16) return u16(bytes, 0);
    return cluster & 1 ? u16(bytes, 0) >> 4 : u16(bytes, 0) & 0xfff;
  }

  /**
   * The chain's first `limit` clusters as runs. `exact`: it must have that many (a file's size says so), more are not looked at;
   * else it must end before. FORMAT_VALUE for a chain that loops, leaves the volume or ends in a free cluster.
   */
  async chain(first: number, limit: number, exact: boolean, what: string): Promise<Run[]> {
    const end = { 12: 0xff8, 16: 0xfff8, 32: 0x0ffffff8 }[this.#bits] as number;
    const bad = (why: string) => new BrambleError("FORMAT_VALUE", `FAT: ${what}: ${why}`);
    const runs: Run[] = [];
    let run: Run | undefined;
    let cluster = first;
    for (let n = 0; ; n++) {
      if (n === limit && exact) break;
      if (cluster >= end) {
        if (exact) throw bad(`its chain ends after ${n} of ${limit} clusters`);
        break;
      }
      if (n === limit) throw bad(`its chain is longer than ${limit} clusters, or loops`);
      if (cluster < 2 || cluster > this.#geometry.lastCluster)
        throw bad(`its chain leads to cluster ${cluster}`);
      if (run && cluster === run.cluster + run.count) run.count += 1;
      else {
        run = { cluster, count: 1 };
        runs.push(run);
      }
      cluster = await this.next(cluster);
    }
    if (overlap(runs)) throw bad("its chain loops");
    return runs;
  }

  /** Free clusters, by counting them. */
  async free(): Promise<number> {
    let free = 0;
    for (let cluster = 2; cluster <= this.#geometry.lastCluster; cluster++) {
      if ((await this.next(cluster)) === 0) free += 1;
    }
    return free;
  }
}

function overlap(runs: readonly Run[]): boolean {
  const sorted = [...runs].sort((a, b) => a.cluster - b.cluster);
  return sorted.some((run, i) => {
    const before = sorted[i - 1];
    return before !== undefined && before.cluster + before.count > run.cluster;
  });
}

/** The bytes of a file that lies in these runs. */
export function fileOf(disk: ReadableDisk, geometry: FatGeometry, runs: Run[], size: number): FileBytes {
  const { clusterSize, dataAt } = geometry;
  const starts: number[] = [];
  let total = 0;
  for (const run of runs) {
    starts.push(total);
    total += run.count * clusterSize;
  }
  return {
    size,
    async read(into, offset) {
      if (!(offset >= 0 && offset + into.length <= size)) {
        throw new BrambleError(
          "DISK_RANGE",
          `${into.length} bytes at ${offset} lie outside a file of ${size}`,
        );
      }
      let i = starts.findLastIndex((start) => start <= offset);
      for (let done = 0; done < into.length; i++) {
        const run = runs[i] as Run;
        const inside = offset + done - (starts[i] as number);
        const length = Math.min(into.length - done, run.count * clusterSize - inside);
        const at = dataAt + (run.cluster - 2) * clusterSize + inside;
        await disk.read(into.subarray(done, done + length), at);
        done += length;
      }
    },
  };
}
