/** Blocks of 64 KiB: what one look at the map and one read ahead cover. */
export const WARM_BITS = 16;
const BLOCK = 2 ** WARM_BITS;
const FORGET_MS = 60_000;
const AGES = 3;

/**
 * Which blocks of a file are in the host's page cache, as far as we know: read or written by us in the last minutes.
 * A wrong guess costs one stall of the event loop, never correctness. Time is milliseconds of any steady clock.
 */
export class WarmMap {
  #seen: Uint8Array;
  #age = 1;
  #turned = 0;

  constructor(bytes: number) {
    this.#seen = new Uint8Array(Math.ceil(bytes / BLOCK) + 1);
  }

  has(offset: number, length: number): boolean {
    const last = Math.floor((offset + length - 1) / BLOCK);
    for (let block = Math.floor(offset / BLOCK); block <= last; block++) {
      const seen = this.#seen[block] ?? 0;
      if (seen === 0 || this.#age - seen >= AGES) return false;
    }
    return true;
  }

  add(offset: number, length: number): void {
    const last = Math.floor((offset + length - 1) / BLOCK);
    if (last >= this.#seen.length) {
      const more = new Uint8Array(Math.max(last + 1, this.#seen.length * 2));
      more.set(this.#seen);
      this.#seen = more;
    }
    for (let block = Math.floor(offset / BLOCK); block <= last; block++) this.#seen[block] = this.#age;
  }

  /** Blocks that nobody touched for some minutes are forgotten. Cheap: call it often. */
  tick(nowMs: number): void {
    if (nowMs - this.#turned < FORGET_MS) return;
    this.#turned = nowMs;
    this.#age += 1;
    if (this.#age > 255) this.clear();
  }

  clear(): void {
    this.#seen.fill(0);
    this.#age = 1;
  }
}
