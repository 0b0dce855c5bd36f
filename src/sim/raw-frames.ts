// The frames of a virtual Pi on a real wire: Ethernet, ARP (RFC 826), IPv4 + UDP as boot firmware sends them (TTL 128, id 0, no UDP checksum).
import { formatIpv4, formatMac, macBytes, parseIpv4 } from "../base/addresses.ts";
import { Writer } from "../base/bytes.ts";
import type { Endpoint, Frame } from "./machine.ts";

const EVERYONE = "ff:ff:ff:ff:ff:ff";
const IP = 0x0800;
const ARP = 0x0806;
const UDP = 17;

export function udpFrame(
  mac: string,
  toMac: string,
  from: Endpoint,
  to: Endpoint,
  payload: Uint8Array,
): Uint8Array {
  const header = new Writer(20)
    .u16(0x4500)
    .u16(28 + payload.length)
    .u32(0) // id 0, may be fragmented
    .u8(128)
    .u8(UDP)
    .u16(0)
    .u32(parseIpv4(from.address))
    .u32(parseIpv4(to.address))
    .done();
  let sum = 0;
  for (let i = 0; i < 20; i += 2) sum += ((header[i] ?? 0) << 8) | (header[i + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  header[10] = (~sum >>> 8) & 255;
  header[11] = ~sum & 255;
  return new Writer(42 + payload.length)
    .bytes(macBytes(toMac))
    .bytes(macBytes(mac))
    .u16(IP)
    .bytes(header)
    .u16(from.port)
    .u16(to.port)
    .u16(8 + payload.length)
    .u16(0)
    .bytes(payload)
    .done();
}

export function arpFrame(
  what: "request" | "reply",
  from: { mac: string; address: string },
  target: { mac?: string | undefined; address: string },
): Uint8Array {
  const toMac = what === "reply" ? (target.mac ?? EVERYONE) : EVERYONE;
  return new Writer(42)
    .bytes(macBytes(toMac))
    .bytes(macBytes(from.mac))
    .u16(ARP)
    .u16(1)
    .u16(IP)
    .u8(6)
    .u8(4)
    .u16(what === "request" ? 1 : 2)
    .bytes(macBytes(from.mac))
    .u32(parseIpv4(from.address))
    .bytes(macBytes(what === "reply" ? toMac : "00:00:00:00:00:00"))
    .u32(parseIpv4(target.address))
    .done();
}

/** What a frame from the wire is to this board; undefined for what it does not hear (other MACs, other protocols, fragments). */
export function readFrame(bytes: Uint8Array, mac: string): { frame: Frame; sourceMac: string } | undefined {
  if (bytes.length < 42) return undefined;
  const to = formatMac(bytes);
  const broadcast = to === EVERYONE;
  const sourceMac = formatMac(bytes.subarray(6));
  if ((!broadcast && to !== mac) || sourceMac === mac) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const type = view.getUint16(12);
  if (type === ARP) {
    const what = view.getUint16(20) === 1 ? "request" : "reply";
    const [sender, target] = [formatIpv4(view.getUint32(28)), formatIpv4(view.getUint32(38))];
    return { frame: { kind: "arp", what, sender, mac: sourceMac, target, broadcast }, sourceMac };
  }
  const header = ((bytes[14] ?? 0) & 15) * 4;
  if (type !== IP || bytes[23] !== UDP || header < 20 || (view.getUint16(20) & 0x3fff) !== 0)
    return undefined;
  const udp = 14 + header;
  if (bytes.length < udp + 8) return undefined;
  const end = Math.min(bytes.length, udp + view.getUint16(udp + 4));
  const frame: Frame = {
    kind: "udp",
    from: { address: formatIpv4(view.getUint32(26)), port: view.getUint16(udp) },
    to: { address: formatIpv4(view.getUint32(30)), port: view.getUint16(udp + 2) },
    // a copy also of a Buffer, whose slice() is none: the frame waits in line while the next one is read
    bytes: new Uint8Array(bytes.subarray(udp + 8, Math.max(udp + 8, end))),
    broadcast,
  };
  return { frame, sourceMac };
}
