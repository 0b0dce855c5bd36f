/** A seeded die: the same seed, the same story. */
export class Die {
  #state: number;
  constructor(seed: number) {
    this.#state = (Math.imul(seed, 2_654_435_761) ^ 0x9e3779b9) >>> 0 || 1;
    for (let i = 0; i < 8; i++) this.below(2);
  }
  /** A whole number from 0 up to, not including, `n`. */
  below(n: number): number {
    this.#state ^= this.#state << 13;
    this.#state ^= this.#state >>> 17;
    this.#state ^= this.#state << 5;
    return (this.#state >>> 0) % n;
  }
  /** True once in `n` times. */
  oneIn(n: number): boolean {
    return this.below(n) === 0;
  }
  pick<T>(of: readonly T[]): T {
    return of[this.below(of.length)] as T;
  }
}

/** BRAMBLE_LONG=1 makes the random tests long: for a night, not for each commit. */
export const rounds = (few: number, many: number): number => (process.env["BRAMBLE_LONG"] ? many : few);
