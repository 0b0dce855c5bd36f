// What goes below UDP when a client has no address yet: an IPv4+UDP packet (RFC 791, 768) and ARP (RFC 826, 5227).
import { formatIpv4, formatMac, macBytes, parseIpv4 } from "../../base/addresses.ts";
import { Reader, Writer } from "../../base/bytes.ts";

export interface Endpoint {
  address: string;
  port: number;
}

const UDP = 17;

/** The packet below an Ethernet header of type 0x0800. Never fragmented; TTL 64. */
export function udpPacket(from: Endpoint, to: Endpoint, payload: Uint8Array): Uint8Array<ArrayBuffer> {
  const length = 8 + payload.length;
  const pseudo = new Writer(12).u32(parseIpv4(from.address)).u32(parseIpv4(to.address)).u16(UDP).u16(length);
  const udp = new Writer(length).u16(from.port).u16(to.port).u16(length).u16(0).bytes(payload).done();
  // 0 would mean "no checksum".
  set16(udp, 6, checksum(sum(udp, sum(pseudo.done()))) || 0xffff);
  const ip = new Writer(20 + length)
    .u16(0x4500)
    .u16(20 + length)
    .u16(0)
    .u16(0x4000)
    .u8(64)
    .u8(UDP)
    .u16(0);
  const packet = ip.u32(parseIpv4(from.address)).u32(parseIpv4(to.address)).bytes(udp).done();
  set16(packet, 10, checksum(sum(packet.subarray(0, 20))));
  return packet;
}

/** "Who has `target`?", said to all. With our own address as target it is an announcement (RFC 5227 2.3). */
export const arpRequest = (from: { mac: string; address: string }, target: string): Uint8Array<ArrayBuffer> =>
  new Writer(28)
    .u16(1) // Ethernet
    .u16(0x0800)
    .u8(6)
    .u8(4)
    .u16(1) // request
    .bytes(macBytes(from.mac))
    .u32(parseIpv4(from.address))
    .zeros(6)
    .u32(parseIpv4(target))
    .done();

/** Sender of an ARP packet; undefined if it is none for IPv4 over Ethernet. */
export function arpSender(bytes: Uint8Array): { mac: string; address: string } | undefined {
  if (bytes.length < 28) return undefined;
  const r = new Reader("ARP", bytes);
  if (r.u32("types") !== 0x00010800 || r.u16("lengths") !== 0x0604) return undefined;
  r.u16("operation");
  return { mac: formatMac(r.view(6, "sender")), address: formatIpv4(r.u32("sender")) };
}

function sum(bytes: Uint8Array, start = 0): number {
  let total = start;
  for (let i = 0; i < bytes.length; i += 2) total += (bytes[i] ?? 0) * 256 + (bytes[i + 1] ?? 0);
  return total;
}

function checksum(total: number): number {
  let folded = total;
  while (folded > 0xffff) folded = (folded & 0xffff) + (folded >>> 16);
  return ~folded & 0xffff;
}

function set16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 8;
  bytes[at + 1] = value & 255;
}
