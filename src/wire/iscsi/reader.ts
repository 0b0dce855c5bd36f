// PDUs out of a TCP stream that is cut anywhere, with their digests (RFC 7143 11.2, 13.1).
import { crc32cRaw } from "../../base/crc32c.ts";
import { HEADER, NOTHING, padded } from "./pdu.ts";

export interface PduTaker {
  /** A whole PDU. Header (at `at`) and data are views: valid until the call returns, the data longer if `room` gave it. */
  pdu(view: DataView, at: number, data: Uint8Array, extra: Uint8Array): void;
  /** Data that comes in pieces: where shall its `length` bytes go? */
  room(view: DataView, at: number, length: number): Uint8Array;
  /** The data of this PDU is not what its digest says. */
  damaged(what: "header" | "data", view: DataView, at: number): void;
  tooLong(length: number): void;
  /** Shall no more be taken for now (or ever)? */
  readonly full: boolean;
}

const MOST_EXTRA = 255 * 4;

export class PduReader {
  readonly #taker: PduTaker;
  headerDigest = false;
  dataDigest = false;
  /** Our MaxRecvDataSegmentLength. */
  mostData: number;
  readonly #head = new Uint8Array(HEADER + MOST_EXTRA + 4);
  readonly #headView = new DataView(this.#head.buffer);
  #headLength = 0; // of a header that was cut
  #data: Uint8Array | undefined; // data that was cut: its header is in #head
  #got = 0;
  readonly #tail = new Uint8Array(7); // padding and digest of that data
  #tailLength = 0;
  #tailGot = 0;

  constructor(taker: PduTaker, mostData: number) {
    this.#taker = taker;
    this.mostData = mostData;
  }
  /** Has a PDU begun whose end must come? */
  get inside(): boolean {
    return this.#headLength > 0;
  }

  /** Takes bytes from `at` on; returns where it stopped: the end, or after the PDU that made the taker full. */
  take(bytes: Uint8Array, at: number): number {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const end = bytes.length;
    let p = at;
    while (p < end && !this.#taker.full) {
      if (this.#data) p = this.#fill(this.#data, bytes, p);
      else if (this.#headLength === 0 && end - p >= HEADER && end - p >= this.#sizeOfHead(view, p))
        p = this.#begin(view, p, bytes, p + this.#sizeOfHead(view, p));
      else {
        const size = this.#headLength < HEADER ? HEADER : this.#sizeOfHead(this.#headView, 0);
        const more = Math.min(size - this.#headLength, end - p);
        this.#head.set(bytes.subarray(p, p + more), this.#headLength);
        this.#headLength += more;
        p += more;
        if (this.#headLength >= HEADER && this.#headLength === this.#sizeOfHead(this.#headView, 0))
          p = this.#begin(this.#headView, 0, bytes, p);
      }
    }
    return p;
  }

  #sizeOfHead(view: DataView, at: number): number {
    return HEADER + view.getUint8(at + 4) * 4 + (this.headerDigest ? 4 : 0);
  }

  /** A header is here whole, its data begins at `p` of `bytes`. */
  #begin(view: DataView, at: number, bytes: Uint8Array, p: number): number {
    const extraLength = view.getUint8(at + 4) * 4;
    if (this.headerDigest) {
      const covered = new Uint8Array(view.buffer, view.byteOffset + at, HEADER + extraLength);
      if (digest(covered) !== view.getUint32(at + HEADER + extraLength, true)) {
        this.#taker.damaged("header", view, at);
        return p;
      }
    }
    const length = view.getUint32(at + 4) & 0xffffff;
    if (length > this.mostData) {
      this.#taker.tooLong(length);
      return p;
    }
    const tail = padded(length) - length + (length > 0 && this.dataDigest ? 4 : 0);
    if (bytes.length - p >= length + tail) {
      this.#headLength = 0;
      const data = length === 0 ? NOTHING : bytes.subarray(p, p + length);
      this.#whole(view, at, data, tail === 0 ? NOTHING : bytes.subarray(p + length, p + length + tail));
      return p + length + tail;
    }
    if (view !== this.#headView)
      this.#head.set(new Uint8Array(view.buffer, view.byteOffset + at, HEADER + extraLength));
    this.#headLength = HEADER + extraLength;
    this.#data = this.#taker.room(this.#headView, 0, length);
    this.#got = 0;
    this.#tailLength = tail;
    this.#tailGot = 0;
    return p;
  }

  #fill(data: Uint8Array, bytes: Uint8Array, at: number): number {
    let p = at;
    const more = Math.min(data.length - this.#got, bytes.length - p);
    data.set(bytes.subarray(p, p + more), this.#got);
    this.#got += more;
    p += more;
    const rest = Math.min(this.#tailLength - this.#tailGot, bytes.length - p);
    this.#tail.set(bytes.subarray(p, p + rest), this.#tailGot);
    this.#tailGot += rest;
    p += rest;
    if (this.#got < data.length || this.#tailGot < this.#tailLength) return p;
    this.#data = undefined;
    this.#headLength = 0;
    this.#whole(this.#headView, 0, data, this.#tail.subarray(0, this.#tailLength));
    return p;
  }

  #whole(view: DataView, at: number, data: Uint8Array, tail: Uint8Array): void {
    if (this.dataDigest && data.length > 0) {
      const padding = tail.length - 4;
      const crc = ~crc32cRaw(crc32cRaw(0xffffffff, data), tail, 0, padding) >>> 0;
      const sent = new DataView(tail.buffer, tail.byteOffset).getUint32(padding, true);
      if (crc !== sent) {
        this.#taker.damaged("data", view, at);
        return;
      }
    }
    const extraLength = view.getUint8(at + 4) * 4;
    const extra =
      extraLength === 0 ? NOTHING : new Uint8Array(view.buffer, view.byteOffset + at + HEADER, extraLength);
    this.#taker.pdu(view, at, data, extra);
  }
}

/** As it stands on the wire: the CRC's low byte first (RFC 7143 13.1). */
const digest = (bytes: Uint8Array): number => ~crc32cRaw(0xffffffff, bytes) >>> 0;
