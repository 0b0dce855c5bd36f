import { BrambleError } from "../../base/errors.ts";

/** Something under a clone that is read only: its image, or a frozen qcow2 layer. Both ways past the end give zeros. */
export interface Layer {
  readonly size: number;
  /** Would readNow() be quick? */
  isWarm(offset: number, length: number): boolean;
  /** Makes it so, off this thread. */
  warm(offset: number, length: number): Promise<void>;
  readNow(into: Uint8Array, offset: number): void;
  /** Bytes that its file takes on the host's disk. */
  allocated(): number;
  close(): void;
}

/** DISK_RANGE unless the bytes lie on the disk. */
export function checkRange(size: number, offset: number, length: number): void {
  if (!(offset >= 0 && length >= 0 && offset + length <= size && Number.isSafeInteger(offset)))
    throw new BrambleError("DISK_RANGE", `${length} bytes at ${offset} of a disk of ${size}`);
}
