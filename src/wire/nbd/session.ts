// One NBD client, seen from the server: facts in, orders out (the NBD project's doc/proto.md).
import { type ExportFacts, Handshake, type HandshakeOrder } from "./handshake.ts";
import { type Allowance, type Limits, Share } from "./limits.ts";
import { type Request, type RequestOrder, Requests } from "./requests.ts";

/** What the caller must do now, in order. After `close` there are no more: what was sent may leave, then the line is cut. */
export type Order = HandshakeOrder | Request | { do: "close"; why: string };

/**
 * Holds no socket, clock, file or promise. Requests are answered by the caller in any order (replies.ts); it says with
 * left() when the answers have left, and calls next() when `hungry` turns true again while something is held.
 */
export class Session {
  readonly #handshake = new Handshake();
  readonly #share: Share;
  #requests: Requests | undefined;
  #held: Uint8Array = NOTHING;
  #at = 0; // what of #held is done
  #ended = false;

  constructor(limits: Limits, allowance: Allowance) {
    this.#share = new Share(limits, allowance);
  }

  /** Were structured replies agreed on? */
  get structured(): boolean {
    return this.#handshake.structured;
  }
  get stage(): "handshake" | "requests" | "ended" {
    return this.#ended ? "ended" : this.#requests ? "requests" : "handshake";
  }
  /** False while it takes no bytes: it waits for found() or listed(), or too much is open. The socket should not be read then. */
  get hungry(): boolean {
    return !this.#ended && !this.#handshake.waiting && !this.#requests?.blocked;
  }
  /** Does a request wait until something that is open, here or elsewhere, has ended? */
  get blocked(): boolean {
    return !this.#ended && this.#requests?.blocked === true;
  }
  /** Has the client begun a message whose end must come? */
  get inside(): boolean {
    return this.#requests?.inside ?? true;
  }

  start(): Order[] {
    return this.#handshake.start();
  }

  /** Takes whatever the socket gave, cut anywhere. What is kept is copied; the data of a write is a view when it is here whole. */
  receive(chunk: Uint8Array): Order[] {
    if (this.#at === this.#held.length) return this.#run(chunk, 0, true);
    const bytes = new Uint8Array(this.#held.length - this.#at + chunk.length);
    bytes.set(this.#held.subarray(this.#at));
    bytes.set(chunk, this.#held.length - this.#at);
    return this.#run(bytes, 0, false);
  }

  /** Goes on with what is held, after answers have left. Views in these orders stay valid. */
  next(): Order[] {
    return this.#run(this.#held, this.#at, false);
  }

  found(facts: ExportFacts | undefined): Order[] {
    return [...this.#handshake.found(facts), ...this.#go()];
  }
  listed(names: readonly string[]): Order[] {
    return [...this.#handshake.listed(names), ...this.#go()];
  }

  /** The answers to so many requests have left, so that their cost is free again. */
  left(requests: number, cost: number): void {
    this.#share.release(requests, cost);
  }

  /** The connection is over: nothing is held any more. */
  end(): void {
    this.#ended = true;
    this.#held = NOTHING;
    this.#at = 0;
    this.#share.end();
  }

  #go(): Order[] {
    const chosen = this.#handshake.chosen;
    if (chosen && !this.#requests) this.#requests = new Requests({ ...chosen, share: this.#share });
    return this.next();
  }

  #run(bytes: Uint8Array, at: number, borrowed: boolean): Order[] {
    if (this.#ended) return [];
    const orders: Order[] = [];
    const p = this.#requests
      ? this.#requests.take(bytes, at, orders as RequestOrder[])
      : this.#handshake.take(bytes, at, orders as HandshakeOrder[]);
    if (p === bytes.length) {
      this.#held = NOTHING;
      this.#at = 0;
    } else {
      this.#held = borrowed ? bytes.slice(p) : bytes;
      this.#at = borrowed ? 0 : p;
    }
    if (orders.at(-1)?.do === "close") this.#ended = true;
    return orders;
  }
}

const NOTHING = new Uint8Array(0);
