// Does a stranger use an address that we are about to give? Asked by ARP (RFC 2131 2.2), for many addresses at once.
import type { Raw } from "./raw.ts";

/** A host on the same Ethernet answers in well under this. */
const WAIT_MS = 300;
const LOOK_MS = 25;
const ASK_AT_MS = [0, 100];
/** More at once are not asked for: their clients get the address unprobed. */
const MOST = 512;

interface Question {
  /** The client that the address is for: its own answer is no conflict. */
  mac: string;
  askedAtMs: number[];
  startMs: number;
  answer(stranger: string | undefined): void;
}

/** Asks on one interface. `ask` gives the stranger's MAC, or undefined when nobody answered in 0.3 s. */
export class ConflictProbe {
  readonly #raw: Raw;
  readonly #now: () => number;
  readonly #open = new Map<string, Question>();
  #timer: NodeJS.Timeout | undefined;

  constructor(raw: Raw, now: () => number) {
    this.#raw = raw;
    this.#now = now;
  }

  ask(address: string, mac: string): Promise<string | undefined> {
    // Heard from before the first question on, or a quick answer is lost.
    if (this.#open.size === 0) this.#raw.heardArp();
    if (this.#open.size >= MOST || this.#open.has(address) || !this.#raw.askArp(address))
      return Promise.resolve(undefined);
    return new Promise((answer) => {
      this.#open.set(address, { mac, answer, startMs: this.#now(), askedAtMs: ASK_AT_MS.slice(1) });
      this.#timer ??= setInterval(() => this.#look(), LOOK_MS);
    });
  }

  close(): void {
    for (const address of [...this.#open.keys()]) this.#end(address, undefined);
    clearInterval(this.#timer);
    this.#raw.hushArp();
  }

  #look(): void {
    for (const { mac, address } of this.#raw.heardArp()) {
      const question = this.#open.get(address);
      if (question && question.mac !== mac) this.#end(address, mac);
    }
    const now = this.#now();
    for (const [address, question] of this.#open) {
      const waited = now - question.startMs;
      if (waited >= WAIT_MS) this.#end(address, undefined);
      else if (waited >= (question.askedAtMs[0] ?? Number.POSITIVE_INFINITY)) {
        question.askedAtMs.shift();
        this.#raw.askArp(address);
      }
    }
    if (this.#open.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#raw.hushArp();
  }

  #end(address: string, stranger: string | undefined): void {
    const question = this.#open.get(address);
    this.#open.delete(address);
    question?.answer(stranger);
  }
}
