// DHCP options by name and type (RFC 2132 unless said otherwise).
import { formatIpv4, parseIpv4 } from "../../base/addresses.ts";
import { latin1 } from "../../base/text.ts";
import type { DhcpPacket } from "./packet.ts";

export const OPTION = {
  SUBNET_MASK: 1,
  ROUTER: 3,
  DNS: 6,
  HOST_NAME: 12,
  DOMAIN: 15,
  BROADCAST: 28,
  VENDOR: 43,
  REQUESTED_ADDRESS: 50,
  LEASE_SECONDS: 51,
  MESSAGE_TYPE: 53,
  SERVER_ID: 54,
  ASKED_FOR: 55,
  MESSAGE: 56,
  RENEW_SECONDS: 58,
  REBIND_SECONDS: 59,
  VENDOR_CLASS: 60,
  CLIENT_ID: 61,
  TFTP_SERVER: 66,
  BOOT_FILE: 67,
  /** RFC 3004. */
  USER_CLASS: 77,
  /** RFC 3046: what a relay adds and wants back. */
  RELAY_AGENT: 82,
  /** RFC 4578: 93 client architecture, 97 client GUID. */
  ARCHITECTURE: 93,
  GUID: 97,
  /** Etherboot encapsulated options: only iPXE and gPXE send it. */
  IPXE: 175,
} as const;

/** Text of an option without trailing NULs (some clients send one), or undefined. */
export function optionText(packet: DhcpPacket, code: number): string | undefined {
  const value = packet.options.get(code);
  return value && latin1(value).replace(/\0+$/, "");
}

/** Unsigned number of 1, 2 or 4 bytes; undefined where absent or of another length. */
export function optionNumber(packet: DhcpPacket, code: number): number | undefined {
  const value = packet.options.get(code);
  if (!value || ![1, 2, 4].includes(value.length)) return undefined;
  return value.reduce((sum, byte) => sum * 256 + byte, 0);
}

/** Dotted quad; undefined where absent or not 4 bytes. */
export function optionAddress(packet: DhcpPacket, code: number): string | undefined {
  return packet.options.get(code)?.length === 4 ? formatIpv4(optionNumber(packet, code) ?? 0) : undefined;
}

/** Option 53, 0 where absent or malformed. */
export const messageType = (packet: DhcpPacket): number => {
  const value = packet.options.get(OPTION.MESSAGE_TYPE);
  return value?.length === 1 ? (value[0] ?? 0) : 0;
};

export const u32Bytes = (n: number): Uint8Array => Uint8Array.of(n >>> 24, n >>> 16, n >>> 8, n);

/** One or several addresses as an option's value. */
export function addressBytes(...addresses: string[]): Uint8Array {
  const bytes = new Uint8Array(4 * addresses.length);
  for (const [i, address] of addresses.entries()) bytes.set(u32Bytes(parseIpv4(address)), 4 * i);
  return bytes;
}
