import type { Disk } from "../../src/base/disk.ts";

/** What was asked of a disk, in order. A flush has two steps: asked for, and answered. */
export type Step =
  | { do: "write"; offset: number; bytes: Uint8Array }
  | { do: "zero"; offset: number; length: number; keep: boolean }
  | { do: "trim"; offset: number; length: number }
  | { do: "flush"; number: number }
  | { do: "flushed"; number: number }
  /** Whoever uses the disk has told the world that this turn of its work is durable. */
  | { do: "told"; turn: number };

/** A layer that notes every change and flush with its bytes. Of a write the request is noted, of a flush also its end. */
export function recording(disk: Disk, steps: Step[]): Disk {
  let flushes = 0;
  return {
    size: disk.size,
    blockSize: disk.blockSize,
    read: (into, offset) => disk.read(into, offset),
    status: (offset, length) => disk.status(offset, length),
    endBatch: () => disk.endBatch?.(),
    write(from, offset) {
      steps.push({ do: "write", offset, bytes: from.slice() });
      return disk.write(from, offset);
    },
    zero(offset, length, keep = false) {
      steps.push({ do: "zero", offset, length, keep });
      return disk.zero(offset, length, keep);
    },
    trim(offset, length) {
      steps.push({ do: "trim", offset, length });
      return disk.trim(offset, length);
    },
    async flush() {
      const number = flushes++;
      steps.push({ do: "flush", number });
      await disk.flush();
      steps.push({ do: "flushed", number });
    },
  };
}
