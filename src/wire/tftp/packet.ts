// TFTP packets: RFC 1350 (packets), 2347 (options), 2348 (blksize), 2349 (timeout, tsize), 7440 (windowsize).
import { Reader, Writer } from "../../base/bytes.ts";
import { latin1, toLatin1 } from "../../base/text.ts";

/** Option names are lower case, in the order in which the packet had them. Text is one character per byte. */
export type Options = ReadonlyMap<string, string>;

export type Packet =
  | { type: "read"; path: string; mode: string; options: Options }
  | { type: "write"; path: string; mode: string; options: Options }
  | { type: "data"; block: number; bytes: Uint8Array }
  | { type: "ack"; block: number }
  | { type: "error"; code: number; text: string }
  | { type: "oack"; options: Options };

/** RFC 1350 appendix I, RFC 2347. */
export const ERROR = {
  UNDEFINED: 0,
  NOT_FOUND: 1,
  ACCESS: 2,
  DISK_FULL: 3,
  ILLEGAL: 4,
  UNKNOWN_TID: 5,
  OPTION: 8,
} as const;

const OP = { READ: 1, WRITE: 2, DATA: 3, ACK: 4, ERROR: 5, OACK: 6 } as const;

/** Opcode and block number before a DATA packet's bytes. */
export const DATA_HEADER = 4;

/** `data.bytes` is a window on `bytes`. Throws WIRE_SHORT or WIRE_VALUE. */
export function decode(bytes: Uint8Array): Packet {
  const r = new Reader("TFTP", bytes);
  const op = r.u16("opcode");
  switch (op) {
    case OP.READ:
    case OP.WRITE:
      return {
        type: op === OP.READ ? "read" : "write",
        path: r.text("path"),
        mode: r.text("mode").toLowerCase(), // "in any combination of upper and lower case" (RFC 1350 5)
        options: readOptions(r),
      };
    case OP.DATA:
      return { type: "data", block: r.u16("block"), bytes: r.view(r.left, "data") };
    case OP.ACK:
      return { type: "ack", block: r.u16("block") };
    case OP.ERROR:
      return { type: "error", code: r.u16("code"), text: textOrRest(r, "text") };
    case OP.OACK:
      return { type: "oack", options: readOptions(r) };
    default:
      throw r.bad("opcode", `${op} is none of TFTP's`);
  }
}

export function encode(packet: Packet): Uint8Array<ArrayBuffer> {
  switch (packet.type) {
    case "read":
    case "write":
      return texts(packet.type === "read" ? OP.READ : OP.WRITE, packet.path, packet.mode, ...pairs(packet));
    case "data": {
      const out = new Uint8Array(DATA_HEADER + packet.bytes.length);
      putDataHeader(out, packet.block);
      out.set(packet.bytes, DATA_HEADER);
      return out;
    }
    case "ack":
      return new Writer(4).u16(OP.ACK).u16(packet.block).done();
    case "error": {
      const text = toLatin1(`${packet.text}\0`);
      return new Writer(4 + text.length).u16(OP.ERROR).u16(packet.code).bytes(text).done();
    }
    case "oack":
      return texts(OP.OACK, ...pairs(packet));
  }
}

/** The hot path of a sender: the block of an ACK, or -1 if the packet is anything else. */
export const ackedBlock = (bytes: Uint8Array): number =>
  bytes.length >= 4 && bytes[0] === 0 && bytes[1] === OP.ACK ? ((bytes[2] ?? 0) << 8) | (bytes[3] ?? 0) : -1;

/** Puts a DATA header before file bytes that lie in place already. `block` may be beyond 16 bits: it wraps. */
export function putDataHeader(into: Uint8Array, block: number): void {
  into[0] = 0;
  into[1] = OP.DATA;
  into[2] = (block >>> 8) & 255;
  into[3] = block & 255;
}

/** Names are compared without case, and an option is given once (RFC 2347): the first counts. A cut-off tail is left out. */
function readOptions(r: Reader): Map<string, string> {
  const found = new Map<string, string>();
  const parts = latin1(r.view(r.left, "options")).split("\0");
  for (let i = 0; i + 2 < parts.length; i += 2) {
    const name = parts[i]?.toLowerCase() ?? "";
    if (name !== "" && !found.has(name)) found.set(name, parts[i + 1] ?? "");
  }
  return found;
}

/** Some senders of ERROR forget the NUL. */
function textOrRest(r: Reader, field: string): string {
  const rest = r.view(r.left, field);
  const nul = rest.indexOf(0);
  return latin1(nul < 0 ? rest : rest.subarray(0, nul));
}

const pairs = (packet: { options: Options }): string[] => [...packet.options].flat();

function texts(op: number, ...values: string[]): Uint8Array<ArrayBuffer> {
  const bytes = toLatin1(values.map((value) => `${value}\0`).join(""));
  return new Writer(2 + bytes.length).u16(op).bytes(bytes).done();
}
