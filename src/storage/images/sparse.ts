import { type FileHandle, open } from "node:fs/promises";

const GRAIN = 4096;
const BUFFER = 1 << 20;
const ZEROS = Buffer.alloc(GRAIN);

/** Writes a new file front to back; 4 KiB blocks of zeros become holes. */
export class SparseFile {
  readonly #file: FileHandle;
  readonly #buffer = Buffer.allocUnsafe(BUFFER);
  #used = 0;
  #flushed = 0;

  private constructor(file: FileHandle) {
    this.#file = file;
  }

  /** The file must not exist. */
  static async create(path: string): Promise<SparseFile> {
    return new SparseFile(await open(path, "wx", 0o600));
  }

  /** Bytes given so far. */
  get size(): number {
    return this.#flushed + this.#used;
  }

  async write(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length; ) {
      const piece = bytes.subarray(at, at + BUFFER - this.#used);
      this.#buffer.set(piece, this.#used);
      this.#used += piece.length;
      at += piece.length;
      if (this.#used === BUFFER) await this.#drain();
    }
  }

  /** Everything is on the disk when it ends. Returns the bytes that the file takes there. */
  async finish(mode: number): Promise<number> {
    await this.#drain();
    await this.#file.truncate(this.#flushed);
    await this.#file.chmod(mode);
    await this.#file.sync();
    const { blocks } = await this.#file.stat();
    return blocks * 512;
  }

  async close(): Promise<void> {
    await this.#file.close();
  }

  /** Writes runs of blocks that hold anything. */
  async #drain(): Promise<void> {
    let start = -1;
    for (let at = 0; at < this.#used; at += GRAIN) {
      const block = this.#buffer.subarray(at, Math.min(at + GRAIN, this.#used));
      const empty = block.equals(block.length === GRAIN ? ZEROS : ZEROS.subarray(0, block.length));
      if (!empty && start < 0) start = at;
      if (empty && start >= 0) {
        await this.#put(start, at);
        start = -1;
      }
    }
    if (start >= 0) await this.#put(start, this.#used);
    this.#flushed += this.#used;
    this.#used = 0;
  }

  async #put(from: number, to: number): Promise<void> {
    for (let at = from; at < to; ) {
      const { bytesWritten } = await this.#file.write(this.#buffer, at, to - at, this.#flushed + at);
      at += bytesWritten;
    }
  }
}
