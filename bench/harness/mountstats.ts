/** What a kernel's NFS client asked for by one procedure; bytes in both directions, answerMs from sending to the answer, of all of them together. */
export interface Asked {
  count: number;
  bytes: number;
  answerMs: number;
}

/**
 * The "per-op statistics" of one mount in /proc/self/mountstats, without procedures that were never asked for (net/sunrpc/stats.c: operations,
 * transmissions, timeouts, bytes sent, bytes received, ms in the queue, ms to the answer, ms in all, errors).
 */
export function requestsOf(mountstats: string): Record<string, Asked> {
  const all: Record<string, Asked> = {};
  for (const [, name = "", numbers = ""] of mountstats.matchAll(/^\s*([A-Z_]+): ((?:\d+ ){6,}\d+)$/gm)) {
    const [count = 0, , , sent = 0, received = 0, , answerMs = 0] = numbers.split(" ").map(Number);
    if (count > 0) all[name] = { count, bytes: sent + received, answerMs };
  }
  return all;
}
