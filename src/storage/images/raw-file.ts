import { type FileHandle, open } from "node:fs/promises";
import type { ReadableDisk } from "../../base/disk.ts";
import { BrambleError } from "../../base/errors.ts";

/** A raw disk image that is read where it lies. */
export class RawFile implements ReadableDisk {
  readonly size: number;
  readonly #file: FileHandle;

  private constructor(file: FileHandle, size: number) {
    this.#file = file;
    this.size = size;
  }

  static async open(path: string): Promise<RawFile> {
    const file = await open(path, "r");
    return new RawFile(file, (await file.stat()).size);
  }

  async read(into: Uint8Array, offset: number): Promise<void> {
    if (offset < 0 || offset + into.length > this.size) {
      throw new BrambleError("DISK_RANGE", `${into.length} bytes at ${offset} of a disk of ${this.size}`);
    }
    for (let at = 0; at < into.length; ) {
      const { bytesRead } = await this.#file.read(into, at, into.length - at, offset + at);
      if (bytesRead === 0) throw new BrambleError("DISK_IO", `the image ends at byte ${offset + at}`);
      at += bytesRead;
    }
  }

  async close(): Promise<void> {
    await this.#file.close();
  }
}
