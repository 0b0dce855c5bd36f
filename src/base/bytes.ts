import { BrambleError } from "./errors.ts";
import { latin1 } from "./text.ts";

/**
 * Reads big-endian fields in order. A read past the end throws and names the field:
 * it never hands back fewer bytes than were asked for.
 */
export class Reader {
  readonly #what: string;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(what: string, bytes: Uint8Array) {
    this.#what = what;
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }
  u8(field: string): number {
    return this.#view.getUint8(this.#take(1, field));
  }
  u16(field: string): number {
    return this.#view.getUint16(this.#take(2, field));
  }
  u32(field: string): number {
    return this.#view.getUint32(this.#take(4, field));
  }
  u64(field: string): bigint {
    return this.#view.getBigUint64(this.#take(8, field));
  }

  /** A window on the packet, not a copy: valid until the packet's buffer is reused. */
  view(length: number, field: string): Uint8Array {
    const at = this.#take(length, field);
    return this.#bytes.subarray(at, at + length);
  }

  /** Text (one character per byte) up to a NUL byte, which is consumed. */
  text(field: string): string {
    const nul = this.#bytes.indexOf(0, this.#at);
    if (nul < 0) throw this.bad(field, "no NUL before the end");
    const text = latin1(this.#bytes.subarray(this.#at, nul));
    this.#at = nul + 1;
    return text;
  }

  bad(field: string, why: string): BrambleError {
    return new BrambleError("WIRE_VALUE", `${this.#what}: ${field} at byte ${this.#at}: ${why}`);
  }

  #take(length: number, field: string): number {
    if (length > this.left) {
      throw new BrambleError(
        "WIRE_SHORT",
        `${this.#what}: ${field} at byte ${this.#at} needs ${length} bytes, ${this.left} left`,
      );
    }
    const at = this.#at;
    this.#at += length;
    return at;
  }
}

/** Writes big-endian fields in order into a buffer that grows. */
export class Writer {
  #bytes: Uint8Array<ArrayBuffer>;
  #view: DataView;
  #at = 0;

  constructor(capacity = 256) {
    this.#bytes = new Uint8Array(capacity);
    this.#view = new DataView(this.#bytes.buffer);
  }

  get length(): number {
    return this.#at;
  }
  // Room first: it may put another buffer in the place of the one that is written to.
  u8(value: number): this {
    const at = this.#room(1);
    this.#view.setUint8(at, value);
    return this;
  }
  u16(value: number): this {
    const at = this.#room(2);
    this.#view.setUint16(at, value);
    return this;
  }
  u32(value: number): this {
    const at = this.#room(4);
    this.#view.setUint32(at, value);
    return this;
  }
  u64(value: bigint): this {
    const at = this.#room(8);
    this.#view.setBigUint64(at, value);
    return this;
  }
  bytes(value: Uint8Array): this {
    const at = this.#room(value.length);
    this.#bytes.set(value, at);
    return this;
  }
  zeros(length: number): this {
    this.#room(length);
    return this;
  }
  /** What was written, the caller's own. The writer may go on: a buffer that is full it never writes to again. */
  done(): Uint8Array<ArrayBuffer> {
    return this.#at === this.#bytes.length ? this.#bytes : this.#bytes.slice(0, this.#at);
  }

  #room(length: number): number {
    const at = this.#at;
    this.#at += length;
    if (this.#at > this.#bytes.length) {
      const more = new Uint8Array(Math.max(this.#at, this.#bytes.length * 2));
      more.set(this.#bytes);
      this.#bytes = more;
      this.#view = new DataView(more.buffer);
    }
    return at;
  }
}

export const concat = (parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> => {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
};
