import type { Peer } from "./udp.ts";

export interface TftpLimits {
  /** Requests being answered at once: in all, and of one address. */
  transfers: number;
  perAddress: number;
  /** Files being looked for at once. */
  finds: number;
  /** Requests beyond these limits wait, so many and so long (ms): silence costs a Pi 30 seconds, an error the file. */
  queued: number;
  queueMs: number;
  /** Cap on the blksize option, below what the interface's MTU allows: for paths that narrow further away (VXLAN, PPPoE). */
  blockSize: number;
  windowSize: number;
  /** Sockets that transfers share. */
  tids: number;
  /** Bytes of kernel buffer to ask for. */
  receiveBuffer: number;
}

export const TFTP_LIMITS: TftpLimits = {
  transfers: 4096,
  perAddress: 64,
  finds: 256,
  queued: 4096,
  queueMs: 10_000,
  blockSize: 65464,
  windowSize: 16,
  tids: 8,
  receiveBuffer: 8 << 20,
};

interface Applicant {
  readonly client: Peer;
  /** When it came. */
  readonly at: number;
}

/** Who may start now and who waits, in order of arrival. Each that was started must be `found` and then must `leave`. */
export class Admission<T extends Applicant> {
  readonly #limits: TftpLimits;
  readonly #start: (applicant: T) => void;
  readonly #waiting = new Set<T>();
  readonly #busyOf = new Map<string, number>();
  readonly #waitingOf = new Map<string, number>();
  #busy = 0;
  #finding = 0;

  constructor(limits: TftpLimits, start: (applicant: T) => void) {
    this.#limits = limits;
    this.#start = start;
  }

  get idle(): boolean {
    return this.#busy === 0 && this.#waiting.size === 0;
  }

  /** Starts or keeps the applicant; false where there is no room even to wait. */
  enter(applicant: T): boolean {
    const { address } = applicant.client;
    if (this.#room() && this.#roomFor(address)) {
      this.#admit(applicant);
      return true;
    }
    const { queued, perAddress } = this.#limits;
    if (this.#waiting.size >= queued || (this.#waitingOf.get(address) ?? 0) >= perAddress) return false;
    this.#waiting.add(applicant);
    count(this.#waitingOf, address, 1);
    return true;
  }

  /** Its file was found, or not: the next may look for its own. */
  found(): void {
    this.#finding -= 1;
    this.#next();
  }

  leave({ client }: Applicant): void {
    this.#busy -= 1;
    count(this.#busyOf, client.address, -1);
    this.#next();
  }

  /** Takes out and gives back those that have waited for too long. */
  expired(now: number): T[] {
    const late = [...this.#waiting].filter(({ at }) => now - at > this.#limits.queueMs);
    for (const applicant of late) this.#unqueue(applicant);
    return late;
  }

  #next(): void {
    for (const applicant of this.#waiting) {
      if (!this.#room()) return;
      if (!this.#roomFor(applicant.client.address)) continue;
      this.#unqueue(applicant);
      this.#admit(applicant);
    }
  }

  #admit(applicant: T): void {
    this.#busy += 1;
    this.#finding += 1;
    count(this.#busyOf, applicant.client.address, 1);
    this.#start(applicant);
  }

  #unqueue(applicant: T): void {
    this.#waiting.delete(applicant);
    count(this.#waitingOf, applicant.client.address, -1);
  }

  #room(): boolean {
    return this.#busy < this.#limits.transfers && this.#finding < this.#limits.finds;
  }
  #roomFor(address: string): boolean {
    return (this.#busyOf.get(address) ?? 0) < this.#limits.perAddress;
  }
}

function count(of: Map<string, number>, address: string, by: number): void {
  const n = (of.get(address) ?? 0) + by;
  if (n > 0) of.set(address, n);
  else of.delete(address);
}
