import { BrambleError } from "./errors.ts";
import { hexByte } from "./text.ts";

/** IPv4 as text is "10.0.0.1", as number 0…2^32-1; MAC as text is "b8:27:eb:00:00:01". Everywhere, lower case. */
// By the character: each DHCP message needs a dozen of these.
export function parseIpv4(text: string): number {
  let [sum, part, digits, dots] = [0, 0, 0, 0];
  for (let i = 0; i <= text.length; i++) {
    const char = i < text.length ? text.charCodeAt(i) : DOT;
    const digit = char - ZERO;
    if (digit >= 0 && digit <= 9) {
      part = part * 10 + digit;
      digits += 1;
    } else if (char === DOT && digits >= 1 && digits <= 3 && part <= 255) {
      sum = sum * 256 + part;
      part = digits = 0;
      dots += 1;
    } else dots = 9;
  }
  if (dots !== 4) throw new BrambleError("BAD_INPUT", `${text} is no IPv4 address`);
  return sum;
}

const [ZERO, DOT] = [48, 46];

export const formatIpv4 = (n: number): string =>
  `${(n >>> 24) & 255}.${(n >>> 16) & 255}.${(n >>> 8) & 255}.${n & 255}`;

export interface Subnet {
  /** First address, as number. */
  network: number;
  prefix: number;
  mask: number;
  broadcast: number;
}

/** "10.0.0.0/24", host bits may be set. */
export function parseSubnet(text: string): Subnet {
  const [address = "", length = ""] = text.split("/");
  const prefix = Number(length);
  if (!/^\d{1,2}$/.test(length) || prefix > 32) {
    throw new BrambleError("BAD_INPUT", `${text} is no IPv4 subnet`, { hint: "write it as 10.0.0.0/24" });
  }
  const mask = prefix === 0 ? 0 : (0xffffffff << (32 - prefix)) >>> 0;
  const network = (parseIpv4(address) & mask) >>> 0;
  return { network, prefix, mask, broadcast: (network | ~mask) >>> 0 };
}

export const inSubnet = (address: number, subnet: Subnet): boolean =>
  (address & subnet.mask) >>> 0 === subnet.network;

export const parseMac = (text: string): string => {
  const mac = text.toLowerCase().replaceAll("-", ":");
  if (!/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/.test(mac))
    throw new BrambleError("BAD_INPUT", `${text} is no MAC address`);
  return mac;
};

export function formatMac(bytes: Uint8Array): string {
  let text = "";
  for (let i = 0; i < Math.min(6, bytes.length); i++)
    text += `${i === 0 ? "" : ":"}${hexByte(bytes[i] ?? 0)}`;
  return text;
}

export function macBytes(mac: string): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(6);
  for (let i = 0; i < 6; i++) bytes[i] = Number.parseInt(mac.slice(3 * i, 3 * i + 2), 16);
  return bytes;
}
