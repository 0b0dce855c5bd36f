/** A stream of chunks read in pieces of the reader's choice. */
export class ByteQueue {
  readonly #source: AsyncIterator<Uint8Array>;
  #chunk: Uint8Array = new Uint8Array(0);
  #at = 0;

  constructor(chunks: AsyncIterable<Uint8Array>) {
    this.#source = chunks[Symbol.asyncIterator]();
  }

  /** Bytes read so far. */
  get at(): number {
    return this.#at;
  }

  /** Exactly `size` bytes; at the end of the stream what is left of them. */
  async take(size: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(size);
    let have = 0;
    for await (const piece of this.pass(size)) {
      bytes.set(piece, have);
      have += piece.length;
    }
    return bytes.subarray(0, have);
  }

  /** The next `size` bytes as windows on the chunks; fewer at the end of the stream. */
  async *pass(size: number): AsyncGenerator<Uint8Array> {
    for (let left = size; left > 0; ) {
      if (this.#chunk.length === 0) {
        const next = await this.#source.next();
        if (next.done) return;
        this.#chunk = next.value;
        continue;
      }
      const piece = this.#chunk.subarray(0, left);
      this.#chunk = this.#chunk.subarray(piece.length);
      this.#at += piece.length;
      left -= piece.length;
      yield piece;
    }
  }

  async close(): Promise<void> {
    await this.#source.return?.();
  }
}
