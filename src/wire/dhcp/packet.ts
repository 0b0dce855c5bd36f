// DHCPv4 messages (RFC 2131 2, RFC 2132), with long options (RFC 3396) and option overload (RFC 2132 9.3).
import { formatIpv4, formatMac, macBytes, parseIpv4 } from "../../base/addresses.ts";
import { concat, Reader, Writer } from "../../base/bytes.ts";
import { BrambleError } from "../../base/errors.ts";
import { latin1, toLatin1 } from "../../base/text.ts";

/** Values of option 53 (RFC 2132 9.6). */
export const MESSAGE = {
  DISCOVER: 1,
  OFFER: 2,
  REQUEST: 3,
  DECLINE: 4,
  ACK: 5,
  NAK: 6,
  RELEASE: 7,
  INFORM: 8,
} as const;

/** One message. Addresses are dotted quads, "0.0.0.0" for none; `chaddr` is a MAC as text; `options` keeps the order of appearance. */
export interface DhcpPacket {
  /** 1 from a client, 2 from a server. */
  op: 1 | 2;
  htype: number;
  hops: number;
  xid: number;
  secs: number;
  /** The client cannot take unicast before it has an address (flags, bit 15). */
  broadcast: boolean;
  ciaddr: string;
  yiaddr: string;
  siaddr: string;
  giaddr: string;
  chaddr: string;
  sname: string;
  file: string;
  /** Code → value; an option that came in parts is one value. Never holds 0 (pad), 52 (overload, resolved here) or 255 (end). */
  options: Map<number, Uint8Array>;
}

const MAGIC = 0x63825363;
const PAD = 0;
const OVERLOAD = 52;
const END = 255;
/** Relays and old clients may drop anything shorter (RFC 1542 2.1). */
const SHORTEST = 300;

/**
 * Any bytes give a packet or a BrambleError (WIRE_SHORT, WIRE_VALUE). Lenient: a missing end option and garbage after
 * it are fine. Values are copies: the caller may reuse its buffer.
 */
export function decode(bytes: Uint8Array): DhcpPacket {
  const r = new Reader("DHCP", bytes);
  const op = r.u8("op");
  if (op !== 1 && op !== 2) throw r.bad("op", `${op} is neither request nor reply`);
  const htype = r.u8("htype");
  const hlen = r.u8("hlen");
  if (hlen !== 6) throw r.bad("hlen", `${hlen}: only 6-byte hardware addresses are spoken here`);
  const hops = r.u8("hops");
  const xid = r.u32("xid");
  const secs = r.u16("secs");
  const broadcast = (r.u16("flags") & 0x8000) !== 0;
  const ciaddr = formatIpv4(r.u32("ciaddr"));
  const yiaddr = formatIpv4(r.u32("yiaddr"));
  const siaddr = formatIpv4(r.u32("siaddr"));
  const giaddr = formatIpv4(r.u32("giaddr"));
  const chaddr = formatMac(r.view(16, "chaddr"));
  const sname = r.view(64, "sname");
  const file = r.view(128, "file");
  if (r.u32("magic cookie") !== MAGIC) throw r.bad("magic cookie", "this is BOOTP, not DHCP");

  const options = new Map<number, Uint8Array>();
  readOptions(r, options);
  const overload = options.get(OVERLOAD)?.[0] ?? 0;
  options.delete(OVERLOAD);
  // First `file`, then `sname` (RFC 2131 4.1); an option 52 in there means nothing.
  if (overload & 1) readOptions(new Reader("DHCP file field", file), options);
  if (overload & 2) readOptions(new Reader("DHCP sname field", sname), options);
  options.delete(OVERLOAD);
  return {
    op,
    htype,
    hops,
    xid,
    secs,
    broadcast,
    ciaddr,
    yiaddr,
    siaddr,
    giaddr,
    chaddr,
    sname: overload & 2 ? "" : upToNul(sname),
    file: overload & 1 ? "" : upToNul(file),
    options,
  };
}

/** At least 300 bytes. BrambleError WIRE_VALUE for what has no place on the wire (a name too long, a bad option code). */
export function encode(packet: DhcpPacket): Uint8Array<ArrayBuffer> {
  let size = 241;
  for (const value of packet.options.values())
    size += value.length + 2 * Math.max(1, Math.ceil(value.length / 255));
  const w = new Writer(Math.max(size, SHORTEST));
  w.u8(packet.op).u8(packet.htype).u8(6).u8(packet.hops).u32(packet.xid);
  w.u16(packet.secs).u16(packet.broadcast ? 0x8000 : 0);
  for (const address of [packet.ciaddr, packet.yiaddr, packet.siaddr, packet.giaddr])
    w.u32(parseIpv4(address));
  w.bytes(macBytes(packet.chaddr)).zeros(10);
  fixed(w, "sname", packet.sname, 64);
  fixed(w, "file", packet.file, 128);
  w.u32(MAGIC);
  for (const [code, value] of packet.options) {
    if (code <= PAD || code >= END || code === OVERLOAD)
      throw new BrambleError("WIRE_VALUE", `DHCP: option ${code} cannot be sent`);
    // At most 255 bytes each, the same code again for the rest (RFC 3396 5).
    for (let at = 0; at === 0 || at < value.length; at += 255) {
      const part = value.subarray(at, at + 255);
      w.u8(code).u8(part.length).bytes(part);
    }
  }
  w.u8(END);
  if (w.length < SHORTEST) w.zeros(SHORTEST - w.length);
  return w.done();
}

function readOptions(r: Reader, into: Map<number, Uint8Array>): void {
  while (r.left > 0) {
    const code = r.u8("option code");
    if (code === PAD) continue;
    if (code === END) return;
    const value = r.view(r.u8(`length of option ${code}`), `option ${code}`);
    const before = into.get(code);
    into.set(code, before ? concat([before, value]) : value.slice());
  }
}

function upToNul(field: Uint8Array): string {
  const nul = field.indexOf(0);
  return nul === 0 ? "" : latin1(nul < 0 ? field : field.subarray(0, nul));
}

function fixed(w: Writer, name: string, text: string, length: number): void {
  const bytes = toLatin1(text);
  if (bytes.length > length || bytes.includes(0))
    throw new BrambleError("WIRE_VALUE", `DHCP: ${name} must be at most ${length} bytes without NUL`);
  w.bytes(bytes).zeros(length - bytes.length);
}
