/** What a range of a disk is: `data` was written, `zero` reads as zeros, `hole` was never written (a clone's base shows through). */
export interface Extent {
  offset: number;
  length: number;
  kind: "data" | "zero" | "hole";
}

/**
 * A disk of fixed size, bytes counted from 0. Every layer (image, clone, limit, fault, memory) is one of these around another.
 * A method that returns nothing is done (the warm path); callers await only a promise. All or an error: no layer reports more
 * than it did, and out of range is DISK_RANGE. Buffers are the caller's: layers do not keep them after the call has ended.
 */
export interface Disk {
  readonly size: number;
  /** Smallest unit that is written without reading: a hint, offsets may be unaligned. */
  readonly blockSize: number;
  read(into: Uint8Array, offset: number): void | Promise<void>;
  write(from: Uint8Array, offset: number): void | Promise<void>;
  /** Reads as zeros afterwards; keeps the space if `keep`. */
  zero(offset: number, length: number, keep?: boolean): void | Promise<void>;
  /** The bytes are not needed any more: they may read as anything stable, here always zeros or what they were. */
  trim(offset: number, length: number): void | Promise<void>;
  /** Everything that was acknowledged before is on stable storage when it ends. */
  flush(): void | Promise<void>;
  /** Adjacent extents that cover exactly the range asked for. */
  status(offset: number, length: number): Extent[] | Promise<Extent[]>;
  /**
   * Called before the replies to a batch of writes leave: from then on they outlive a kill of this process (not of the host:
   * that is flush()). Throws where that cannot be had: then the writes of this batch have failed.
   */
  endBatch?(): void;
}

/** The reading half: what file-system readers need. */
export type ReadableDisk = Pick<Disk, "size" | "read">;
