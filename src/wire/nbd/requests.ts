// The transmission phase of one NBD client: requests out of the byte stream, cut anywhere (doc/proto.md "Transmission").
import type { Share } from "./limits.ts";
import { COMMAND, ERRNO, FLAG, MOST_PAYLOAD, MOST_STATUS, REQUEST } from "./protocol.ts";

/** A request's name for its client, as two halves: a bigint for each would cost more than the parsing. */
export interface Cookie {
  cookieHigh: number;
  cookieLow: number;
}
/** Orders for the disk. Each is answered once (replies.ts); `cost` bytes are released when that answer has left. */
export type Request = Cookie & { cost: number } & (
    | { do: "read"; offset: number; length: number }
    | { do: "write"; offset: number; bytes: Uint8Array; fua: boolean } // a view: valid until the caller's buffer is reused
    | { do: "zero"; offset: number; length: number; keep: boolean; fua: boolean }
    | { do: "trim"; offset: number; length: number; fua: boolean }
    | { do: "status"; offset: number; length: number; one: boolean }
    | { do: "flush" }
    | { do: "refuse"; errno: number; command: number }
  );
export type RequestOrder = Request | { do: "close"; why: string };

export interface Export {
  size: number;
  readOnly: boolean;
}

/** `got` is minus the length as long as none of the data has come. */
interface Unfinished {
  order: Request & { do: "write" };
  got: number;
}

const HEADER = 28;
/** What a request costs beside its data. */
const OVERHEAD = 64;
const STATUS_COST = 32 << 10;
/** Flags that a command may carry; any other is EINVAL (FAST_ZERO: ENOTSUP, as a server says that cannot promise it). */
const FLAGS: { readonly [command: number]: number } = {
  [COMMAND.READ]: FLAG.DF | FLAG.FUA,
  [COMMAND.WRITE]: FLAG.FUA,
  [COMMAND.FLUSH]: FLAG.FUA,
  [COMMAND.TRIM]: FLAG.FUA,
  [COMMAND.WRITE_ZEROES]: FLAG.FUA | FLAG.NO_HOLE,
  [COMMAND.BLOCK_STATUS]: FLAG.REQ_ONE | FLAG.FUA,
};

export class Requests {
  readonly #export: Export;
  readonly #status: boolean;
  readonly #share: Share;
  readonly #head = new Uint8Array(HEADER); // a header that was cut
  readonly #headView = new DataView(this.#head.buffer);
  #headLength = 0;
  #write: Unfinished | undefined; // a write whose data has not all come
  #skip = 0; // data of a write that was refused
  #refusal: RequestOrder | undefined; // ... whose answer waits for the end of that data
  #ended = false;
  #blocked = false;

  constructor(what: { export: Export; status: boolean; share: Share }) {
    this.#export = what.export;
    this.#status = what.status;
    this.#share = what.share;
  }

  get ended(): boolean {
    return this.#ended;
  }
  /** Is a request waiting until something that is open has ended? */
  get blocked(): boolean {
    return this.#blocked;
  }
  /** Is a message begun whose rest must come? */
  get inside(): boolean {
    return this.#headLength > 0 || this.#write !== undefined || this.#skip > 0;
  }

  /** Takes bytes from `at` on; returns where it stopped: the end, or before a request that is too much for now. */
  take(bytes: Uint8Array, at: number, orders: RequestOrder[]): number {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const end = bytes.length;
    let p = at;
    while (!this.#ended) {
      if (this.#write) p = this.#fill(this.#write, bytes, p, orders);
      else if (this.#skip > 0) p = this.#pass(end, p, orders);
      if (p === end && this.#headLength < HEADER) break;
      if (this.#headLength > 0 || end - p < HEADER) {
        const more = Math.min(HEADER - this.#headLength, end - p);
        this.#head.set(bytes.subarray(p, p + more), this.#headLength);
        this.#headLength += more;
        p += more;
        if (this.#headLength < HEADER || !this.#header(this.#headView, 0, orders)) break;
        this.#headLength = 0;
      } else {
        if (!this.#header(view, p, orders)) break;
        p += HEADER;
      }
    }
    return this.#ended ? end : p;
  }

  /** Handles one header; false: it must wait until something that is open has ended. */
  #header(v: DataView, p: number, orders: RequestOrder[]): boolean {
    if (v.getUint32(p) !== REQUEST) return this.#close(orders, "bad request magic");
    const flags = v.getUint16(p + 4);
    const command = v.getUint16(p + 6);
    const cookieHigh = v.getUint32(p + 8);
    const cookieLow = v.getUint32(p + 12);
    const offset = v.getUint32(p + 16) * 0x1_0000_0000 + v.getUint32(p + 20);
    const length = v.getUint32(p + 24);
    if (command === COMMAND.DISC) return this.#close(orders, "client left");
    const errno = this.#judge(command, flags, offset, length);
    const holds = command === COMMAND.READ || command === COMMAND.WRITE ? length : 0;
    const cost = OVERHEAD + (errno ? 0 : command === COMMAND.BLOCK_STATUS ? STATUS_COST : holds);
    this.#blocked = !this.#share.admit(cost);
    if (this.#blocked) return false;
    const fua = (flags & FLAG.FUA) !== 0;
    if (errno) {
      this.#refusal = { do: "refuse", cookieHigh, cookieLow, cost, errno, command };
      if (command === COMMAND.WRITE) this.#skip = length;
      if (this.#skip === 0) orders.push(this.#refusal);
    } else if (command === COMMAND.READ) {
      orders.push({ do: "read", cookieHigh, cookieLow, cost, offset, length });
    } else if (command === COMMAND.WRITE) {
      const order = { do: "write" as const, cookieHigh, cookieLow, cost, offset, bytes: NOTHING, fua };
      this.#write = { order, got: -length };
    } else if (command === COMMAND.FLUSH) {
      orders.push({ do: "flush", cookieHigh, cookieLow, cost });
    } else if (command === COMMAND.TRIM) {
      orders.push({ do: "trim", cookieHigh, cookieLow, cost, offset, length, fua });
    } else if (command === COMMAND.WRITE_ZEROES) {
      const keep = (flags & FLAG.NO_HOLE) !== 0;
      orders.push({ do: "zero", cookieHigh, cookieLow, cost, offset, length, keep, fua });
    } else {
      const one = (flags & FLAG.REQ_ONE) !== 0;
      const most = Math.min(length, MOST_STATUS);
      orders.push({ do: "status", cookieHigh, cookieLow, cost, offset, length: most, one });
    }
    return true;
  }

  /** What is wrong with a request, 0 if nothing is. */
  #judge(command: number, flags: number, offset: number, length: number): number {
    const allowed = FLAGS[command];
    if (allowed === undefined) return ERRNO.EINVAL;
    if (command === COMMAND.WRITE_ZEROES && flags & FLAG.FAST_ZERO) return ERRNO.ENOTSUP;
    if (flags & ~allowed) return ERRNO.EINVAL;
    if (command === COMMAND.FLUSH) return ERRNO.OK;
    const changes = command !== COMMAND.READ && command !== COMMAND.BLOCK_STATUS;
    if (changes && this.#export.readOnly) return ERRNO.EPERM;
    if (offset + length > this.#export.size)
      return command === COMMAND.WRITE || command === COMMAND.WRITE_ZEROES ? ERRNO.ENOSPC : ERRNO.EINVAL;
    if (command === COMMAND.READ || command === COMMAND.WRITE)
      return length > MOST_PAYLOAD ? ERRNO.EINVAL : ERRNO.OK;
    if (command === COMMAND.BLOCK_STATUS) return this.#status && length > 0 ? ERRNO.OK : ERRNO.EINVAL;
    return ERRNO.OK;
  }

  /** The data of a write: a view when it is here whole, else collected, once copied. */
  #fill(write: Unfinished, bytes: Uint8Array, p: number, orders: RequestOrder[]): number {
    const here = bytes.length - p;
    const { order } = write;
    if (write.got < 0) {
      const length = -write.got;
      if (here >= length) {
        order.bytes = bytes.subarray(p, p + length);
        return this.#filled(orders, order, p + length);
      }
      if (here === 0) return p;
      order.bytes = new Uint8Array(length);
      write.got = 0;
    }
    const more = Math.min(order.bytes.length - write.got, here);
    order.bytes.set(bytes.subarray(p, p + more), write.got);
    write.got += more;
    return write.got === order.bytes.length ? this.#filled(orders, order, p + more) : p + more;
  }

  #filled(orders: RequestOrder[], order: Request, p: number): number {
    this.#write = undefined;
    orders.push(order);
    return p;
  }

  #pass(end: number, p: number, orders: RequestOrder[]): number {
    const more = Math.min(this.#skip, end - p);
    this.#skip -= more;
    if (this.#skip === 0 && this.#refusal) orders.push(this.#refusal);
    return p + more;
  }

  #close(orders: RequestOrder[], why: string): boolean {
    this.#ended = true;
    orders.push({ do: "close", why });
    return false;
  }
}

const NOTHING = new Uint8Array(0);
