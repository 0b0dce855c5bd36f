// Servers for a net in memory, for the virtual Pi's own tests: the smallest that a Pi boots from. TFTP is the project's sender.
import { raspberryBootMenu } from "../wire/dhcp/option43.ts";
import { addressBytes, messageType, OPTION, u32Bytes } from "../wire/dhcp/options.ts";
import { type DhcpPacket, decode as decodeDhcp, encode as encodeDhcp, MESSAGE } from "../wire/dhcp/packet.ts";
import { decode, ERROR, encode, type Packet } from "../wire/tftp/packet.ts";
import { treePath } from "../wire/tftp/path.ts";
import { type Order, Sending } from "../wire/tftp/sending.ts";
import { negotiate, type Terms } from "../wire/tftp/terms.ts";
import type { Datagram, Sent, VirtualServer } from "./virtual-net.ts";

export interface ToyDhcp {
  address?: string;
  /** full: address and boot menu; router: the address only; proxy: the menu only. */
  mode?: "full" | "router" | "proxy";
  menu?: string;
  tftp?: string;
  delayMs?: number;
  /** The counter-measures of a good server. */
  arpBefore?: boolean;
  broadcast?: boolean;
  pin?: boolean;
  hops?: number;
  /** Keeps silent for so many DISCOVERs. */
  deaf?: number;
  /** Takes options 43 and siaddr away, and gives option 66. */
  only66?: boolean;
  router?: string;
}

/** Also counts: `seen` holds every packet that it was sent. */
export function toyDhcp(options: ToyDhcp = {}): VirtualServer & { seen: DhcpPacket[] } {
  const { address = "10.0.0.1", mode = "full" } = options;
  const given = new Map<string, string>();
  const seen: DhcpPacket[] = [];
  let deaf = options.deaf ?? 0;
  return {
    address,
    seen,
    receive(packet) {
      if (packet.to.port !== 67) return [];
      const asked = decodeDhcp(packet.bytes);
      seen.push(asked);
      const type = messageType(asked);
      if (type === MESSAGE.DISCOVER && deaf-- > 0) return [];
      if (mode === "proxy" && type !== MESSAGE.DISCOVER) return [];
      if (type === MESSAGE.REQUEST && asked.options.get(OPTION.SERVER_ID)?.join(".") !== address) return [];
      if (!given.has(asked.chaddr)) given.set(asked.chaddr, address.replace(/\d+$/, `${100 + given.size}`));
      const yiaddr = mode === "proxy" ? "0.0.0.0" : (given.get(asked.chaddr) ?? "");
      const broadcast = options.broadcast || mode === "proxy";
      const bytes = encodeDhcp(reply(asked, type, yiaddr, { ...options, address, mode }));
      return [
        {
          from: { address, port: 67 },
          to: { address: broadcast ? "255.255.255.255" : yiaddr, port: 68 },
          bytes,
          afterMs: options.delayMs ?? 0,
          ...(!broadcast && { mac: asked.chaddr }),
          ...(options.arpBefore && { arpBefore: yiaddr }),
          ...(options.pin && { pin: { address: yiaddr, mac: asked.chaddr } }),
        },
      ];
    },
  };
}

function reply(
  asked: DhcpPacket,
  type: number,
  yiaddr: string,
  options: ToyDhcp & { address: string; mode: string },
): DhcpPacket {
  const { address, mode, tftp = address, menu = "Raspberry Pi Boot   ", only66 } = options;
  const offers = type === MESSAGE.DISCOVER;
  const fields: [number, Uint8Array][] = [
    [OPTION.MESSAGE_TYPE, Uint8Array.of(offers ? MESSAGE.OFFER : MESSAGE.ACK)],
    [OPTION.SERVER_ID, addressBytes(address)],
  ];
  if (mode !== "proxy")
    fields.push([OPTION.LEASE_SECONDS, u32Bytes(3600)], [OPTION.SUBNET_MASK, addressBytes("255.255.255.0")]);
  if (options.router) fields.push([OPTION.ROUTER, addressBytes(options.router)]);
  if (mode !== "router" && offers) {
    if (only66) fields.push([OPTION.TFTP_SERVER, Uint8Array.from(tftp, (c) => c.charCodeAt(0))]);
    else fields.push([OPTION.VENDOR, raspberryBootMenu(menu)]);
  }
  const siaddr = mode === "router" || only66 ? "0.0.0.0" : tftp;
  return {
    ...asked,
    op: 2,
    hops: options.hops ?? 0,
    yiaddr,
    siaddr,
    broadcast: mode === "proxy",
    options: new Map(fields),
  };
}

export interface ToyTftp {
  address?: string;
  files: ReadonlyMap<string, Uint8Array>;
  /** Says nothing to requests of these paths. */
  silent?: (path: string) => boolean;
  /** Repeats every OACK after so many ms. */
  repeatOackMs?: number;
  /** Most that it agrees to. */
  blockSize?: number;
}

interface Transfer {
  sending: Sending;
  terms: Terms;
  bytes: Uint8Array;
  path: string;
  peer: Datagram["from"];
  port: number;
}

export function toyTftp(options: ToyTftp): VirtualServer & { asked: string[]; aborted: string[] } {
  const { address = "10.0.0.1", files } = options;
  const live = new Map<string, Transfer>();
  const asked: string[] = [];
  const aborted: string[] = [];
  let port = 20000;

  const perform = (transfer: Transfer, order: Order): Sent[] => {
    const { sending, terms, bytes, peer, port: own } = transfer;
    const way = { from: { address, port: own }, to: peer };
    if (order === "oack") {
      const oack = { ...way, bytes: encode({ type: "oack", options: terms.agreed }) };
      return options.repeatOackMs ? [oack, { ...oack, afterMs: options.repeatOackMs }] : [oack];
    }
    if (order === "finish" || order === "give-up") live.delete(`${peer.address}:${peer.port}`);
    if (order !== "data") return [];
    const sent: Sent[] = [];
    for (let block = sending.first; block <= sending.last; block++) {
      const at = sending.offsetOf(block);
      const part = bytes.subarray(at, at + sending.lengthOf(block));
      sent.push({ ...way, bytes: encode({ type: "data", block: block & 0xffff, bytes: part }) });
    }
    return sent;
  };

  const request = (
    packet: Extract<Packet, { type: "read" }>,
    from: Datagram["from"],
    now: number,
  ): Sent[] => {
    const path = treePath(packet.path) ?? "";
    const key = `${from.address}:${from.port}`;
    if (live.get(key)?.path === path) return []; // the same request again
    asked.push(packet.path);
    if (options.silent?.(path)) return [];
    const bytes = files.get(path);
    const way = { from: { address, port: port++ }, to: from };
    if (!bytes) return [{ ...way, bytes: encode({ type: "error", code: ERROR.NOT_FOUND, text: "no" }) }];
    const terms = negotiate(packet.options, bytes.length, {
      blockSize: options.blockSize ?? 1468,
      windowSize: 16,
    });
    const transfer = { sending: new Sending(terms), terms, bytes, path, peer: from, port: way.from.port };
    live.set(key, transfer);
    return perform(transfer, transfer.sending.start(now));
  };

  return {
    address,
    asked,
    aborted,
    receive({ from, to, bytes }, now) {
      if (to.port < 69 || to.port === 67) return [];
      const packet = decode(bytes);
      if (packet.type === "read" && to.port === 69) return request(packet, from, now);
      const transfer = live.get(`${from.address}:${from.port}`);
      if (!transfer || transfer.port !== to.port) return [];
      if (packet.type === "error") {
        live.delete(`${from.address}:${from.port}`);
        aborted.push(`${transfer.path} ${packet.code} ${packet.text}`);
        return [];
      }
      return packet.type === "ack" ? perform(transfer, transfer.sending.ack(packet.block, now)) : [];
    },
    deadline: () => Math.min(...[...live.values()].map(({ sending }) => sending.deadline)),
    tick(now) {
      return [...live.values()]
        .filter(({ sending }) => sending.deadline <= now)
        .flatMap((transfer) => perform(transfer, transfer.sending.tick(now)));
    },
  };
}

/** A tree of small files; text is taken byte for byte. */
export const treeOf = (files: Record<string, string | Uint8Array>): Map<string, Uint8Array> =>
  new Map(
    Object.entries(files).map(([path, content]) => [
      path,
      typeof content === "string" ? Uint8Array.from(content, (c) => c.charCodeAt(0)) : content,
    ]),
  );
