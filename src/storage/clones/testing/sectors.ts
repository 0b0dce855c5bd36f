import type { Disk } from "../../../base/disk.ts";
import type { Die } from "../../testing/die.ts";

export const SECTOR = 512;
const MIB = 1024 * 1024;
/** The disk's size, and the parts of it that are used: within an L2 table (256 MiB each), and across the border of two. */
export const DISK_SIZE = 514 * MIB;
const PARTS = [0, 255.5 * MIB, 511.5 * MIB];
const PART_SECTORS = MIB / SECTOR;
export const SECTORS = PARTS.length * PART_SECTORS;

/** Where a sector of the model lies on the disk, bytes. */
export const offsetOf = (sector: number): number =>
  (PARTS[Math.floor(sector / PART_SECTORS)] as number) + (sector % PART_SECTORS) * SECTOR;

/** A place and a length in sectors, within one part: mostly in the first, mostly small, now and then whole clusters. */
export function place(die: Die): { first: number; count: number } {
  const part = die.oneIn(3) ? 1 + die.below(PARTS.length - 1) : 0;
  const unit = die.pick([1, 8, 8, 8, 128]);
  const from = Math.floor(die.below(PART_SECTORS) / unit) * unit;
  const count = unit * (1 + die.below(die.pick([1, 1, 4, 20])));
  return { first: part * PART_SECTORS + from, count: Math.min(count, PART_SECTORS - from) };
}

/** Values of a sector that are no number of a write. */
export const BASE = 1;
const ZEROS = 0;
export const GARBAGE = -1;
const MARK = 0x5a5a5a5a;

/** A sector says who wrote it and where it belongs: so that lost, torn and foreign data can be told apart. */
export function fillSectors(first: number, count: number, value: number): Uint8Array {
  const words = new Uint32Array((count * SECTOR) / 4);
  for (let i = 0; i < words.length; i += 2) {
    words[i] = value;
    words[i + 1] = (first + Math.floor(i / (SECTOR / 4))) ^ MARK;
  }
  return new Uint8Array(words.buffer);
}

function readSector(words: Uint32Array, at: number, sector: number): number {
  const value = words[at] as number;
  const mark = value === ZEROS ? 0 : (sector ^ MARK) >>> 0;
  for (let i = at; i < at + SECTOR / 4; i += 2)
    if (words[i] !== value || words[i + 1] !== mark) return GARBAGE;
  return value;
}

/** What each sector may hold: its values since the last flush that covered it, the newest last. */
export class SectorModel {
  readonly #possible: number[][] = Array.from({ length: SECTORS }, () => [BASE]);
  /** How many older values each sector has left behind. */
  readonly #dropped = new Uint32Array(SECTORS);
  readonly #open = new Set<number>();
  readonly #unsure = new Set<number>();
  #next = BASE + 1;

  /** Bytes for a write, with a number of their own. */
  write(first: number, count: number): Uint8Array {
    const value = this.#next++;
    this.#push(first, count, value);
    return fillSectors(first, count, value);
  }
  zero(first: number, count: number): void {
    this.#push(first, count, ZEROS);
  }
  /** The last write there failed: it may have happened or not, and so it stays until the next one. */
  failed(first: number, count: number): void {
    for (let i = first; i < first + count; i++) this.#unsure.add(i);
  }
  #push(first: number, count: number, value: number): void {
    for (let i = first; i < first + count; i++) {
      this.#unsure.delete(i);
      this.#possible[i]?.push(value);
      this.#open.add(i);
    }
  }

  /** Call it when a flush begins, and what it gives back when that flush has ended. */
  flushing(): () => void {
    const sure = [...this.#open].filter((sector) => !this.#unsure.has(sector));
    const marks = sure.map((sector) => {
      const newest = (this.#dropped[sector] as number) + (this.#possible[sector] as number[]).length - 1;
      return { sector, newest };
    });
    return () => {
      for (const { sector, newest } of marks) {
        const older = newest - (this.#dropped[sector] as number);
        if (older <= 0) continue; // another flush was quicker
        this.#possible[sector]?.splice(0, older);
        this.#dropped[sector] = newest;
      }
    };
  }

  /** How many sectors hold what they must not. Then the model takes what it found for the truth. */
  async judge(disk: Pick<Disk, "read">): Promise<{ lost: number; garbage: number }> {
    const values = await readSectors(disk);
    const found = this.accepts(values);
    this.become(values);
    return found;
  }

  accepts(values: Int32Array): { lost: number; garbage: number } {
    const found = { lost: 0, garbage: 0 };
    for (const [sector, value] of values.entries()) {
      if (value === GARBAGE) found.garbage += 1;
      else if (!(this.#possible[sector] as number[]).includes(value)) found.lost += 1;
    }
    return found;
  }

  /** That is what the disk holds now, durable. */
  become(values: Int32Array): void {
    for (const [sector, value] of values.entries()) this.#possible[sector] = [value];
    this.#dropped.fill(0);
    this.#open.clear();
    this.#unsure.clear();
  }
}

/** The value of each sector: the number of the write that wrote it, or what it is else. */
export async function readSectors(disk: Pick<Disk, "read">): Promise<Int32Array> {
  const values = new Int32Array(SECTORS);
  const bytes = new Uint8Array(PART_SECTORS * SECTOR);
  const words = new Uint32Array(bytes.buffer);
  for (let sector = 0; sector < SECTORS; sector++) {
    const within = sector % PART_SECTORS;
    if (within === 0) await disk.read(bytes, offsetOf(sector));
    values[sector] = readSector(words, (within * SECTOR) / 4, sector);
  }
  return values;
}
