// How many lines a minute one address may send us: a node's whole kernel log at once, and no flood.

/** A kernel's start is about 1,000 lines within two seconds. */
const BURST = 4_000;
const PER_SECOND = 200;
const MOST_ADDRESSES = 8_192;

export class LogLimits {
  readonly #left = new Map<string, { lines: number; atMs: number }>();

  /** May this address send one more now? */
  allows(address: string, nowMs: number): boolean {
    const held = this.#left.get(address);
    if (!held) {
      if (this.#left.size >= MOST_ADDRESSES) this.#forget(nowMs);
      this.#left.set(address, { lines: BURST - 1, atMs: nowMs });
      return true;
    }
    held.lines = Math.min(BURST, held.lines + ((nowMs - held.atMs) * PER_SECOND) / 1000);
    held.atMs = nowMs;
    if (held.lines < 1) return false;
    held.lines -= 1;
    return true;
  }

  /** Whoever has its whole burst again needs no entry; a flood of invented addresses ends in a fresh start. */
  #forget(nowMs: number): void {
    for (const [address, { lines, atMs }] of this.#left) {
      if (lines + ((nowMs - atMs) * PER_SECOND) / 1000 >= BURST) this.#left.delete(address);
    }
    if (this.#left.size >= MOST_ADDRESSES) this.#left.clear();
  }
}
