import type { HostFile } from "./host-file.ts";
import type { Refcounts } from "./refcounts.ts";

/** A run of free clusters below this is kept for reuse: a process for each would cost more than it gives. */
const LEAST_BYTES = 1 << 20;
const MOST_RUNS = 256;

/**
 * Free clusters: large runs go back to the host by hole punching (Node cannot, util-linux's fallocate can), one process
 * at a time, off the hot path. While a run is being punched none of it is handed out: a hole must not hit new data.
 */
export class GiveBack {
  readonly #file: HostFile;
  readonly #refcounts: Refcounts;
  readonly #clusterSize: number;
  #queue: { first: number; count: number }[] = [];
  #working: Promise<void> | undefined;
  #possible = true;
  #closed = false;
  bytes = 0;

  constructor(file: HostFile, refcounts: Refcounts, clusterSize: number) {
    this.#file = file;
    this.#refcounts = refcounts;
    this.#clusterSize = clusterSize;
  }

  /** Clusters with refcount 0 that nothing in the file, as it is on stable storage, points at. */
  take(clusters: number[]): void {
    for (const run of runsOf(clusters)) {
      const large = run.count * this.#clusterSize >= LEAST_BYTES;
      if (large && this.#possible && !this.#closed && this.#queue.length < MOST_RUNS) this.#queue.push(run);
      else this.#reuse(run);
    }
    if (this.#queue.length > 0)
      this.#working ??= this.#work().finally(() => {
        this.#working = undefined;
      });
  }

  async #work(): Promise<void> {
    for (;;) {
      const run = this.#queue.shift();
      if (!run) return;
      const [offset, length] = [run.first * this.#clusterSize, run.count * this.#clusterSize];
      if (!this.#closed && this.#possible) {
        this.#possible = await this.#file.punch(offset, length);
        if (this.#possible) this.bytes += length;
      }
      this.#reuse(run);
    }
  }

  #reuse(run: { first: number; count: number }): void {
    for (let k = run.count - 1; k >= 0; k--) this.#refcounts.reuse(run.first + k);
  }

  /** When it resolves nothing is being punched. */
  async idle(): Promise<void> {
    await this.#working;
  }

  /** When it resolves no process of ours touches the file; what was left in the queue stays for reuse. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#working;
  }
}

function runsOf(clusters: number[]): { first: number; count: number }[] {
  const runs: { first: number; count: number }[] = [];
  for (const cluster of clusters.toSorted((a, b) => a - b)) {
    const last = runs.at(-1);
    if (last && last.first + last.count === cluster) last.count += 1;
    else runs.push({ first: cluster, count: 1 });
  }
  return runs;
}
