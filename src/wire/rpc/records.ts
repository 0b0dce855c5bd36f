// Record marking (RFC 5531 section 11): calls cut out of a TCP stream, however it and they were cut into pieces.
import { BrambleError } from "../../base/errors.ts";

/** Where records are put together that came in several pieces. */
export interface RecordPool {
  /** A buffer of at least that size; undefined: there is none to be had now. */
  take(size: number): Uint8Array | undefined;
  give(buffer: Uint8Array): void;
}

const LAST = 0x8000_0000;
/** More pieces than this nobody needs for a record; without a bound they would be free of charge. */
const MOST_FRAGMENTS = 64;
/** Copying less than this costs less than another receive. */
const LONG = 128 << 10;
const NOTHING = new Uint8Array(0);

/** One connection's stream. Feed it, call next() until it says no; what it has found lies in `bytes` from `from` to `to` until the call after that. */
export class Records {
  readonly #pool: RecordPool;
  readonly #most: number;
  #chunk: Uint8Array = NOTHING;
  #at = 0;
  #mark = 0;
  #markBytes = 0;
  #left = 0; // of the fragment under way
  #last = false;
  #fragments = 0;
  #part: Uint8Array | undefined; // the record under way, where it is not whole in the chunk
  #got = 0;
  #spent: Uint8Array | undefined; // the one that was handed out last
  bytes: Uint8Array = NOTHING;
  from = 0;
  to = 0;

  /** @param most bytes of a record */
  constructor(pool: RecordPool, most: number) {
    this.#pool = pool;
    this.#most = most;
  }

  /** Has a record begun that is not whole yet? */
  get inside(): boolean {
    return this.#markBytes > 0 || this.#fragments > 0;
  }
  /** Was the record found last so long that the next one had better be received by its head first, and then where it belongs? */
  get long(): boolean {
    return this.to - this.from >= LONG;
  }
  /** Where the rest of the record under way could be received to, instead of being copied there. */
  get window(): Uint8Array | undefined {
    if (!this.#part || this.#left < 16_384 || this.#got + this.#left > this.#part.length) return undefined;
    return this.#part.subarray(this.#got, this.#got + this.#left);
  }

  /** What came; borrowed until next() has said no. Or it was received into `window`. */
  feed(chunk: Uint8Array): void {
    this.#chunk = chunk;
    this.#at = 0;
  }
  /** Takes back what next() has not looked at yet; ends the turn: the record found last is done with too. */
  rest(): Uint8Array {
    this.#giveSpent();
    const rest = this.#chunk.subarray(this.#at);
    this.#chunk = NOTHING;
    this.#at = 0;
    return rest;
  }

  /** Is there another record? False also where the pool is empty: then `rest()` is to be fed again later. Throws WIRE_VALUE for a record too long. */
  next(): boolean {
    this.#giveSpent();
    for (;;) {
      if (this.#fragments > 0 && this.#left === 0 && this.#markBytes === 0) {
        if (this.#last) return this.#whole();
      }
      if (this.#left === 0 || this.#fragments === 0) {
        if (!this.#readMark()) return false;
        if (this.#fragments === 1 && this.#last && this.#chunk.length - this.#at >= this.#left)
          return this.#direct();
      }
      if (this.#left === 0) continue;
      if (this.#at === this.#chunk.length || !this.#gather()) return false;
    }
  }

  /** The connection is over. */
  end(): void {
    this.#giveSpent();
    if (this.#part) this.#pool.give(this.#part);
    this.#part = undefined;
  }

  #readMark(): boolean {
    const chunk = this.#chunk;
    while (this.#markBytes < 4) {
      if (this.#at === chunk.length) return false;
      this.#mark = ((this.#mark << 8) | (chunk[this.#at++] as number)) >>> 0;
      this.#markBytes += 1;
    }
    this.#last = this.#mark >= LAST;
    this.#left = this.#last ? this.#mark - LAST : this.#mark;
    this.#mark = this.#markBytes = 0;
    this.#fragments += 1;
    if (this.#got + this.#left > this.#most || this.#fragments > MOST_FRAGMENTS)
      throw new BrambleError(
        "WIRE_VALUE",
        `RPC: fragment ${this.#fragments} of ${this.#left} bytes makes a record longer than ${this.#most} bytes or too many pieces`,
      );
    return true;
  }
  #direct(): true {
    this.bytes = this.#chunk;
    this.from = this.#at;
    this.#at += this.#left;
    this.to = this.#at;
    this.#left = this.#fragments = 0;
    return true;
  }
  #gather(): boolean {
    if (!this.#room()) return false;
    const part = this.#part as Uint8Array;
    const count = Math.min(this.#left, this.#chunk.length - this.#at);
    const received = this.#chunk.buffer === part.buffer; // into the window: it lies where it belongs
    if (!received) part.set(this.#chunk.subarray(this.#at, this.#at + count), this.#got);
    this.#at += count;
    this.#got += count;
    this.#left -= count;
    return true;
  }
  /** Has the record under way room for its fragment? */
  #room(): boolean {
    const wanted = this.#got + this.#left;
    if (this.#part && this.#part.length >= wanted) return true;
    const room = this.#pool.take(wanted);
    if (!room) return false;
    if (this.#part) {
      room.set(this.#part.subarray(0, this.#got));
      this.#pool.give(this.#part);
    }
    this.#part = room;
    return true;
  }
  #whole(): true {
    this.bytes = this.#part ?? NOTHING;
    this.from = 0;
    this.to = this.#got;
    this.#spent = this.#part;
    this.#part = undefined;
    this.#got = this.#fragments = 0;
    return true;
  }
  #giveSpent(): void {
    if (this.#spent) this.#pool.give(this.#spent);
    this.#spent = undefined;
  }
}
