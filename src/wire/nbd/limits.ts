/** What one connection may have open: requests, and the bytes of their data until the reply has left. */
export interface Limits {
  requests: number;
  bytes: number;
}

/** A request as large as this is always admitted when it is its connection's only one: nobody can be starved by the others. */
const ALWAYS = 256 << 10;

/** The bytes that all connections of a server may hold together. */
export class Allowance {
  readonly #most: number;
  #held = 0;

  constructor(most: number) {
    this.#most = most;
  }
  get held(): number {
    return this.#held;
  }
  take(bytes: number, only: boolean): boolean {
    if (this.#held + bytes > this.#most && !(only && (bytes <= ALWAYS || this.#held === 0))) return false;
    this.#held += bytes;
    return true;
  }
  give(bytes: number): void {
    this.#held -= bytes;
  }
}

/** One connection's share: a request is open from its header until its reply has left the process. */
export class Share {
  readonly #limits: Limits;
  readonly #all: Allowance;
  #requests = 0;
  #bytes = 0;

  constructor(limits: Limits, all: Allowance) {
    this.#limits = limits;
    this.#all = all;
  }
  admit(bytes: number): boolean {
    const only = this.#requests === 0;
    if (this.#requests >= this.#limits.requests) return false;
    if (!only && this.#bytes + bytes > this.#limits.bytes) return false;
    if (!this.#all.take(bytes, only)) return false;
    this.#requests += 1;
    this.#bytes += bytes;
    return true;
  }
  release(requests: number, bytes: number): void {
    this.#requests -= requests;
    this.#bytes -= bytes;
    this.#all.give(bytes);
  }
  /** The connection is over: gives everything back. */
  end(): void {
    this.release(this.#requests, this.#bytes);
  }
}
