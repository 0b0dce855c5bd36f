import type { Qcow2Header } from "../../formats/qcow2.ts";
import type { JournalRecord } from "./journal.ts";
import type { Mapping } from "./mapping.ts";
import type { Pending } from "./pending.ts";
import type { Refcounts } from "./refcounts.ts";

/** Brings the mapping in memory to where a process was when it was killed. Only clusters of this disk count. */
export function replay(mapping: Mapping, records: readonly JournalRecord[], pending?: Pending): void {
  const { clusterSize, entries } = mapping.geometry;
  const clusters = Math.ceil(mapping.size / clusterSize);
  for (const { cluster, host, alloc, zero } of records) {
    if (cluster >= clusters) continue;
    const table = mapping.tableOf(cluster);
    const i = cluster % entries;
    table.host[i] = host;
    table.alloc[i] = alloc;
    table.zero[i] = zero;
    pending?.changed(cluster, table, i);
  }
}

/** Tables that a replay made have no place in the file yet. After all records: a place must not be one of theirs. */
export function placeTables(mapping: Mapping, refcounts: Refcounts, pending: Pending): void {
  for (const [i, table] of mapping.tables.entries()) {
    if (!table || mapping.offsets[i] !== 0) continue;
    mapping.offsets[i] = refcounts.allocate(1) * mapping.geometry.clusterSize;
    pending.newTable(i);
  }
}

/** Each cluster of the file that the header, L1, L2 or a mapping uses. */
export function* usedClusters(header: Qcow2Header, mapping: Mapping): Generator<number> {
  const { clusterSize } = mapping.geometry;
  yield 0;
  const l1 = Math.ceil((header.l1Entries * 8) / clusterSize);
  for (let i = 0; i < l1; i++) yield header.l1Offset / clusterSize + i;
  for (const [i, table] of mapping.tables.entries()) {
    if (mapping.offsets[i]) yield (mapping.offsets[i] as number) / clusterSize;
    if (table) for (const host of table.host) if (host) yield host;
  }
}
