import { readFileSync } from "node:fs";

export interface Findings {
  /** Worse than leaks: a cluster that is used and not counted, used twice, or a table that cannot be. */
  corruptions: string[];
  /** Counted and not used. */
  leaks: number;
}

/**
 * What `qemu-img check` looks for, written apart from the engine and straight from the format's description, so that
 * thousands of damaged files can be judged without a process for each.
 */
export function checkQcow2(source: string | Buffer): Findings {
  const bytes = typeof source === "string" ? readFileSync(source) : source;
  const corruptions: string[] = [];
  const u64 = (at: number) => (at + 8 <= bytes.length ? bytes.readBigUInt64BE(at) : 0n);
  const offsetOf = (entry: bigint) => Number(entry & 0x00ff_ffff_ffff_fe00n);
  if (bytes.length < 104 || bytes.readUInt32BE(0) !== 0x514649fb)
    return { corruptions: ["no header"], leaks: 0 };
  const clusterSize = 2 ** bytes.readUInt32BE(20);
  const extended = (u64(72) & 16n) !== 0n;
  const clusters = Math.ceil(bytes.length / clusterSize);
  const used = new Uint16Array(clusters + 1);
  const use = (offset: number, what: string) => {
    const cluster = offset / clusterSize;
    if (!Number.isInteger(cluster) || cluster >= clusters) corruptions.push(`${what} at byte ${offset}`);
    else {
      used[cluster] = (used[cluster] as number) + 1;
      if (used[cluster] === 2) corruptions.push(`cluster ${cluster} is used again as ${what}`);
    }
  };
  use(0, "header");
  const l1 = Number(u64(40));
  const l1Entries = bytes.readUInt32BE(36);
  for (let at = 0; at < l1Entries * 8; at += clusterSize) use(l1 + at, "L1");
  const table = Number(u64(48));
  const tableBytes = bytes.readUInt32BE(56) * clusterSize;
  for (let at = 0; at < tableBytes; at += clusterSize) use(table + at, "refcount table");
  const entrySize = extended ? 16 : 8;
  for (let i = 0; i < l1Entries; i++) {
    const l2 = offsetOf(u64(l1 + i * 8));
    if (l2 === 0) continue;
    if ((u64(l1 + i * 8) & (1n << 63n)) === 0n) corruptions.push(`L1 entry ${i} without its copied flag`);
    use(l2, "L2");
    for (let at = l2; at < Math.min(l2 + clusterSize, bytes.length); at += entrySize) {
      const entry = u64(at);
      const host = offsetOf(entry);
      if (host) use(host, "data");
      if (host && (entry & (1n << 63n)) === 0n) corruptions.push(`L2 entry at ${at} without its copied flag`);
      if (!extended) continue;
      const [zero, alloc] = [bytes.readUInt32BE(at + 8), bytes.readUInt32BE(at + 12)];
      if (zero & alloc || (alloc && !host)) corruptions.push(`L2 entry at ${at} has impossible subclusters`);
    }
  }
  const counts = new Uint16Array(clusters + 1);
  for (let i = 0; i < tableBytes / 8; i++) {
    const block = offsetOf(u64(table + i * 8));
    if (block === 0) continue;
    use(block, "refcount block");
    for (let k = 0; k < clusterSize / 2; k++) {
      const cluster = (i * clusterSize) / 2 + k;
      const at = block + k * 2;
      const count = at + 2 <= bytes.length ? bytes.readUInt16BE(at) : 0;
      if (count && cluster < clusters) counts[cluster] = count;
    }
  }
  let leaks = 0;
  for (let cluster = 0; cluster < clusters; cluster++) {
    const [count, uses] = [counts[cluster] as number, used[cluster] as number];
    if (count < uses) corruptions.push(`cluster ${cluster} has refcount ${count}, is used ${uses} times`);
    else if (count > uses) leaks += 1;
  }
  return { corruptions, leaks };
}
