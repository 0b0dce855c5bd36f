import type { RecordPool } from "../wire/rpc/records.ts";
import type { NfsLimits } from "./nfs.ts";
import { MOST_RECORD, type Neighbour } from "./nfs-connection.ts";

export const LIMITS: NfsLimits = {
  connections: 4096,
  connectionsPerAddress: 64,
  requests: 128,
  bytes: 8 << 20,
  addressBytes: 32 << 20,
  serverBytes: 256 << 20,
  stallMs: 60_000,
  strangerMs: 30_000,
};

/** Up to this size records get a buffer of their own size. */
const SMALL = 64 << 10;
/** Large buffers that are kept for the next one. */
const SPARE = 16;

/** Large buffers that one address may have: as many as a client opens connections at most. */
const MOST_LARGE = 16;

/**
 * Buffers of records that come in several pieces. Large ones are counted: those that the system has not got, or the address has too many of, must wait.
 * @param given somebody gave one back
 */
export function recordPools(bytes: number, given: () => void): (neighbour: Neighbour) => RecordPool {
  const free: Uint8Array[] = [];
  let out = 0;
  return (neighbour) => ({
    take(size) {
      if (size <= SMALL) return Buffer.allocUnsafeSlow(size);
      if ((out + 1) * MOST_RECORD > bytes || neighbour.largeRecords >= MOST_LARGE) return undefined;
      out += 1;
      neighbour.largeRecords += 1;
      return free.pop() ?? Buffer.allocUnsafeSlow(MOST_RECORD);
    },
    give(buffer) {
      if (buffer.length !== MOST_RECORD) return;
      out -= 1;
      neighbour.largeRecords -= 1;
      if (free.length < SPARE) free.push(buffer);
      given();
    },
  });
}
