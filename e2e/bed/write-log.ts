// What QEMU's blklogwrites driver records: each write, trim and flush of a guest, in their order (the format of Linux's dm-log-writes).
import { openSync, readSync } from "node:fs";

export type Logged =
  | { do: "write"; offset: number; bytes: Uint8Array }
  | { do: "trim"; offset: number; length: number }
  | { do: "flush" };

const MAGIC = 0x6a736677736872n;
const FLUSH = 1n;
const FUA = 2n;
const TRIM = 4n;

/** One at a time: a log is larger than the disk. A write with FUA is a write and a flush. */
export function* readWriteLog(path: string): Generator<Logged> {
  const file = openSync(path, "r");
  const read = (length: number, at: number) => {
    const bytes = Buffer.alloc(length);
    readSync(file, bytes, 0, length, at);
    return bytes;
  };
  const head = read(64, 0);
  if (head.readBigUInt64LE(0) !== MAGIC) throw new Error(`${path} is no log of writes`);
  const entries = Number(head.readBigUInt64LE(16));
  const sector = head.readUInt32LE(24);
  for (let entry = 0, at = sector; entry < entries; entry++) {
    const fields = read(32, at);
    at += sector;
    const offset = Number(fields.readBigUInt64LE(0)) * sector;
    const length = Number(fields.readBigUInt64LE(8)) * sector;
    const flags = fields.readBigUInt64LE(16);
    if (flags & FLUSH) yield { do: "flush" };
    if (length === 0) continue;
    if (flags & TRIM) {
      yield { do: "trim", offset, length };
      continue;
    }
    yield { do: "write", offset, bytes: read(length, at) };
    at += length;
    if (flags & FUA) yield { do: "flush" };
  }
}
