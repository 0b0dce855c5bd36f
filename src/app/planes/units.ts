// The SCSI units of this thread: one for each disk, shared by all sessions that reach it.
import { createHash } from "node:crypto";
import type { Disk } from "../../base/disk.ts";
import type { Clone } from "../../storage/clones/clone.ts";
import { LogicalUnit } from "../../wire/scsi/unit.ts";
import type { Lun } from "./disk-calls.ts";
import type { HeldClone, OpenClones } from "./open-clones.ts";
import { readReservations, saveReservations } from "./reservations.ts";

/** What VPD pages 80h and 83h say of a disk: it follows from the id in its file's header, so it is the same for the file's life. */
function identity(id: string): { serial: string; naa: bigint } {
  const digest = createHash("sha256").update(id).digest();
  return {
    serial: id.replaceAll("-", "").slice(0, 16),
    naa: (3n << 60n) | (digest.readBigUInt64BE(0) >> 4n), // NAA 3: locally assigned (SPC-4 7.8.6.6.4)
  };
}

/**
 * The disk behind a unit: always the clone as it is open now. A clone is closed when nobody has used it for a while, and its
 * unit, with what initiators have registered there, outlives that.
 */
class StandingDisk implements Disk {
  now: Clone;
  constructor(clone: Clone) {
    this.now = clone;
  }
  get size(): number {
    return this.now.size;
  }
  get blockSize(): number {
    return this.now.blockSize;
  }
  read = (into: Uint8Array, offset: number) => this.now.read(into, offset);
  write = (from: Uint8Array, offset: number) => this.now.write(from, offset);
  zero = (offset: number, length: number, keep?: boolean) => this.now.zero(offset, length, keep);
  trim = (offset: number, length: number) => this.now.trim(offset, length);
  flush = () => this.now.flush();
  status = (offset: number, length: number) => this.now.status(offset, length);
  endBatch = () => this.now.endBatch();
}

/** `counted` may lay something around the disk, once for each. */
export function logicalUnits(clones: OpenClones, counted: (disk: Disk) => Disk = (disk) => disk) {
  const units = new Map<string, { unit: LogicalUnit; disk: StandingDisk; seen: Disk; id: string }>();

  return {
    /** A disk as a session needs it: the unit, the open clone, and where its reservations are kept. */
    async of({ path, product }: Lun) {
      const held: HeldClone = clones.hold(path);
      const clone = await held.clone;
      let known = units.get(path);
      // Another file lies there now, or it has grown while nobody looked.
      const stale =
        known && (known.id !== clone.id || (known.unit.facts.size !== clone.size && held.sessions === 0));
      if (!known || stale) {
        const facts = {
          ...{
            size: clone.size,
            blockSize: 512 as const,
            physicalBlock: 4096 as const,
            readOnly: false,
            product,
          },
          ...identity(clone.id),
        };
        const unit = new LogicalUnit(facts, readReservations(path));
        const disk = new StandingDisk(clone);
        known = { unit, disk, seen: counted(disk), id: clone.id };
        units.set(path, known);
      }
      known.disk.now = clone;
      const save = async (reservations: string) => saveReservations(path, reservations);
      return { path, held, lun: { unit: known.unit, disk: known.seen, save } };
    },
    /** A disk has grown: every session hears of it with its next command. */
    resized(path: string, size: number): void {
      units.get(path)?.unit.resized(size);
    },
    forget(path: string): void {
      units.delete(path);
    },
  };
}
export type LogicalUnits = ReturnType<typeof logicalUnits>;
