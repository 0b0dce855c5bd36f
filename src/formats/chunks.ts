import type { ReadableDisk } from "../base/disk.ts";
import { BrambleError } from "../base/errors.ts";

/**
 * Aligned chunks of a disk, kept while they are in use: for the small reads of metadata. The least recently used go first.
 * A view is never overwritten, so it may be kept; the disk must not change under it.
 */
export class Chunks {
  readonly #disk: ReadableDisk;
  readonly #chunkSize: number;
  readonly #limit: number;
  readonly #chunks = new Map<number, Uint8Array | Promise<Uint8Array>>();
  #lastIndex = -1;
  #last = new Uint8Array(0);

  /** `chunkSize` in bytes; at most `limit` chunks are held. */
  constructor(disk: ReadableDisk, chunkSize = 65536, limit = 128) {
    this.#disk = disk;
    this.#chunkSize = chunkSize;
    this.#limit = limit;
  }

  /** Done at once where the chunk is held. FORMAT_SHORT outside the disk. */
  view(offset: number, length: number): Uint8Array | Promise<Uint8Array> {
    if (!(offset >= 0 && offset + length <= this.#disk.size)) {
      throw new BrambleError(
        "FORMAT_SHORT",
        `${length} bytes at ${offset} are needed, the disk ends at ${this.#disk.size}`,
      );
    }
    const index = Math.floor(offset / this.#chunkSize);
    const start = offset - index * this.#chunkSize;
    if (start + length > this.#chunkSize) return this.#straddle(offset, length);
    if (index === this.#lastIndex) return this.#last.subarray(start, start + length);
    const chunk = this.#chunk(index);
    if (chunk instanceof Promise) return chunk.then((bytes) => bytes.subarray(start, start + length));
    return chunk.subarray(start, start + length);
  }

  /** A copy, put together from several chunks. */
  async #straddle(offset: number, length: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(length);
    for (let at = 0; at < length; ) {
      const index = Math.floor((offset + at) / this.#chunkSize);
      const start = offset + at - index * this.#chunkSize;
      const part = (await this.#chunk(index)).subarray(start, start + length - at);
      bytes.set(part, at);
      at += part.length;
    }
    return bytes;
  }

  #chunk(index: number): Uint8Array | Promise<Uint8Array> {
    const held = this.#chunks.get(index);
    if (held) {
      this.#chunks.delete(index);
      this.#keep(index, held);
      return held;
    }
    const from = index * this.#chunkSize;
    const bytes = new Uint8Array(Math.min(this.#chunkSize, this.#disk.size - from));
    const reading = this.#disk.read(bytes, from);
    if (!reading) {
      this.#keep(index, bytes);
      return bytes;
    }
    const pending = reading.then(
      () => {
        if (this.#chunks.get(index) === pending) this.#keep(index, bytes);
        return bytes;
      },
      (error) => {
        this.#chunks.delete(index);
        throw error;
      },
    );
    this.#keep(index, pending);
    return pending;
  }

  #keep(index: number, chunk: Uint8Array | Promise<Uint8Array>): void {
    this.#chunks.set(index, chunk);
    if (!(chunk instanceof Promise)) {
      this.#lastIndex = index;
      this.#last = chunk as Uint8Array<ArrayBuffer>;
    }
    if (this.#chunks.size <= this.#limit) return;
    const [oldest] = this.#chunks.keys();
    if (oldest !== undefined) this.#chunks.delete(oldest);
  }
}
