// The asking side of a TFTP read: RFC 1350, 2347 (options), 2348 (blksize), 2349 (tsize), with the habits of Pi firmware as settings.
import { decode, ERROR, encode, type Options, type Packet } from "./packet.ts";

export interface FetchStyle {
  /** Sent with the request, in this order. */
  options: Options;
  /** Only asks whether the file is there: the first good answer is met with ERROR 0 "Early terminate". */
  probe: boolean;
  /** The same request again while nothing has come, ms. */
  resendMs: number;
  /** The last ACK again when the transfer stands still, ms. */
  ackResendMs: number;
  /** For the whole file, from the first request on, ms. */
  timeoutMs: number;
  /** Does the block counter go on at 0 after 65535? */
  wraps: boolean;
  /** Is a block that came before acknowledged again? */
  acksDuplicates: boolean;
  /** Old bootcode.bin: a second OACK ends the file where it is (raspberrypi/firmware issue 1041). */
  duplicateOackHarms: boolean;
}

export type FetchEnd =
  | { end: "read"; size: number /** Cut short by the firmware's own bug. */; damaged: boolean }
  | { end: "probed"; size: number | undefined }
  | { end: "refused"; code: number; text: string }
  | { end: "too-large"; size: number | undefined }
  | { end: "timeout"; size: number };

/** `bytes` of data are a window on the received packet: take them at once. */
export type FetchDo =
  | { do: "send"; bytes: Uint8Array; to: "listener" | "transfer" }
  | { do: "data"; bytes: Uint8Array }
  | { do: "end"; how: FetchEnd };

/** What firmware says when it has seen enough (a 20-byte packet: code 0, text, NUL). */
const ENOUGH = encode({ type: "error", code: ERROR.UNDEFINED, text: "Early terminate" });

/** One file. Facts are start, receive and tick; after the order "end" it takes nothing more. */
export class Fetch {
  readonly #style: FetchStyle;
  readonly #request: Uint8Array;
  #transferPort: number | undefined;
  #blockSize = 512;
  #expected = 1;
  #received = 0;
  #size: number | undefined;
  #lastAck: Uint8Array | undefined;
  #giveUpAt = 0;
  #resendAt = 0;
  #over = false;

  constructor(path: string, style: FetchStyle) {
    this.#style = style;
    this.#request = encode({ type: "read", path, mode: "octet", options: style.options });
  }

  /** When tick() wants to be called. */
  get deadline(): number {
    return Math.min(this.#resendAt, this.#giveUpAt);
  }

  /** The server's port for this file, once it has answered. */
  get transferPort(): number | undefined {
    return this.#transferPort;
  }

  start(now: number): FetchDo[] {
    this.#giveUpAt = now + this.#style.timeoutMs;
    this.#resendAt = now + this.#style.resendMs;
    return [{ do: "send", bytes: this.#request, to: "listener" }];
  }

  tick(now: number): FetchDo[] {
    if (this.#over || now < this.deadline) return [];
    if (now >= this.#giveUpAt) return this.#end({ end: "timeout", size: this.#received });
    if (!this.#lastAck) {
      this.#resendAt = now + this.#style.resendMs;
      return [{ do: "send", bytes: this.#request, to: "listener" }];
    }
    this.#resendAt = now + this.#style.ackResendMs;
    return [{ do: "send", bytes: this.#lastAck, to: "transfer" }];
  }

  /** A datagram from the server that came to our port, `port` being where it came from. Strange ones are ignored. */
  receive(bytes: Uint8Array, port: number, now: number): FetchDo[] {
    if (this.#over || (this.#transferPort !== undefined && port !== this.#transferPort)) return [];
    let packet: Packet;
    try {
      packet = decode(bytes);
    } catch {
      return []; // not TFTP
    }
    if (packet.type === "error") return this.#end({ end: "refused", code: packet.code, text: packet.text });
    if (packet.type !== "oack" && packet.type !== "data") return [];
    this.#transferPort = port;
    return packet.type === "oack" ? this.#agreed(packet.options, now) : this.#data(packet, now);
  }

  #agreed(options: Options, now: number): FetchDo[] {
    if (this.#lastAck) {
      // Ours or the network's repetition. Only while nothing has come may the answer be said again.
      if (this.#style.duplicateOackHarms)
        return this.#end({ end: "read", size: this.#received, damaged: true });
      return this.#received === 0 && this.#expected === 1 ? this.#ack(0, now) : [];
    }
    const blockSize = Number(options.get("blksize") ?? 512);
    const asked = Number(this.#style.options.get("blksize") ?? 512);
    if (!(blockSize >= 8 && blockSize <= asked)) {
      const bytes = encode({ type: "error", code: ERROR.OPTION, text: "blksize" });
      return [
        { do: "send", bytes, to: "transfer" },
        ...this.#end({ end: "refused", code: ERROR.OPTION, text: "blksize larger than asked" }),
      ];
    }
    this.#blockSize = blockSize;
    const size = options.get("tsize");
    this.#size = size === undefined ? undefined : Number(size);
    if (this.#style.probe) return this.#enough({ end: "probed", size: this.#size });
    if (!this.#style.wraps && (this.#size ?? 0) >= 65536 * blockSize)
      return this.#enough({ end: "too-large", size: this.#size });
    return this.#ack(0, now);
  }

  #data({ block, bytes }: { block: number; bytes: Uint8Array }, now: number): FetchDo[] {
    if (this.#style.probe) return this.#enough({ end: "probed", size: this.#size });
    if (block !== (this.#expected & 0xffff)) {
      const before = block === ((this.#expected - 1) & 0xffff) && this.#expected > 1;
      return before && this.#style.acksDuplicates && this.#lastAck
        ? [{ do: "send", bytes: this.#lastAck, to: "transfer" }]
        : [];
    }
    const orders: FetchDo[] = [{ do: "data", bytes }, ...this.#ack(block, now)];
    this.#received += bytes.length;
    this.#expected++;
    if (bytes.length < this.#blockSize)
      return [...orders, ...this.#end({ end: "read", size: this.#received, damaged: false })];
    if (!this.#style.wraps && this.#expected > 65535)
      return [...orders, ...this.#enough({ end: "too-large", size: this.#size })];
    return orders;
  }

  #ack(block: number, now: number): FetchDo[] {
    this.#lastAck = encode({ type: "ack", block });
    this.#resendAt = now + this.#style.ackResendMs;
    return [{ do: "send", bytes: this.#lastAck, to: "transfer" }];
  }

  #enough(how: FetchEnd): FetchDo[] {
    return [{ do: "send", bytes: ENOUGH, to: "transfer" }, ...this.#end(how)];
  }

  #end(how: FetchEnd): FetchDo[] {
    this.#over = true;
    return [{ do: "end", how }];
  }
}
