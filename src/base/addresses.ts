import { BrambleError } from "./errors.ts";

/** IPv4 as text is "10.0.0.1", as number 0…2^32-1; MAC as text is "b8:27:eb:00:00:01". Everywhere, lower case. */
export function parseIpv4(text: string): number {
  const parts = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text)?.slice(1).map(Number);
  if (!parts || parts.some((n) => n > 255)) throw new BrambleError("BAD_INPUT", `${text} is no IPv4 address`);
  return parts.reduce((sum, n) => sum * 256 + n, 0);
}

export const formatIpv4 = (n: number): string => [24, 16, 8, 0].map((shift) => (n >>> shift) & 255).join(".");

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

export const formatMac = (bytes: Uint8Array): string =>
  [...bytes.subarray(0, 6)].map((b) => b.toString(16).padStart(2, "0")).join(":");

export const macBytes = (mac: string): Uint8Array<ArrayBuffer> =>
  Uint8Array.from(mac.split(":"), (part) => Number.parseInt(part, 16));
