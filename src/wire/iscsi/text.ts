// Text keys of login and text requests (RFC 7143 6.1, 6.2).
import { fromHex, hex, latin1 } from "../../base/text.ts";

const KEY = /^[A-Za-z0-9.\-+@_#]{1,63}$/;
const MOST_KEYS = 128;
/** Values longer than 255 are for binary ones only (6.1); challenges of CHAP are 1024 bytes at most (12.1.3). */
const MOST_VALUE = 2100;

/** The pairs of a text, in order; undefined if it is none: a pair without `=` or NUL, a bad or repeated key. */
export function parseText(bytes: Uint8Array): Map<string, string> | undefined {
  const pairs = new Map<string, string>();
  if (bytes.length === 0) return pairs;
  const parts = latin1(bytes).split("\0");
  if (parts.pop() !== "") return undefined;
  for (const part of parts) {
    if (part === "") continue; // more NULs than needed: some initiators pad with them
    const at = part.indexOf("=");
    const key = part.slice(0, at);
    const value = part.slice(at + 1);
    if (at < 0 || !KEY.test(key) || pairs.has(key) || pairs.size >= MOST_KEYS || value.length > MOST_VALUE)
      return undefined;
    pairs.set(key, value);
  }
  return pairs;
}

/** A numerical value (6.1): decimal or hex, below 2^32; undefined if it is none. */
export function numberOf(value: string): number | undefined {
  if (!/^(?:0|[1-9]\d{0,9}|0[xX][0-9a-fA-F]{1,8})$/.test(value)) return undefined;
  const number = Number(value);
  return number <= 0xffffffff ? number : undefined;
}

const BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/** A binary value: 0x and hex digits, or 0b and base64 (6.1); undefined if it is none. */
export function bytesOf(value: string): Uint8Array | undefined {
  const digits = value.slice(2);
  if (/^0[xX][0-9a-fA-F]+$/.test(value)) return fromHex(digits.length % 2 ? `0${digits}` : digits);
  if (!/^0[bB][A-Za-z0-9+/]+={0,2}$/.test(value) || digits.length % 4 !== 0) return undefined;
  const bare = digits.replace(/=+$/, "");
  const bytes = new Uint8Array(Math.floor((bare.length * 3) / 4));
  let held = 0;
  let bits = 0;
  let at = 0;
  for (const c of bare) {
    held = ((held << 6) | BASE64.indexOf(c)) & 0xffff;
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    bytes[at++] = (held >> bits) & 0xff;
  }
  return bytes;
}

export const binary = (bytes: Uint8Array): string => `0x${hex(bytes)}`;

const NAME =
  /^(?:iqn\.\d{4}-\d{2}\.[a-z0-9.:_-]+|eui\.[0-9a-fA-F]{16}|naa\.(?:[0-9a-fA-F]{16}|[0-9a-fA-F]{32}))$/;

/** An iSCSI name (4.2.7): iqn, eui or naa, at most 223 bytes. Case is folded, as names compare without it (RFC 3722). */
export function nameOf(value: string): string | undefined {
  const name = value.toLowerCase();
  return name.length <= 223 && NAME.test(name) ? name : undefined;
}
