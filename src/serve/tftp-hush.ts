/** Lets one thing a second through for each address, so that a stranger can neither flood the log nor use us to flood others. */
export class Hush {
  readonly #last = new Map<string, number>();
  readonly #most: number;

  /** Remembers `most` addresses; beyond that the oldest are forgotten. */
  constructor(most = 1024) {
    this.#most = most;
  }

  allows(address: string, now: number): boolean {
    const last = this.#last.get(address);
    if (last !== undefined && now - last < 1000) return false;
    this.#last.delete(address);
    this.#last.set(address, now);
    if (this.#last.size > this.#most) for (const [oldest] of this.#last) return this.#last.delete(oldest);
    return true;
  }
}
