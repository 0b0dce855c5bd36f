import type { Ino } from "../../wire/nfs/tree.ts";

/** Cookies below are places of the image's entries (index + 3, after "." and ".."); those of own entries are drawn from here on. */
export const OWN_COOKIE = 2 ** 32;

/** A name in a directory. `ino` 0 at a place of the image: a whiteout. */
export interface OwnEntry {
  readonly name: string;
  ino: Ino;
  readonly cookie: number;
}

/** What differs in one directory from the image's: own names, names that lead elsewhere, names that are gone. */
export class Entries {
  readonly names = new Map<string, OwnEntry>();
  /** By cookie, the oldest first; those removed lately have ino 0. */
  #order: OwnEntry[] = [];
  #removed = 0;
  #shown = 0;
  #hidden = 0;

  /** Names that lead somewhere. */
  get shown(): number {
    return this.#shown;
  }
  /** Names of the image that are gone. */
  get hidden(): number {
    return this.#hidden;
  }

  /** A name keeps its cookie for as long as it is there. */
  set(name: string, ino: Ino, cookie: number): void {
    const old = this.names.get(name);
    if (old) {
      if (old.ino) this.#shown -= 1;
      else this.#hidden -= 1;
    }
    if (ino) this.#shown += 1;
    else if (cookie < OWN_COOKIE) this.#hidden += 1;
    if (old?.cookie === cookie) {
      old.ino = ino;
      if (ino || cookie < OWN_COOKIE) return;
      this.names.delete(name);
      this.#removed += 1;
      if (this.#removed > 64 && this.#removed * 2 > this.#order.length) this.#tidy();
    } else if (ino || cookie < OWN_COOKIE) {
      const entry = { name, ino, cookie };
      this.names.set(name, entry);
      if (cookie >= OWN_COOKIE) this.#order.push(entry);
    }
  }

  #tidy(): void {
    this.#order = this.#order.filter((entry) => entry.ino);
    this.#removed = 0;
  }

  /** The youngest own entry whose cookie is below `cookie`; undefined where there is none. `hint`: `next` of the one before. */
  before(cookie: number, hint = -1): { entry: OwnEntry; next: number } | undefined {
    const order = this.#order;
    const cookieAt = (at: number) => order[at]?.cookie ?? Number.POSITIVE_INFINITY;
    let at = hint;
    // Without a hint, or where tidying has moved things: search.
    if (at < 0 || cookieAt(at) < cookie || (at > 0 && cookieAt(at - 1) >= cookie)) {
      let high = order.length;
      at = 0;
      while (at < high) {
        const middle = (at + high) >> 1;
        if (cookieAt(middle) >= cookie) high = middle;
        else at = middle + 1;
      }
    }
    while (at-- > 0) {
      const entry = order[at] as OwnEntry;
      if (entry.ino) return { entry, next: at };
    }
    return undefined;
  }
}
