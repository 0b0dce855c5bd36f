// What a plane counts: plain numbers in its own thread, told to the control side once a second, so that no packet pays for a metric.
import type { Disk } from "../../base/disk.ts";
import type { TftpEvent } from "../../serve/tftp.ts";

/** Upper bounds of the buckets of disk requests, ms; one more takes the rest. */
export const BLOCK_MS = [0.1, 1, 10, 100, 1_000, 10_000] as const;
/** The same for whole TFTP transfers. */
export const TRANSFER_MS = [5, 20, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000, 60_000] as const;

/** Requests by the bucket of their time, their time together, their bytes. */
export interface Spread {
  buckets: number[];
  sumMs: number;
  bytes: number;
}
export interface Counts {
  tftp?: { results: Record<string, number>; bytes: number; retransmits: number; transfers: Spread };
  /** By "nbd read", "iscsi write", "nfs look" … */
  block?: Record<string, Spread>;
}

const EVERY_MS = 1_000;
const spread = (bounds: readonly number[]): Spread => ({
  buckets: new Array<number>(bounds.length + 1).fill(0),
  sumMs: 0,
  bytes: 0,
});

function take(into: Spread, bounds: readonly number[], ms: number, bytes: number): void {
  let i = 0;
  while (i < bounds.length && ms > (bounds[i] as number)) i++;
  into.buckets[i] = (into.buckets[i] as number) + 1;
  into.sumMs += ms;
  into.bytes += bytes;
}

/** Tells `told` what was counted since the last second, where anything was. */
export function telling(counts: () => Counts | undefined, told: (counts: Counts) => void): () => void {
  const timer = setInterval(() => {
    const now = counts();
    if (now) told(now);
  }, EVERY_MS);
  timer.unref();
  return () => clearInterval(timer);
}

export function tftpTally() {
  let results: Record<string, number> = {};
  let [bytes, retransmits, some] = [0, 0, false];
  let transfers = spread(TRANSFER_MS);
  return {
    count(event: TftpEvent): void {
      if (event.kind === "read") return; // one of the others follows
      some = true;
      results[event.kind] = (results[event.kind] ?? 0) + 1;
      bytes += event.bytes ?? 0;
      retransmits += event.retransmits ?? 0;
      if (event.kind === "sent") take(transfers, TRANSFER_MS, event.ms ?? 0, event.bytes ?? 0);
    },
    take(): Counts | undefined {
      if (!some) return undefined;
      const out: Counts = { tftp: { results, bytes, retransmits, transfers } };
      results = {};
      [bytes, retransmits, some] = [0, 0, false];
      transfers = spread(TRANSFER_MS);
      return out;
    },
  };
}

/** Disks whose requests are counted, by how they came ("nbd", "iscsi") and what they ask. */
export function blockTally() {
  let block: Record<string, Spread> = {};

  function spreadOf(name: string): Spread {
    const held = block[name] ?? spread(BLOCK_MS);
    block[name] = held;
    return held;
  }

  /** A request that is done at once took no time worth a clock: it falls into the first bucket. */
  function counted(name: string, bytes: number, work: () => void | Promise<void>): void | Promise<void> {
    const started = performance.now();
    const done = work();
    if (done !== undefined)
      return done.then(() => take(spreadOf(name), BLOCK_MS, performance.now() - started, bytes));
    const held = spreadOf(name);
    held.buckets[0] = (held.buckets[0] as number) + 1;
    held.bytes += bytes;
  }

  return {
    /** A request by its name; 0 ms: it was done at once. */
    count: (name: string, ms: number, bytes: number): void => take(spreadOf(name), BLOCK_MS, ms, bytes),
    /** `now()` is asked at each request: the disk behind may be opened anew. */
    disk(proto: "nbd" | "iscsi", now: () => Disk): Disk {
      const [read, write, flush] = [`${proto} read`, `${proto} write`, `${proto} flush`];
      return {
        get size() {
          return now().size;
        },
        get blockSize() {
          return now().blockSize;
        },
        read: (into, offset) => counted(read, into.length, () => now().read(into, offset)),
        write: (from, offset) => counted(write, from.length, () => now().write(from, offset)),
        zero: (offset, length, keep) => counted(write, 0, () => now().zero(offset, length, keep)),
        trim: (offset, length) => counted(write, 0, () => now().trim(offset, length)),
        flush: () => counted(flush, 0, () => now().flush()),
        status: (offset, length) => now().status(offset, length),
        endBatch: () => now().endBatch?.(),
      };
    },
    take(): Counts | undefined {
      if (Object.keys(block).length === 0) return undefined;
      const out: Counts = { block };
      block = {};
      return out;
    },
  };
}
export type BlockTally = ReturnType<typeof blockTally>;
