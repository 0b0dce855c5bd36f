// A REQUEST to the server that gives addresses: SELECTING, INIT-REBOOT, RENEWING and REBINDING (RFC 2131 4.3.2).
import { inSubnet, parseIpv4 } from "../base/addresses.ts";
import { OPTION, optionAddress } from "../wire/dhcp/options.ts";
import { type DhcpPacket, MESSAGE } from "../wire/dhcp/packet.ts";
import { addressed, content, type DhcpDecision, type FullContext, silent } from "./dhcp-context.ts";
import { BROADCAST_ADDRESS, reply } from "./dhcp-reply.ts";
import type { Sender } from "./identify.ts";

const NONE = "0.0.0.0";

export function decideRequest(packet: DhcpPacket, sender: Sender, context: FullContext): DhcpDecision {
  const server = optionAddress(packet, OPTION.SERVER_ID);
  const wanted = optionAddress(packet, OPTION.REQUESTED_ADDRESS);
  if (server !== undefined && server !== context.server)
    return silent(`it took the offer of another DHCP server, ${server}`, {
      kind: "foreign-server",
      unhold: true,
      ...(wanted !== undefined && { learned: wanted, address: wanted }),
    });
  if (server !== undefined) return selecting(packet, sender, context, wanted ?? packet.ciaddr);
  if (wanted !== undefined && packet.ciaddr === NONE) return rebooting(packet, sender, context, wanted);
  if (packet.ciaddr !== NONE) return renewing(packet, sender, context);
  return silent("a REQUEST that names neither a server nor an address");
}

/** It answers our OFFER. */
function selecting(packet: DhcpPacket, sender: Sender, context: FullContext, address: string): DhcpDecision {
  const { leases, pool, nowMs } = context;
  const offered =
    pool.heldBy(sender.mac, nowMs) === address ||
    leases.get(sender.mac)?.address === address ||
    context.node.reservedAddress === address;
  // An offer that lapsed, or was made before a restart, still stands while the address is free.
  const why = trouble(sender, context, address);
  if (why !== undefined) return nak(packet, sender, context, address, `${address} is ${why}`);
  return ack(packet, sender, context, address, offered ? "takes our offer" : "takes an older offer of ours");
}

/** It remembers an address from before. Where we know nothing of it, the RFC wants silence: it may be another server's. */
function rebooting(packet: DhcpPacket, sender: Sender, context: FullContext, address: string): DhcpDecision {
  const elsewhere = wrongNetwork(packet, sender, context, address);
  if (elsewhere) return elsewhere;
  const lease = context.leases.get(sender.mac);
  if (!lease && context.node.reservedAddress !== address) {
    const other = context.leases.byAddress(address);
    if (other && other.expiresMs > context.nowMs)
      return nak(packet, sender, context, address, `${address} is leased to ${other.mac}`);
    return silent("remembers an address that we know nothing of: perhaps another server's", { address });
  }
  const why = trouble(sender, context, address);
  if (why !== undefined) return nak(packet, sender, context, address, `${address} is ${why}`);
  if (lease && lease.address !== address && context.node.reservedAddress !== address)
    return nak(packet, sender, context, address, `its address is ${lease.address}, not ${address}`);
  return ack(packet, sender, context, address, "starts again with the address it had");
}

/** It has the address and wants to keep it. */
function renewing(packet: DhcpPacket, sender: Sender, context: FullContext): DhcpDecision {
  const address = packet.ciaddr;
  const elsewhere = wrongNetwork(packet, sender, context, address);
  if (elsewhere) return elsewhere;
  const why = trouble(sender, context, address);
  if (why !== undefined) return nak(packet, sender, context, address, `${address} is ${why}`);
  const known = context.leases.get(sender.mac)?.address === address;
  return ack(
    packet,
    sender,
    context,
    address,
    known ? "renews its lease" : "renews a lease that our book had lost; the address is free",
  );
}

const trouble = (sender: Sender, { pool, node, nowMs }: FullContext, address: string): string | undefined =>
  pool.trouble(address, { mac: sender.mac, reserved: node.reservedAddress, nowMs });

const wrongNetwork = (packet: DhcpPacket, sender: Sender, context: FullContext, address: string) =>
  inSubnet(parseIpv4(address), context.network.subnet)
    ? undefined
    : nak(packet, sender, context, address, `${address} does not belong to this network`);

function ack(
  packet: DhcpPacket,
  sender: Sender,
  context: FullContext,
  address: string,
  reason: string,
): DhcpDecision {
  const expiresMs = context.nowMs + context.network.leaseSeconds * 1000;
  const toClient = addressed(packet, sender, context, content(MESSAGE.ACK, context, address));
  return {
    action: "ack",
    kind: "decision",
    reason,
    address,
    lease: { mac: sender.mac, address, expiresMs },
    unhold: true,
    learned: address,
    // Delays and frames before it are for OFFERs.
    reply: {
      packet: toClient.packet,
      to: toClient.to,
      delayMs: 0,
    },
  };
}

function nak(
  packet: DhcpPacket,
  sender: Sender,
  context: FullContext,
  address: string,
  reason: string,
): DhcpDecision {
  return {
    action: "nak",
    kind: "decision",
    reason,
    address,
    unhold: true,
    reply: {
      packet: reply(packet, sender, { ...content(MESSAGE.NAK, context), message: reason }),
      to:
        packet.giaddr === NONE
          ? { how: "broadcast", address: BROADCAST_ADDRESS }
          : { how: "relay", address: packet.giaddr },
      delayMs: 0,
    },
  };
}
