import type { ReadableDisk } from "../../base/disk.ts";
import type { Inode } from "../../formats/ext4/inode.ts";
import type { Volume } from "../../formats/ext4/volume.ts";

/** So many extents are looked up in one turn of the event loop. */
const IN_ONE_TURN = 2048;
const HOLE = -1;

/** Where a file's bytes lie. */
export class Extents {
  /** Where each piece ends in the file, ascending; where it begins on the disk, or HOLE. */
  readonly #ends: readonly number[];
  readonly #places: readonly number[];
  /** Of files so small that they lie in their inode. */
  readonly #inline: Uint8Array | undefined;

  constructor(ends: readonly number[], places: readonly number[], inline?: Uint8Array) {
    this.#ends = ends;
    this.#places = places;
    this.#inline = inline;
  }

  /** Of memory, about. */
  get bytes(): number {
    return 150 + this.#ends.length * 16 + (this.#inline?.length ?? 0);
  }

  read(disk: ReadableDisk, into: Uint8Array, offset: number): void | Promise<void> {
    if (this.#inline) {
      into.fill(0);
      into.set(this.#inline.subarray(offset, offset + into.length));
      return undefined;
    }
    let jobs: Promise<void>[] | undefined;
    for (let done = 0, at = this.#find(offset); done < into.length; at++) {
      const end = this.#ends[at] ?? Number.POSITIVE_INFINITY;
      const place = this.#places[at] ?? HOLE;
      const length = Math.min(into.length - done, end - (offset + done));
      const part = length === into.length ? into : into.subarray(done, done + length);
      if (place === HOLE) part.fill(0);
      else {
        const inside = offset + done - (at > 0 ? (this.#ends[at - 1] as number) : 0);
        const job = disk.read(part, place + inside);
        if (job) {
          jobs ??= [];
          jobs.push(job);
        }
      }
      done += length;
    }
    return jobs ? Promise.all(jobs).then(() => {}) : undefined;
  }

  #find(offset: number): number {
    const ends = this.#ends;
    let low = 0;
    let high = ends.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((ends[middle] as number) > offset) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}

/** All extents of a file, neighbours joined. */
export async function extentsOf(volume: Volume, inode: Inode): Promise<Extents> {
  const { blockSize } = volume.superblock;
  const blocks = Math.ceil(inode.size / blockSize);
  const ends: number[] = [];
  const places: number[] = [];
  for (let block = 0, looked = 1; block < blocks; looked++) {
    const { physical, count } = await volume.locate(inode, block);
    const place = physical === 0 ? HOLE : physical * blockSize;
    const last = places.length - 1;
    const before = places[last];
    const joins =
      before !== undefined &&
      (place === HOLE
        ? before === HOLE
        : before !== HOLE && before + block * blockSize - (ends[last - 1] ?? 0) === place);
    block = Math.min(block + count, blocks);
    if (joins) ends[last] = block * blockSize;
    else {
      ends.push(block * blockSize);
      places.push(place);
    }
    if (looked % IN_ONE_TURN === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  return new Extents(ends, places);
}
