// What strangers can make us remember and say is bounded: events per client and overall, and tables of fixed size.

/** A map that forgets what was used longest ago. */
export class Recent<Value> {
  readonly #most: number;
  readonly #map = new Map<string, Value>();
  constructor(most: number) {
    this.#most = most;
  }

  get size(): number {
    return this.#map.size;
  }
  get(key: string): Value | undefined {
    const value = this.#map.get(key);
    if (value !== undefined) {
      this.#map.delete(key);
      this.#map.set(key, value);
    }
    return value;
  }
  set(key: string, value: Value): void {
    this.#map.delete(key);
    this.#map.set(key, value);
    if (this.#map.size <= this.#most) return;
    const [oldest] = this.#map.keys();
    if (oldest !== undefined) this.#map.delete(oldest);
  }
  delete(key: string): void {
    this.#map.delete(key);
  }
}

/** So many at once, so many a second in the long run. */
export class Bucket {
  readonly #burst: number;
  readonly #perSecond: number;
  #left: number;
  #at: number;
  constructor(burst: number, perSecond: number, nowMs: number) {
    this.#burst = burst;
    this.#perSecond = perSecond;
    this.#left = burst;
    this.#at = nowMs;
  }

  take(nowMs: number): boolean {
    const refill = (Math.max(0, nowMs - this.#at) / 1000) * this.#perSecond;
    this.#left = Math.min(this.#burst, this.#left + refill);
    this.#at = nowMs;
    if (this.#left < 1) return false;
    this.#left--;
    return true;
  }
}

export interface Limits {
  /** Clients (by MAC) and senders of broken packets (by address) remembered at most. */
  remembered: number;
  /** Events of one client. */
  clientBurst: number;
  clientPerSecond: number;
  /** Events of all. 3,000 boards that start at once have two each. */
  burst: number;
  perSecond: number;
}

export const LIMITS: Limits = {
  remembered: 8192,
  clientBurst: 12,
  clientPerSecond: 1,
  burst: 10_000,
  perSecond: 500,
};

/** May this be told? Counts what was not. */
export class Telling {
  readonly #limits: Limits;
  readonly #all: Bucket;
  readonly #clients: Recent<Bucket>;
  readonly #broken: Recent<Bucket>;
  #untold = 0;
  constructor(limits: Limits, nowMs: number) {
    this.#limits = limits;
    this.#all = new Bucket(limits.burst, limits.perSecond, nowMs);
    this.#clients = new Recent(limits.remembered);
    this.#broken = new Recent(limits.remembered);
  }

  client(mac: string, nowMs: number): boolean {
    const { clientBurst, clientPerSecond } = this.#limits;
    return this.#take(this.#clients, mac, [clientBurst, clientPerSecond], nowMs);
  }
  /** A packet that makes no sense: one event per address and second. */
  broken(address: string, nowMs: number): boolean {
    return this.#take(this.#broken, address, [1, 1], nowMs);
  }
  /** How many were not told since the last call. */
  untold(): number {
    const count = this.#untold;
    this.#untold = 0;
    return count;
  }

  #take(table: Recent<Bucket>, key: string, rate: [number, number], nowMs: number): boolean {
    let bucket = table.get(key);
    if (!bucket) {
      bucket = new Bucket(...rate, nowMs);
      table.set(key, bucket);
    }
    const told = bucket.take(nowMs) && this.#all.take(nowMs);
    if (!told) this.#untold++;
    return told;
  }
}
