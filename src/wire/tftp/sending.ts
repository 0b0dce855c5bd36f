// One file on its way to one client: the sender's side of RFC 1350 with RFC 7440 windows. No sockets, no clock, no file.
import type { Terms } from "./terms.ts";

/**
 * What the caller must do now. "data": send the blocks `first` to `last` of this object, in order; orders are words and not
 * objects, since one is given for each packet.
 */
export type Order = "wait" | "oack" | "data" | "finish" | "give-up";

/** Silences in a row before we give up: 1 + 2 + 4 + 8 + 8 + 8 seconds, as long as a Pi waits for one file. */
const TRIES = 5;
const LONGEST_MS = 8000;

export class Sending {
  /** Call tick() when the clock reaches this. */
  deadline = Number.POSITIVE_INFINITY;
  /** The blocks of the last "data" order. Blocks count from 1 and do not wrap here. */
  first = 1;
  last = 0;
  /** Blocks and OACKs that went out more than once. */
  retransmits = 0;

  readonly #terms: Terms;
  readonly #blocks: number;
  #acked: number; // -1: our OACK is not acknowledged yet
  #sent: number; // up to here in this window
  #highest = 0; // ever sent
  #guard = 0; // we went back and sent up to here: no ACK below makes us go back once more
  #movedAt = Number.NEGATIVE_INFINITY;
  #silences = 0;

  constructor(terms: Terms) {
    this.#terms = terms;
    this.#blocks = Math.floor(terms.size / terms.blockSize) + 1; // a full last block is followed by an empty one
    this.#acked = terms.agreed.size > 0 ? -1 : 0;
    this.#sent = this.#acked;
  }

  /** Bytes that the client has confirmed. */
  get delivered(): number {
    return Math.min(Math.max(this.#acked, 0) * this.#terms.blockSize, this.#terms.size);
  }

  /** Has the client answered anything yet? A request that comes again before that is the same request. */
  get moved(): boolean {
    return this.#movedAt > Number.NEGATIVE_INFINITY;
  }

  /** Did the client answer once, and then not within `ms`? */
  stalled(now: number, ms: number): boolean {
    return this.moved && now - this.#movedAt > ms;
  }

  offsetOf(block: number): number {
    return (block - 1) * this.#terms.blockSize;
  }
  lengthOf(block: number): number {
    return Math.min(this.#terms.blockSize, this.#terms.size - this.offsetOf(block));
  }

  start(now: number): Order {
    this.rearm(now);
    return this.#acked < 0 ? "oack" : this.#fill();
  }

  /** `block16` as the wire has it. */
  ack(block16: number, now: number): Order {
    if (this.#acked < 0) {
      if (block16 !== 0) return "wait";
      this.#acked = 0;
      this.#sent = 0;
      this.#heard(now);
      return this.#fill();
    }
    const block = this.#acked + ((block16 - this.#acked) & 0xffff); // the wire's 16 bits wrap; ours do not
    if (block > this.#sent) return "wait"; // from the past
    if (block === this.#acked) return "wait"; // a duplicate: answering it would double every packet from here on (RFC 1123 4.2.3.1)
    this.#acked = block;
    this.#heard(now);
    if (block === this.#blocks) {
      this.deadline = Number.POSITIVE_INFINITY;
      return "finish";
    }
    // An ACK inside the window says that what follows was lost (RFC 7440 4). Once: a client that sees a block for the second time says
    // the same, and going back for that again would keep every block coming twice to the end of the file.
    if (block < this.#sent && block >= this.#guard) this.#goBack();
    return this.#fill();
  }

  tick(now: number): Order {
    if (now < this.deadline) return "wait";
    this.#silences += 1;
    if (this.#silences > TRIES) {
      this.deadline = Number.POSITIVE_INFINITY;
      return "give-up";
    }
    this.rearm(now);
    if (this.#acked < 0) {
      this.retransmits += 1;
      return "oack";
    }
    this.#goBack();
    return this.#fill();
  }

  /** The packets leave only now (a slow disk): the client's silence starts now as well. */
  rearm(now: number): void {
    const { timeoutMs, steady } = this.#terms;
    this.deadline = now + (steady ? timeoutMs : Math.min(timeoutMs * 2 ** this.#silences, LONGEST_MS));
  }

  #heard(now: number): void {
    this.#movedAt = now;
    this.#silences = 0;
    this.rearm(now);
  }

  #goBack(): void {
    this.#sent = this.#acked;
    this.#guard = this.#acked + this.#terms.windowSize;
  }

  #fill(): Order {
    this.first = this.#sent + 1;
    this.last = Math.min(this.#acked + this.#terms.windowSize, this.#blocks);
    if (this.last < this.first) return "wait";
    this.retransmits += Math.max(0, Math.min(this.last, this.#highest) - this.first + 1);
    this.#sent = this.last;
    this.#highest = Math.max(this.#highest, this.last);
    return "data";
  }
}
