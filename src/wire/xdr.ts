// XDR (RFC 4506): big-endian words, opaques padded to four bytes. For servers' hot paths: one reader and one writer are used over and over.
import { BrambleError } from "../base/errors.ts";

const WORD = 2 ** 32;

/** Bytes that an opaque or a string of that length takes, padding included, its length word not. */
export const padded = (length: number): number => (length + 3) & ~3;

/** Reads XDR in order out of a part of a buffer; throws WIRE_SHORT where it ends, WIRE_VALUE where a length or a choice cannot be. */
export class XdrReader {
  #bytes: Uint8Array = new Uint8Array(0);
  #at = 0;
  #end = 0;

  /** Starts anew over the bytes `from` up to `to`, which are only borrowed. */
  over(bytes: Uint8Array, from = 0, to = bytes.length): this {
    this.#bytes = bytes;
    this.#at = from;
    this.#end = to;
    return this;
  }
  get at(): number {
    return this.#at;
  }
  get left(): number {
    return this.#end - this.#at;
  }
  /** The buffer that is read from, by whose offsets `at` counts. */
  get bytes(): Uint8Array {
    return this.#bytes;
  }

  u32(): number {
    const at = this.#take(4);
    const bytes = this.#bytes;
    return (
      (((bytes[at] as number) << 24) |
        ((bytes[at + 1] as number) << 16) |
        ((bytes[at + 2] as number) << 8) |
        (bytes[at + 3] as number)) >>>
      0
    );
  }
  /** Exact up to 2^53; what is above stays above. */
  u64(): number {
    const high = this.u32();
    return high * WORD + this.u32();
  }
  /** RFC 4506 4.4: 0 or 1; what else there is, some clients' "true". */
  bool(): boolean {
    return this.u32() !== 0;
  }
  /** A window on opaque data of fixed length. */
  fixed(length: number): Uint8Array {
    if (length > this.left) throw this.#short(length); // before its padding goes beyond 32 bits
    const at = this.#take(padded(length));
    return this.#bytes.subarray(at, at + length);
  }
  /** A window on variable-length opaque data, at most `most` bytes. */
  opaque(most: number): Uint8Array {
    const length = this.u32();
    if (length > most) throw this.bad(`an opaque of ${length} bytes, at most ${most}`);
    return this.fixed(length);
  }
  /** A string, one character per byte; of a longer one than `most` only `most` + 1 characters: enough to see that it is too long. */
  text(most: number): string {
    const length = this.u32();
    if (length > this.left) throw this.#short(length);
    const at = this.#take(padded(length));
    const end = at + Math.min(length, most + 1);
    const bytes = this.#bytes;
    if (end - at > 512) return longText(bytes.subarray(at, end));
    let text = "";
    for (let i = at; i < end; i++) text += String.fromCharCode(bytes[i] as number);
    return text;
  }
  skip(length: number): void {
    this.#take(length);
  }

  bad(why: string): BrambleError {
    return new BrambleError("WIRE_VALUE", `XDR at byte ${this.#at}: ${why}`);
  }

  #short(length: number): BrambleError {
    return new BrambleError(
      "WIRE_SHORT",
      `XDR at byte ${this.#at}: ${length} bytes wanted, ${this.left} left`,
    );
  }
  #take(length: number): number {
    const at = this.#at;
    if (length > this.#end - at) throw this.#short(length);
    this.#at = at + length;
    return at;
  }
}

const longText = (bytes: Uint8Array): string => {
  let text = "";
  for (let i = 0; i < bytes.length; i += 4096)
    text += String.fromCharCode(...bytes.subarray(i, Math.min(i + 4096, bytes.length)));
  return text;
};

/** Writes XDR in order into a buffer of the caller's, which must have the room: past its end it throws RangeError. */
export class XdrWriter {
  #bytes: Uint8Array = new Uint8Array(0);
  #view: DataView = new DataView(new ArrayBuffer(0));
  #at = 0;

  /** Starts anew at byte `at`. `view`: on the same bytes from their start. */
  into(
    bytes: Uint8Array,
    at = 0,
    view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength),
  ): this {
    this.#bytes = bytes;
    this.#view = view;
    this.#at = at;
    return this;
  }
  get at(): number {
    return this.#at;
  }
  /** Goes to another byte: back, to write something else; forward, over bytes that were filled by other ways. */
  set at(at: number) {
    this.#at = at;
  }
  get bytes(): Uint8Array {
    return this.#bytes;
  }

  u32(value: number): this {
    this.#view.setUint32(this.#at, value);
    this.#at += 4;
    return this;
  }
  /** A whole number up to 2^53. */
  u64(value: number): this {
    const high = value < WORD ? 0 : Math.floor(value / WORD);
    this.#view.setUint32(this.#at, high);
    this.#view.setUint32(this.#at + 4, value - high * WORD);
    this.#at += 8;
    return this;
  }
  bool(value: boolean): this {
    return this.u32(value ? 1 : 0);
  }
  fixed(bytes: Uint8Array): this {
    this.#bytes.set(bytes, this.#at);
    this.#at += bytes.length;
    return this.pad(bytes.length);
  }
  opaque(bytes: Uint8Array): this {
    return this.u32(bytes.length).fixed(bytes);
  }
  /** One byte for each character. */
  text(text: string): this {
    this.u32(text.length);
    const bytes = this.#bytes;
    let at = this.#at;
    if (at + padded(text.length) > bytes.length) throw new RangeError("XDR: no room for a string");
    for (let i = 0; i < text.length; i++) bytes[at++] = text.charCodeAt(i);
    this.#at = at;
    return this.pad(text.length);
  }
  /** The zeros after `length` bytes of opaque data. */
  pad(length: number): this {
    for (let left = padded(length) - length; left > 0; left--) {
      this.#view.setUint8(this.#at, 0);
      this.#at += 1;
    }
    return this;
  }
}
