// What a DHCP decision is made of and results in, and the way of an answer to its client (RFC 2131 4.1).
import type { DhcpPacket } from "../wire/dhcp/packet.ts";
import { type Network, type ReplyContent, reply } from "./dhcp-reply.ts";
import type { Sender } from "./identify.ts";
import type { Lease, LeaseView, Pool } from "./pool.ts";
import { OFFER_DELAY_MS, PIN_MS, type QuirkSwitches, quirkOn } from "./quirks.ts";

export type DhcpMode = "proxy" | "full" | "off";

/** What the fleet says about the sender: asked for each message, from memory. */
export interface FleetAnswer {
  /** False: no boot for this node now (unknown, waiting in line, deployed to its disk). Ordinary clients get their address all the same. */
  answer: boolean;
  /** It waits its turn: its DISCOVER is kept, and may be answered while it still listens. */
  later?: true;
  nodeId?: string;
  reservedAddress?: string;
  hostname?: string;
  /** For stages that take one: a path on TFTP, or a URL. */
  bootFile?: string;
  /** In words, for the node's page. */
  reason: string;
}

export interface DhcpContext {
  mode: DhcpMode;
  /** Address of the receiving interface. */
  server: string;
  /** Where the client is; undefined: behind a relay in a network that nobody told us about. */
  network: Network | undefined;
  /** Undefined in proxy mode. */
  pool: Pool | undefined;
  leases: LeaseView;
  node: FleetAnswer;
  nowMs: number;
  quirks?: QuirkSwitches | undefined;
  /** Heard on port 4011. */
  bootServer?: boolean;
}

export interface DhcpReply {
  packet: DhcpPacket;
  to: {
    /** raw: a unicast frame to a client without an address; sender: where the message came from (port 4011). */
    how: "broadcast" | "unicast" | "raw" | "relay" | "sender";
    address: string;
    mac?: string;
  };
  delayMs: number;
  /** Ask for this address by ARP right before. */
  arpBefore?: string;
  pinNeighbour?: { address: string; mac: string; forMs: number };
}

export interface DhcpDecision {
  action: "offer" | "ack" | "nak" | "silent";
  kind: "decision" | "decline" | "release" | "inform" | "foreign-server";
  reason: string;
  /** The address that this is about. */
  address?: string;
  reply?: DhcpReply;
  /** To be on disk before the reply leaves. */
  lease?: Lease;
  /** On offer to this client from now on. */
  hold?: string;
  /** The client's offer has lapsed. */
  unhold?: boolean;
  /** A stranger has it: not to be handed out for a while. */
  quarantine?: string;
  /** Look for a stranger on this address; `wait`: before the reply leaves. */
  probe?: { address: string; wait: boolean };
  /** The address that the client has or will have, from whomever. */
  learned?: string;
}

export const silent = (reason: string, more: Partial<DhcpDecision> = {}): DhcpDecision => ({
  action: "silent",
  kind: "decision",
  reason,
  ...more,
});

/** In full mode, where the client's network is known. */
export type FullContext = DhcpContext & { network: Network; pool: Pool };

export const content = (
  type: number,
  context: DhcpContext & { network: Network },
  address?: string,
): ReplyContent => ({
  type,
  server: context.server,
  network: context.network,
  address,
  hostname: context.node.hostname,
  bootFile: context.node.bootFile,
});

/** An OFFER or ACK that gives an address, on its way (RFC 2131 4.1). */
export function addressed(
  packet: DhcpPacket,
  sender: Sender,
  context: FullContext,
  what: ReplyContent,
): DhcpReply {
  const address = what.address ?? "0.0.0.0";
  const { mac, stage } = sender;
  const answer = reply(packet, sender, what);
  if (packet.giaddr !== "0.0.0.0")
    return { packet: answer, to: { how: "relay", address: packet.giaddr }, ...before(sender, context) };
  if (packet.ciaddr !== "0.0.0.0")
    return { packet: answer, to: { how: "unicast", address: packet.ciaddr, mac }, delayMs: 0 };
  const broadcast = packet.broadcast || quirkOn("frame-before-offer", stage, context.quirks);
  return {
    packet: answer,
    to: broadcast ? { how: "broadcast", address: "255.255.255.255" } : { how: "raw", address, mac },
    ...before(sender, context, address),
    ...(quirkOn("pinned-neighbour", stage, context.quirks) && {
      pinNeighbour: { address, mac, forMs: PIN_MS },
    }),
  };
}

/** What the stage's firmware wants before the answer: patience, and a frame to wake it. */
export function before({ stage }: Sender, { quirks }: DhcpContext, arp?: string) {
  return {
    delayMs: quirkOn("delayed-offer", stage, quirks) ? OFFER_DELAY_MS : 0,
    ...(arp !== undefined && quirkOn("frame-before-offer", stage, quirks) && { arpBefore: arp }),
  };
}
