import type { Journal } from "./journal.ts";
import type { Mapping, Table } from "./mapping.ts";

/** What a commit takes. */
export interface Batch {
  /** Clusters whose entries changed. */
  clusters: number[];
  /** L2 tables that the file does not have yet. */
  tables: number[];
  /** Clusters of the host file that nothing points at once the batch is durable. */
  freed: number[];
}

const empty = (): Batch => ({ clusters: [], tables: [], freed: [] });

/** Changes of the mapping since the last commit began. */
export class Pending {
  readonly #mapping: Mapping;
  readonly #journal: Journal | undefined;
  #batch = empty();
  /** Changes, not clusters: what the journal has to hold. */
  changes = 0;
  /** Data was written that no fdatasync has seen. */
  data = false;

  constructor(mapping: Mapping, journal: Journal | undefined) {
    this.#mapping = mapping;
    this.#journal = journal;
  }

  get any(): boolean {
    return this.#batch.clusters.length > 0 || this.#batch.tables.length > 0 || this.#batch.freed.length > 0;
  }

  /** DISK_FULL where the journal has no room: before anything is written. */
  reserve(changes: number): void {
    this.#journal?.reserve(changes);
  }

  changed(cluster: number, table: Table, i: number): void {
    if (table.changed[i] === 0) {
      table.changed[i] = 1;
      this.#batch.clusters.push(cluster);
    }
    this.changes += 1;
    this.#journal?.add(cluster, table.host[i] ?? 0, table.alloc[i] ?? 0, table.zero[i] ?? 0);
  }
  newTable(i: number): void {
    this.#batch.tables.push(i);
  }
  freed(cluster: number): void {
    this.#batch.freed.push(cluster);
  }

  take(): Batch {
    const batch = this.#batch;
    const { entries } = this.#mapping.geometry;
    for (const cluster of batch.clusters) this.#mapping.tableOf(cluster).changed[cluster % entries] = 0;
    this.#batch = empty();
    this.changes = 0;
    this.data = false;
    return batch;
  }

  /** A commit that found the host's disk full: the next one tries again, with what came since. */
  giveBack(batch: Batch): void {
    const { entries } = this.#mapping.geometry;
    for (const cluster of batch.clusters) {
      const { changed } = this.#mapping.tableOf(cluster);
      if (changed[cluster % entries] === 0) this.#batch.clusters.push(cluster);
      changed[cluster % entries] = 1;
    }
    this.#batch.tables.push(...batch.tables);
    for (const cluster of batch.freed) this.#batch.freed.push(cluster);
    this.changes += batch.clusters.length;
    this.data = true;
  }
}
