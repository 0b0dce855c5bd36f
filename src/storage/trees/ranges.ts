/** Disjoint ranges of a file, in order; `to` is not in them. */
export class Ranges {
  #list: { from: number; to: number }[] = [];

  get isEmpty(): boolean {
    return this.#list.length === 0;
  }
  /** Behind the last one; 0: there is none. */
  get end(): number {
    return this.#list.at(-1)?.to ?? 0;
  }
  list(): readonly { readonly from: number; readonly to: number }[] {
    return this.#list;
  }

  add(from: number, to: number): void {
    if (from >= to) return;
    const last = this.#list.at(-1);
    if (!last || from > last.to) this.#list.push({ from, to });
    else if (from >= last.from) last.to = Math.max(last.to, to);
    else this.#merge(from, to);
  }

  addAll(other: Ranges): void {
    for (const { from, to } of other.#list) this.add(from, to);
  }

  #merge(from: number, to: number): void {
    const before = this.#list.filter((range) => range.to < from);
    const after = this.#list.filter((range) => range.from > to);
    const touching = this.#list.slice(before.length, this.#list.length - after.length);
    const merged = {
      from: Math.min(from, touching[0]?.from ?? from),
      to: Math.max(to, touching.at(-1)?.to ?? to),
    };
    this.#list = [...before, merged, ...after];
  }

  remove(from: number, to: number): void {
    this.#list = this.#list.flatMap((range) => {
      if (range.to <= from || range.from >= to) return [range];
      const left = range.from < from ? [{ from: range.from, to: from }] : [];
      return range.to > to ? [...left, { from: to, to: range.to }] : left;
    });
  }

  /** What is between `from` and `to` and in none of them. */
  gaps(from: number, to: number): { from: number; to: number }[] {
    const gaps: { from: number; to: number }[] = [];
    let at = from;
    for (const range of this.#list) {
      if (range.from >= to) break;
      if (range.from > at) gaps.push({ from: at, to: range.from });
      at = Math.max(at, range.to);
    }
    if (at < to) gaps.push({ from: at, to });
    return gaps;
  }

  copy(): Ranges {
    const copy = new Ranges();
    copy.#list = this.#list.map((range) => ({ ...range }));
    return copy;
  }
}
