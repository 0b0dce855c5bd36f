// XXH64 with seed 0 (https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md), for the checksums of zstd frames.
// 64-bit numbers are pairs of 32-bit halves: BigInt would cost more than the unpacking itself.

/** High and low half. */
type Pair = [number, number];

const P1: Pair = [0x9e3779b1, 0x85ebca87];
const P2: Pair = [0xc2b2ae3d, 0x27d4eb4f];
const P3: Pair = [0x165667b1, 0x9e3779f9];
const P4: Pair = [0x85ebca77, 0xc2b2ae63];
const P5: Pair = [0x27d4eb2f, 0x165667c5];

const add = ([ah, al]: Pair, [bh, bl]: Pair): Pair => {
  const low = (al >>> 0) + (bl >>> 0);
  return [(ah + bh + (low > 0xffffffff ? 1 : 0)) | 0, low | 0];
};

const multiply = ([ah, al]: Pair, [bh, bl]: Pair): Pair => {
  const a0 = al & 0xffff;
  const a1 = al >>> 16;
  const b0 = bl & 0xffff;
  const b1 = bl >>> 16;
  const middle = a1 * b0 + ((a0 * b0) >>> 16);
  const cross = a0 * b1 + (middle % 0x10000);
  const carry = a1 * b1 + Math.floor(middle / 0x10000) + Math.floor(cross / 0x10000);
  return [(carry + Math.imul(ah, bl) + Math.imul(al, bh)) | 0, Math.imul(al, bl)];
};

/** Rotates left by 1 to 31 bits. */
const rotate = ([h, l]: Pair, n: number): Pair => [(h << n) | (l >>> (32 - n)), (l << n) | (h >>> (32 - n))];
const xor = (a: Pair, b: Pair): Pair => [a[0] ^ b[0], a[1] ^ b[1]];
/** a ^ (a >>> n), n from 1 to 63. */
const fold = ([h, l]: Pair, n: number): Pair =>
  n < 32 ? [h ^ (h >>> n), l ^ ((l >>> n) | (h << (32 - n)))] : [h, l ^ (n === 32 ? h : h >>> (n - 32))];
const negate = ([h, l]: Pair): Pair => add([~h, ~l], [0, 1]);

const round = (acc: Pair, lane: Pair): Pair => multiply(rotate(add(acc, multiply(lane, P2)), 31), P1);

export class Xxh64 {
  #lanes: [Pair, Pair, Pair, Pair] = [add(P1, P2), P2, [0, 0], negate(P1)];
  #length = 0;
  #held: Uint8Array = new Uint8Array(0);

  update(bytes: Uint8Array): void {
    this.#length += bytes.length;
    const all = this.#held.length > 0 ? Buffer.concat([this.#held, bytes]) : bytes;
    const view = new DataView(all.buffer, all.byteOffset, all.length);
    const lane = (at: number): Pair => [view.getInt32(at + 4, true), view.getInt32(at, true)];
    let [a, b, c, d] = this.#lanes;
    let at = 0;
    for (; at + 32 <= all.length; at += 32) {
      a = round(a, lane(at));
      b = round(b, lane(at + 8));
      c = round(c, lane(at + 16));
      d = round(d, lane(at + 24));
    }
    this.#lanes = [a, b, c, d];
    this.#held = all.slice(at);
  }

  /** The lower 32 bits of the digest: what zstd keeps. */
  low(): number {
    const [a, b, c, d] = this.#lanes;
    let sum: Pair = add(this.#lanes[2], P5);
    if (this.#length >= 32) {
      sum = add(add(rotate(a, 1), rotate(b, 7)), add(rotate(c, 12), rotate(d, 18)));
      for (const acc of this.#lanes) sum = add(multiply(xor(sum, round([0, 0], acc)), P1), P4);
    }
    sum = add(sum, [Math.floor(this.#length / 2 ** 32) | 0, this.#length | 0]);
    const rest = this.#held;
    const view = new DataView(rest.buffer, rest.byteOffset, rest.length);
    let at = 0;
    for (; at + 8 <= rest.length; at += 8) {
      const lane: Pair = [view.getInt32(at + 4, true), view.getInt32(at, true)];
      sum = add(multiply(rotate(xor(sum, round([0, 0], lane)), 27), P1), P4);
    }
    if (at + 4 <= rest.length) {
      sum = add(multiply(rotate(xor(sum, multiply([0, view.getInt32(at, true)], P1)), 23), P2), P3);
      at += 4;
    }
    for (; at < rest.length; at++) {
      sum = multiply(rotate(xor(sum, multiply([0, rest[at] ?? 0], P5)), 11), P1);
    }
    sum = multiply(fold(sum, 33), P2);
    sum = multiply(fold(sum, 29), P3);
    return fold(sum, 32)[1] >>> 0;
  }
}
