// Who may boot now: at most K boots fetch their files at once, the others wait in line (spec boot-plane-performance.md 6).

/** `auto`: our own choice. `off`: no limit. */
export type BootsAtOnce = number | "auto" | "off";

/** Fewer nodes than this never load a boot server so much that their files time out. */
const SMALL_FLEET = 30;
/** Any K from 59 to 229 carries 3,000 boards through 1 GbE in the shortest time (table of that section). */
const AUTO = 128;

/** K: how many boots may fetch their files at once. Infinity: as many as want to. */
export function bootsAtOnce(setting: BootsAtOnce, nodes: number): number {
  if (setting === "off" || nodes < SMALL_FLEET) return Number.POSITIVE_INFINITY;
  return setting === "auto" ? AUTO : setting;
}

/** An EEPROM asks for 45 s, then starts over: who has not asked for this long has left the line. */
const LEFT_MS = 90_000;
/** A free place is kept for the first in line this long, since it asks again by itself; then whoever asks gets it. */
const KEPT_MS = 500;

/**
 * The line of those whose DHCP is not answered yet. They ask again by themselves, each after a longer pause: a place that only the first in line
 * could take would stay empty for long.
 */
export class Line {
  readonly #waiting = new Map<string, { sinceMs: number; askedMs: number }>();
  #freeSinceMs: number | undefined;

  /** 0: it may boot now, and has left the line. Else its place in the line. `fetching`: boots that hold a place among `limit`. */
  ask(nodeId: string, fetching: number, limit: number, now: number): number {
    const free = limit - fetching;
    if (free === Number.POSITIVE_INFINITY) {
      this.#waiting.clear();
      return 0;
    }
    this.#freeSinceMs = free < 1 ? undefined : (this.#freeSinceMs ?? now);
    const held = this.#waiting.get(nodeId);
    this.#waiting.set(nodeId, { sinceMs: held?.sinceMs ?? now, askedMs: now });
    const place = this.place(nodeId, now) ?? 1;
    const kept = this.#freeSinceMs !== undefined && now - this.#freeSinceMs < KEPT_MS;
    if (free < 1 || (place > free && kept)) return place;
    this.#waiting.delete(nodeId);
    return 0;
  }

  /** 1: next. Undefined: it does not wait. */
  place(nodeId: string, now: number): number | undefined {
    let place = 1;
    for (const [id, { askedMs }] of this.#waiting) {
      if (id === nodeId) return place;
      if (now - askedMs > LEFT_MS) this.#waiting.delete(id);
      else place += 1;
    }
    return undefined;
  }

  /** Who waits, the first in line first. */
  waiting = (): string[] => [...this.#waiting.keys()];

  leave(nodeId: string): void {
    this.#waiting.delete(nodeId);
  }

  get length(): number {
    return this.#waiting.size;
  }
}
