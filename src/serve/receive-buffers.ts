const BYTES = 256 << 10;
const SPARE = 4;

/** The buffers that one connection receives into: one as long as nobody reads from it any more when the next bytes come. */
export class ReceiveBuffers {
  #current: Uint8Array = Buffer.allocUnsafeSlow(BYTES);
  readonly #spare: Uint8Array[] = [];
  readonly #held = new Map<Uint8Array, number>();

  /** Where the next bytes go. */
  next(): Uint8Array {
    if (this.#held.has(this.#current)) this.#current = this.#spare.pop() ?? Buffer.allocUnsafeSlow(BYTES);
    return this.#current;
  }

  /** Do these bytes lie where the last ones were received? */
  holds(bytes: Uint8Array): boolean {
    return bytes.buffer === this.#current.buffer;
  }

  /** Nothing is received into the present one until `reading` has ended. */
  keep(reading: Promise<unknown>): void {
    const buffer = this.#current;
    this.#held.set(buffer, (this.#held.get(buffer) ?? 0) + 1);
    const free = () => {
      const left = (this.#held.get(buffer) ?? 0) - 1;
      if (left > 0) this.#held.set(buffer, left);
      else {
        this.#held.delete(buffer);
        if (buffer !== this.#current && this.#spare.length < SPARE) this.#spare.push(buffer);
      }
    };
    reading.then(free, free);
  }
}
