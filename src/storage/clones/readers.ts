interface Epoch {
  count: number;
  after: (() => void)[];
}

/** Who still reads files that are not needed any more: they are closed when the last one has ended. */
export class Readers {
  #now: Epoch = { count: 0, after: [] };
  readonly #past: Epoch[] = [];

  /** Keeps what may be read now open until the promise has ended. */
  hold<T>(reading: Promise<T>): Promise<T> {
    const epoch = this.#now;
    epoch.count += 1;
    return reading.finally(() => {
      epoch.count -= 1;
      this.#settle();
    });
  }

  /** `close` is called when everybody who began to read before this call has ended. */
  retire(close: () => void): void {
    this.#now.after.push(close);
    this.#past.push(this.#now);
    this.#now = { count: 0, after: [] };
    this.#settle();
  }

  #settle(): void {
    while (this.#past[0]?.count === 0) for (const close of this.#past.shift()?.after ?? []) close();
  }
}
