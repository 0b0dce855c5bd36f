/** A set of block numbers, kept as runs in order: [from, to, from, to, …], each before `to`. */
export class Blocks {
  readonly #runs: number[];
  #count: number;

  constructor(of?: Blocks) {
    this.#runs = of ? of.#runs.slice() : [];
    this.#count = of ? of.#count : 0;
  }

  get count(): number {
    return this.#count;
  }

  /** Runs, for estimates of memory. */
  get pieces(): number {
    return this.#runs.length / 2;
  }

  /** Index of the first run that ends behind `block`, doubled; the length of the list if there is none. */
  #search(block: number): number {
    const runs = this.#runs;
    const last = runs.length - 2;
    // Files mostly grow at their end.
    if (last < 0 || (runs[last + 1] as number) <= block) return last + 2;
    let low = 0;
    let high = last / 2;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((runs[middle * 2 + 1] as number) > block) high = middle;
      else low = middle + 1;
    }
    return low * 2;
  }

  has(block: number): boolean {
    const at = this.#search(block);
    return at < this.#runs.length && (this.#runs[at] as number) <= block;
  }

  /** The first block from `block` on whose membership differs from that of `block`; Infinity if there is none. */
  turn(block: number): number {
    const at = this.#search(block);
    const from = this.#runs[at];
    if (from === undefined) return Number.POSITIVE_INFINITY;
    return from <= block ? (this.#runs[at + 1] as number) : from;
  }

  /** Members from `from` to before `to`. */
  within(from: number, to: number): number {
    let found = 0;
    const runs = this.#runs;
    for (let at = this.#search(from); at < runs.length && (runs[at] as number) < to; at += 2)
      found += Math.min(runs[at + 1] as number, to) - Math.max(runs[at] as number, from);
    return found;
  }

  /** How many were new. */
  add(from: number, to: number): number {
    if (to <= from) return 0;
    const runs = this.#runs;
    const last = runs.length - 1;
    if (last > 0 && runs[last] === from) {
      runs[last] = to;
      this.#count += to - from;
      return to - from;
    }
    // Also the neighbour that ends where this one begins.
    let first = this.#search(from);
    if (first > 0 && runs[first - 1] === from) first -= 2;
    let end = first;
    let covered = 0;
    let low = from;
    let high = to;
    while (end < runs.length && (runs[end] as number) <= to) {
      const start = runs[end] as number;
      const stop = runs[end + 1] as number;
      covered += Math.max(0, Math.min(stop, to) - Math.max(start, from));
      low = Math.min(low, start);
      high = Math.max(high, stop);
      end += 2;
    }
    runs.splice(first, end - first, low, high);
    const added = to - from - covered;
    this.#count += added;
    return added;
  }

  /** How many were there. */
  remove(from: number, to: number): number {
    const runs = this.#runs;
    const first = this.#search(from);
    let end = first;
    let removed = 0;
    const rest: number[] = [];
    while (end < runs.length && (runs[end] as number) < to) {
      const start = runs[end] as number;
      const stop = runs[end + 1] as number;
      if (start < from) rest.push(start, from);
      if (stop > to) rest.push(to, stop);
      removed += Math.min(stop, to) - Math.max(start, from);
      end += 2;
    }
    if (removed > 0) runs.splice(first, end - first, ...rest);
    this.#count -= removed;
    return removed;
  }

  /** Drops all from `from` on. */
  cut(from: number): number {
    return this.remove(from, Number.POSITIVE_INFINITY);
  }

  removeAll(other: Blocks): void {
    for (const [from, to] of other.runs()) this.remove(from, to);
  }

  *runs(): Generator<[from: number, to: number]> {
    for (let at = 0; at < this.#runs.length; at += 2)
      yield [this.#runs[at] as number, this.#runs[at + 1] as number];
  }
}
