import { Cold } from "./cold.ts";

/**
 * What was used lately, up to a number of bytes: two generations, of which the older one goes when the younger has half of them. A hit in the younger
 * one costs one look into a Map.
 */
export class LowerCache<V> {
  readonly #half: number;
  readonly #few: number;
  #young = new Map<number, V>();
  #old = new Map<number, V>();
  readonly #weights: (value: V) => number;
  #held = 0;
  readonly #loading = new Map<number, Promise<void>>();

  /** `few`: so many are held however large they are. No operation may need more at once, or it would wait for ever. */
  constructor(bytes: number, few: number, weigh: (value: V) => number) {
    this.#half = bytes / 2;
    this.#few = few;
    this.#weights = weigh;
  }

  get(key: number): V | undefined {
    const value = this.#young.get(key);
    if (value !== undefined) return value;
    const older = this.#old.get(key);
    if (older !== undefined) this.#keep(key, older);
    return older;
  }

  #keep(key: number, value: V): void {
    this.#young.set(key, value);
    this.#held += this.#weights(value);
    if (this.#held <= this.#half || this.#young.size < this.#few) return;
    this.#old = this.#young;
    this.#young = new Map();
    this.#held = 0;
  }

  /** Throws Cold where the value has to be loaded first. `now` gives it where that takes no waiting. */
  need(key: number, load: (key: number) => Promise<V>, now?: (key: number) => V | undefined): V {
    const value = this.get(key);
    if (value !== undefined) return value;
    const made = now?.(key);
    if (made === undefined) throw new Cold(this.load(key, load));
    this.#keep(key, made);
    return made;
  }

  /** Whoever asks for the same meanwhile waits for the same. */
  load(key: number, load: (key: number) => Promise<V>): Promise<void> {
    const running = this.#loading.get(key);
    if (running) return running;
    const job = load(key)
      .then((value) => this.#keep(key, value))
      .finally(() => this.#loading.delete(key));
    this.#loading.set(key, job);
    // Whoever waits hears of a failure; nobody needs to be waiting still.
    job.catch(() => {});
    return job;
  }
}
