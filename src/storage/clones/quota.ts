import { BrambleError } from "../../base/errors.ts";

/** Warn when so much of it is used. */
const WARN = 0.9;

export interface QuotaEvent {
  ownBytes: number;
  quota: number;
  /** Of the quota: 90 once it is nearly used up, 100 when writes are refused. */
  percent: 90 | 100;
}

/**
 * How much a clone may take on the host's disk. Writes that need new space are refused beyond it, rewrites go on.
 * Measuring costs a system call for each file: in between, what was asked for is counted.
 */
export class Quota {
  /** Bytes; undefined: no bound. */
  limit: number | undefined;
  readonly #measure: () => number;
  readonly #tell: (event: QuotaEvent) => void;
  #used = 0;
  #since = 0;
  #known = false;
  #told = 0;
  /** Merges are not the node's doing. */
  off = false;

  constructor(measure: () => number, tell: (event: QuotaEvent) => void) {
    this.#measure = measure;
    this.#tell = tell;
  }

  set(limit: number | undefined): void {
    this.limit = limit;
    this.#told = 0;
    this.forget();
  }

  /** Space was given back, or taken by others. */
  forget(): void {
    this.#known = false;
  }

  /** Before `bytes` of new space are taken. DISK_FULL where that would be too much. */
  take(bytes: number): void {
    if (this.limit === undefined || this.off) return;
    if (!this.#known || this.#used + this.#since + bytes > this.#mark()) this.#look(this.limit, bytes);
    this.#since += bytes;
  }

  /** The amount from which on somebody has to look. */
  #mark(): number {
    const limit = this.limit ?? 0;
    return this.#told < 90 ? limit * WARN : limit;
  }

  #look(limit: number, bytes: number): void {
    this.#used = this.#measure();
    if (this.#told === 100 && this.#used + bytes <= limit) this.#told = 90;
    this.#since = 0;
    this.#known = true;
    const after = this.#used + bytes;
    if (after > limit) {
      this.#say(100, limit);
      this.#known = false;
      throw new BrambleError("DISK_FULL", `the clone has used up its quota of ${limit} bytes`, {
        hint: "delete files in the node and trim (fstrim), drop snapshots, or set a larger quota",
      });
    }
    if (after > limit * WARN) this.#say(90, limit);
    else this.#told = 0;
  }

  #say(percent: 90 | 100, quota: number): void {
    if (this.#told >= percent) return;
    this.#told = percent;
    this.#tell({ ownBytes: this.#used, quota, percent });
  }
}
