import { BrambleError } from "../../base/errors.ts";
import { encodeL2, encodeOffset } from "../../formats/qcow2-tables.ts";
import type { GiveBack } from "./give-back.ts";
import { type HostFile, hostError } from "./host-file.ts";
import type { Journal } from "./journal.ts";
import type { Mapping } from "./mapping.ts";
import type { Pending } from "./pending.ts";
import type { Refcounts } from "./refcounts.ts";

const PAGE = 4096;

interface Page {
  table: number;
  from: number;
  bytes: Uint8Array;
}

/**
 * Makes everything before it durable, for FLUSH and FUA alike. The order is the whole point (spec/clone-engine.md):
 *  1. take what is pending; later writes belong to the next commit
 *  2. (growth: new refcount blocks, a sync, their pointers); refcounts; new L2 tables as zeros
 *  3. fdatasync 1: data, fill, refcounts and zero tables are durable
 *  4. pages of L2 tables, then L1 entries of the new ones (a new table that lands first is zeros, which is right)
 *  5. fdatasync 2; only now may clusters that were let go be used again
 * A mapping on the disk hence never points at data that is not there. One commit runs, one waits: callers share them.
 */
export class Commits {
  readonly #file: HostFile;
  readonly #mapping: Mapping;
  readonly #refcounts: Refcounts;
  readonly #pending: Pending;
  readonly #journal: Journal | undefined;
  readonly #giveBack: GiveBack;
  readonly #l1Offset: number;
  #running: Promise<void> | undefined;
  #waiting: Promise<void> | undefined;
  /** Set for good once a sync failed: the host reports such an error only once, and what it lost nobody knows. */
  failed: BrambleError | undefined;
  commits = 0;
  syncs = 0;

  constructor(parts: {
    file: HostFile;
    mapping: Mapping;
    refcounts: Refcounts;
    pending: Pending;
    journal: Journal | undefined;
    giveBack: GiveBack;
    l1Offset: number;
  }) {
    this.#file = parts.file;
    this.#mapping = parts.mapping;
    this.#refcounts = parts.refcounts;
    this.#pending = parts.pending;
    this.#journal = parts.journal;
    this.#giveBack = parts.giveBack;
    this.#l1Offset = parts.l1Offset;
  }

  get isRunning(): boolean {
    return this.#running !== undefined;
  }

  /** DISK_FULL: nothing is lost, the next one tries again. DISK_IO: the clone takes no more writes. */
  flush(): void | Promise<void> {
    if (this.failed) throw this.failed;
    const isDirty = this.#pending.data || this.#pending.any;
    if (!isDirty) return this.#running; // a commit that runs took all that there was
    if (!this.#running) return this.#start();
    this.#waiting ??= this.#running.then(
      () => this.#next(),
      () => this.#next(),
    );
    return this.#waiting;
  }

  /** When it resolves no commit runs or waits, whatever became of them. */
  async idle(): Promise<void> {
    while (this.#waiting ?? this.#running) await (this.#waiting ?? this.#running)?.catch(() => undefined);
  }

  #next(): Promise<void> {
    this.#waiting = undefined;
    if (this.failed) throw this.failed;
    return this.#running ?? this.#start(); // one that somebody began in between took our writes, too
  }

  #start(): Promise<void> {
    this.#running = this.#commit().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  /** For those who do not wait: its errors come back at the next flush. */
  begin(): void {
    if (this.failed || this.#running) return;
    this.#start().catch(() => undefined); // kept in `failed`, or given back to be tried again
  }

  async #commit(): Promise<void> {
    this.commits += 1;
    const batch = this.#pending.take();
    try {
      const dropJournal = this.#journal?.switch();
      let gone: number[] = [];
      if (batch.clusters.length || batch.tables.length || this.#refcounts.isDirty) {
        const pages = this.#encode(batch.clusters);
        gone = await this.#publish(pages, batch.tables);
      } else await this.#sync("contents");
      dropJournal?.();
      this.#release([...batch.freed, ...gone]);
    } catch (error) {
      const why = hostError(error, `commit of ${this.#file.path}`);
      if (why.code !== "DISK_FULL") this.fail(why);
      this.#pending.giveBack(batch);
      throw this.failed ?? why;
    }
  }

  async #publish(pages: Page[], tables: number[]): Promise<number[]> {
    const { clusterSize } = this.#mapping.geometry;
    let gone: number[] = [];
    if (this.#refcounts.grew) {
      const link = this.#refcounts.writeGrowth();
      await this.#sync("contents");
      gone = link();
    }
    this.#refcounts.writeDirty();
    for (const t of tables) this.#file.write(new Uint8Array(clusterSize), this.#mapping.offsets[t] as number);
    await this.#sync("contents");
    for (const page of pages)
      this.#file.write(page.bytes, (this.#mapping.offsets[page.table] as number) + page.from);
    for (const t of tables)
      this.#file.write(encodeOffset(this.#mapping.offsets[t] as number, true), this.#l1Offset + t * 8);
    await this.#sync("mapping");
    return gone;
  }

  /** The pages as they are now: what changes while the syncs run is not published by this commit. */
  #encode(clusters: number[]): Page[] {
    const { entries, entryBytes, clusterSize } = this.#mapping.geometry;
    const perPage = Math.min(entries, PAGE / entryBytes);
    const numbers = new Set<number>();
    for (const cluster of clusters) numbers.add(Math.floor(cluster / perPage));
    const pages: Page[] = [];
    for (const number of [...numbers].sort((a, b) => a - b)) {
      const first = number * perPage;
      const table = Math.floor(first / entries);
      const from = first - table * entries;
      const range = { from, to: from + perPage };
      const bytes = encodeL2(this.#mapping.tableOf(first), this.#mapping.geometry, range);
      pages.push({ table, from: (from * entryBytes) % clusterSize, bytes });
    }
    return pages;
  }

  async #sync(what: "contents" | "mapping"): Promise<void> {
    this.syncs += 1;
    try {
      await this.#file.sync(what);
    } catch (error) {
      throw this.fail(hostError(error, `fdatasync of ${this.#file.path}`));
    }
  }

  fail(cause: BrambleError): BrambleError {
    this.failed ??= new BrambleError(
      "DISK_IO",
      `${this.#file.path}: ${cause.message}; the clone is read-only now`,
      {
        cause,
        hint: "what was flushed before is safe; look at the host's disk, then close and open the clone",
      },
    );
    return this.failed;
  }

  /** Lower refcounts may reach the disk whenever they like: the file does not point at these clusters any more. */
  #release(clusters: number[]): void {
    if (clusters.length === 0) return;
    for (const cluster of clusters) this.#refcounts.forget(cluster);
    this.#giveBack.take(clusters);
    try {
      this.#refcounts.writeDirty();
    } catch (error) {
      const why = hostError(error, `refcounts of ${this.#file.path}`);
      if (why.code !== "DISK_FULL") this.fail(why); // full: they stay dirty, the next commit writes them
    }
  }
}
