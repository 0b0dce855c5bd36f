import assert from "node:assert/strict";
import type { Ino } from "../../../wire/nfs/tree.ts";
import { BLOCK } from "../changes.ts";

export const SECTOR = 512;
/** Of a block, which is what a tree maps. */
const SECTORS = BLOCK / SECTOR;
export const NAMES = ["a", "b", "c", "d", "e", "f"];

/** What something may be after a crash: what it was when that was promised, or anything that it became since. The last is what it is. */
class Maybe<V> {
  #values: V[];
  constructor(value: V) {
    this.#values = [value];
  }
  get now(): V {
    return this.#values.at(-1) as V;
  }
  set(value: V): void {
    if (value !== this.now) this.#values.push(value);
  }
  /** It is on its way to that, or will never be. */
  mayBe(value: V): void {
    this.#values.splice(-1, 0, value);
  }
  /** How to say later that what it is now, or newer, is there for good. */
  mark(): () => void {
    const count = this.#values.length;
    const values = this.#values;
    return () => {
      if (values !== this.#values) return; // it was fixed meanwhile
      const older = count - 1 - this.#dropped;
      if (older <= 0) return;
      values.splice(0, older);
      this.#dropped += older;
    };
  }
  #dropped = 0;
  /** Is something on its way that was not promised? */
  get isOpen(): boolean {
    return this.#values.length > 1;
  }
  allows(value: V): boolean {
    return this.#values.includes(value);
  }
  /** It is that now; what it may have been may come back. */
  turnTo(value: V): void {
    this.#values = [...this.#values.filter((one) => one !== value), value];
    this.#dropped = 0;
  }
  fix(value: V): void {
    this.#values = [value];
    this.#dropped = 0;
  }
  all(): readonly V[] {
    return this.#values;
  }
}

/** A file: whole sectors, each of one value; 0 is zeros. */
export class FileModel {
  readonly ino: Ino;
  readonly size = new Maybe(0);
  readonly sectors = new Map<number, Maybe<number>>();
  /** Everything that was ever written to a sector. */
  readonly #written = new Map<number, Set<number>>();
  constructor(ino: Ino) {
    this.ino = ino;
  }

  sector(index: number): Maybe<number> {
    let sector = this.sectors.get(index);
    if (!sector) {
      sector = new Maybe(0);
      this.sectors.set(index, sector);
    }
    return sector;
  }
  write(first: number, count: number, value: number): void {
    for (let i = first; i < first + count; i++) this.sector(i).set(value);
    this.size.set(Math.max(this.size.now, (first + count) * SECTOR));
  }
  mayWrite(first: number, count: number, value: number): void {
    for (let i = first; i < first + count; i++) {
      this.sector(i).mayBe(value);
      const written = this.#written.get(i) ?? new Set();
      this.#written.set(i, written.add(value));
    }
    this.size.mayBe(Math.max(this.size.now, (first + count) * SECTOR));
  }
  /**
   * Mode fast syncs data after the journal has it: a power cut may leave a block mapped without what was written to it since the last round. It shows what
   * the data file held there before.
   */
  mayReturn(index: number, value: number): boolean {
    const first = index - (index % SECTORS);
    const block = Array.from({ length: SECTORS }, (_, i) => first + i);
    if (!block.some((one) => this.sectors.get(one)?.isOpen)) return false;
    return value === 0 || this.#written.get(index)?.has(value) === true;
  }
  copy(): FileModel {
    const twin = new FileModel(this.ino);
    twin.size.fix(this.size.now);
    for (const [index, sector] of this.sectors) twin.sector(index).fix(sector.now);
    for (const [index, values] of this.#written) twin.#written.set(index, new Set(values));
    return twin;
  }
  truncate(size: number): void {
    for (const [index, sector] of this.sectors) if (index * SECTOR >= size) sector.set(0);
    this.size.set(size);
  }
  /** As it is now, for good, when the mark is called. */
  mark(indices: Iterable<number> = this.sectors.keys()): () => void {
    const marks = [...indices].map((index) => this.sector(index).mark());
    const size = this.size.mark();
    return () => {
      for (const mark of marks) mark();
      size();
    };
  }
}

/** What has happened before one looks. */
export type After = "alive" | "kill" | "power" | "power in mode fast";

function take<V>(maybe: Maybe<V>, value: V, isForGood: boolean): void {
  if (isForGood) maybe.fix(value);
  else maybe.turnTo(value);
}

/** What was found in a root directory, by name. */
export type Found = Map<string, { ino: Ino; size: number; bytes: Uint8Array }>;

/** What a tree's root directory should hold. Names are in one order: what was promised last, or one of the states since. */
export class TreeModel {
  names = new Maybe("");
  readonly files = new Map<Ino, FileModel>();

  /** name → inode, now. */
  now(): Map<string, Ino> {
    return parse(this.names.now);
  }
  set(change: (names: Map<string, Ino>) => void): void {
    const names = this.now();
    change(names);
    this.names.set(print(names));
  }

  /**
   * `found` must be allowed; it is what is from now on. After a power cut for good; after a kill data that was never promised may still be in the page cache only; alive nothing
   * is decided.
   */
  adopt(found: Found, what: string, after: After): void {
    const names = print(new Map([...found].map(([name, { ino }]) => [name, ino])));
    assert.ok(this.names.allows(names), `${what}: names ${names}, may be ${this.names.all().join(" or ")}`);
    take(this.names, names, after !== "alive");
    const inos = new Set([...found.values()].map(({ ino }) => ino));
    if (after !== "alive") for (const ino of this.files.keys()) if (!inos.has(ino)) this.files.delete(ino);
    for (const [name, { ino, size, bytes }] of found) {
      const file = this.files.get(ino) as FileModel;
      const allowed = file.size.all();
      assert.ok(
        file.size.allows(size),
        `${what}: ${name} has ${size} bytes, may have ${allowed.join(" or ")}`,
      );
      take(file.size, size, after !== "alive");
      const values: number[] = [];
      const words = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
      for (let index = 0; index * SECTOR < size; index++) {
        const sector = words.subarray((index * SECTOR) / 4, ((index + 1) * SECTOR) / 4);
        const value = sector[0] as number;
        assert.ok(
          sector.every((word) => word === value),
          `${what}: ${name} sector ${index} is torn`,
        );
        const may = file.sector(index);
        assert.ok(
          may.allows(value) || (after === "power in mode fast" && file.mayReturn(index, value)),
          `${what}: ${name} (${ino}) sector ${index} is ${value}, may be ${may.all().join(" or ")}`,
        );
        values.push(value);
      }
      for (const [index, value] of values.entries())
        take(file.sector(index), value, after.startsWith("power"));
      for (const [index, sector] of file.sectors)
        if (index * SECTOR >= size) take(sector, 0, after !== "alive");
    }
  }

  copy(): TreeModel {
    const copy = new TreeModel();
    copy.names.fix(this.names.now);
    for (const [ino, file] of this.files) copy.files.set(ino, file.copy());
    return copy;
  }
}

const print = (names: Map<string, Ino>): string =>
  [...names]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, ino]) => `${name}=${ino}`)
    .join(",");
const parse = (text: string): Map<string, Ino> =>
  new Map(
    text === ""
      ? []
      : text.split(",").map((pair) => {
          const [name = "", ino] = pair.split("=");
          return [name, Number(ino)];
        }),
  );
