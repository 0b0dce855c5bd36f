import type { Step } from "./disk-record.ts";

export const SECTOR = 512;
const ZEROS = Buffer.alloc(SECTOR);

interface Value {
  bytes: Buffer | "image";
  at: number;
  sure: boolean;
}

/** What a sector held, one after the other; at first what the image holds there. */
interface Sector {
  values: Value[];
  /** Values before this one are overwritten and flushed. */
  floor: number;
  /** Values from here on came later. */
  end: number;
}

const IMAGE: Value = { bytes: "image", at: 0, sure: true };

/** Frozen: what each sector may hold at one moment. Sectors that are not named hold what the image does. */
export type Allowed = ReadonlyMap<number, Sector>;
type Verdict = "right" | "flushed" | "lost" | "foreign";

/** What each sector of a disk may hold if the power went now: the last flushed value, or a later one of its own. */
export class SectorHistory {
  readonly #sectors = new Map<number, Sector>();
  readonly #open = new Set<number>();
  #now = 0;

  add(step: Step): void {
    this.#now += 1;
    if (step.do === "write") {
      const all = Buffer.from(step.bytes.buffer, step.bytes.byteOffset, step.bytes.length);
      this.#push(step.offset, all.length, true, (from) => all.subarray(from, from + SECTOR));
    } else if (step.do === "zero") this.#push(step.offset, step.length, true, () => ZEROS);
    else if (step.do === "trim") this.#push(step.offset, step.length, false, () => ZEROS); // may, not must
  }

  #push(offset: number, length: number, sure: boolean, bytes: (from: number) => Buffer): void {
    if (offset % SECTOR || length % SECTOR)
      throw new Error(`${length} bytes at ${offset}: not whole sectors`);
    for (let from = 0; from < length; from += SECTOR) {
      const number = (offset + from) / SECTOR;
      const known = this.#sectors.get(number);
      const { values, floor } = known ?? { values: [IMAGE], floor: 0 };
      values.push({ bytes: bytes(from), at: this.#now, sure });
      this.#sectors.set(number, { values, floor, end: values.length });
      this.#open.add(number);
    }
  }

  /** Call it when a flush begins, and what it gives back when that flush has ended. */
  flushing(): () => void {
    const until = this.#now;
    return () => {
      for (const number of this.#open) {
        const { values, floor, end } = this.#sectors.get(number) as Sector;
        const last = values.findLastIndex(({ at, sure }) => sure && at <= until);
        if (last > floor) this.#sectors.set(number, { values, floor: last, end });
        if (last === values.length - 1) this.#open.delete(number);
      }
    };
  }

  allowed(): Allowed {
    return new Map(this.#sectors);
  }
}

/** Is `found` what this sector may hold? "flushed": it could be nothing else; "lost": an older value of its own. */
export function judgeSector(sector: Sector | undefined, found: Uint8Array, image: Uint8Array): Verdict {
  const is = (bytes: Buffer | "image") => Buffer.compare(found, bytes === "image" ? image : bytes) === 0;
  if (!sector) return is("image") ? "right" : "foreign";
  const { values, floor, end } = sector;
  if (values.slice(floor, end).some(({ bytes }) => is(bytes)))
    return floor > 0 && end === floor + 1 ? "flushed" : "right";
  return values.slice(0, floor).some(({ bytes }) => is(bytes)) ? "lost" : "foreign";
}

/** What was written to `sector` by the write that `neighbour` holds the bytes of; undefined where that is not known. */
export function writtenWith(
  sector: Sector,
  neighbour: Sector,
  held: { found: Uint8Array; image: Uint8Array },
): Buffer | "image" | undefined {
  const is = (bytes: Buffer | "image") =>
    Buffer.compare(held.found, bytes === "image" ? held.image : bytes) === 0;
  const at = neighbour.values.slice(neighbour.floor, neighbour.end).findLast(({ bytes }) => is(bytes))?.at;
  return sector.values.find((value) => value.at === at)?.bytes;
}
