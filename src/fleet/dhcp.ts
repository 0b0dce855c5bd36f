// The DHCP decision: what one message gets for an answer, and why (RFC 2131 4.3; PXE 2.1 for the proxy).
import { inSubnet, parseIpv4 } from "../base/addresses.ts";
import { messageType, OPTION, optionAddress } from "../wire/dhcp/options.ts";
import { type DhcpPacket, MESSAGE } from "../wire/dhcp/packet.ts";
import {
  addressed,
  before,
  content,
  type DhcpContext,
  type DhcpDecision,
  type FullContext,
  silent,
} from "./dhcp-context.ts";
import { reply, takesBootFile } from "./dhcp-reply.ts";
import { decideRequest } from "./dhcp-request.ts";
import { isPiStage, type Sender } from "./identify.ts";
import { quirkOn } from "./quirks.ts";

/** Never throws, never waits. The caller performs the effects: hold, quarantine, lease, then the reply. */
export function decide(packet: DhcpPacket, sender: Sender, context: DhcpContext): DhcpDecision {
  if (packet.op !== 1) return silent("a server's message, not a client's");
  if (context.mode === "off") return silent("DHCP is off here: another server answers");
  if (packet.giaddr === context.server) return silent("it claims that we relayed it: ignored");
  if (context.bootServer) return decideBootServer(packet, sender, context);
  const type = messageType(packet);
  if (context.mode === "proxy") return decideProxy(type, packet, sender, context);
  const { network, pool } = context;
  if (!network || !pool)
    return silent(`relayed by ${packet.giaddr}, and no network of that address is set up`);
  const full = { ...context, network, pool };
  switch (type) {
    case MESSAGE.DISCOVER:
      return decideDiscover(packet, sender, full);
    case MESSAGE.REQUEST:
      return decideRequest(packet, sender, full);
    case MESSAGE.DECLINE:
      return decideDecline(packet, sender, full);
    case MESSAGE.RELEASE:
      return decideRelease(packet, sender, full);
    case MESSAGE.INFORM:
      return decideInform(packet, sender, full);
    default:
      return silent(`message type ${type} is none that a server answers`);
  }
}

function decideDiscover(packet: DhcpPacket, sender: Sender, context: FullContext): DhcpDecision {
  const { node, leases, nowMs, pool, quirks } = context;
  const { mac, stage } = sender;
  const boots = isPiStage(stage) || takesBootFile(stage);
  if (boots && !node.answer) return silent(node.reason);
  const wanted = optionAddress(packet, OPTION.REQUESTED_ADDRESS);
  const choice = pool.choose({ mac, reserved: node.reservedAddress, wanted, nowMs });
  if (choice.address === undefined) return silent(choice.why);
  const { address } = choice;
  const lease = { mac, address, expiresMs: nowMs + context.network.leaseSeconds * 1000 };
  const commit = quirkOn("lease-at-offer", stage, quirks);
  const fresh = leases.get(mac)?.address !== address;
  const waits = node.nodeId === undefined || (isPiStage(stage) && !quirkOn("no-probe-delay", stage, quirks));
  return {
    action: "offer",
    kind: "decision",
    reason: `${choice.why}${commit ? "; leased at once, since this stage never sends a REQUEST" : ""}${boots ? `; ${node.reason}` : ""}`,
    address,
    reply: addressed(packet, sender, context, content(MESSAGE.OFFER, context, address)),
    ...(commit ? { lease, learned: address, unhold: true } : { hold: address }),
    // A relayed client is out of reach of our ARP.
    ...(fresh && packet.giaddr === "0.0.0.0" && { probe: { address, wait: waits } }),
  };
}

function decideProxy(type: number, packet: DhcpPacket, sender: Sender, context: DhcpContext): DhcpDecision {
  const { node, network } = context;
  const { stage } = sender;
  if (type === MESSAGE.REQUEST) {
    const learned = optionAddress(packet, OPTION.REQUESTED_ADDRESS) ?? packet.ciaddr;
    const known = learned === "0.0.0.0" ? {} : { learned, address: learned };
    return silent("a REQUEST is for the server that gives addresses; a proxy only listens", known);
  }
  if (type !== MESSAGE.DISCOVER) return silent("not a proxy's business");
  if (!isPiStage(stage) && !takesBootFile(stage))
    return silent(
      "an ordinary client: the network's own DHCP server answers it, a proxy only speaks to boot loaders",
    );
  if (!node.answer) return silent(node.reason);
  if (takesBootFile(stage) && node.bootFile === undefined)
    return silent(`no boot file is set for ${stage}: ${node.reason}`);
  const subnet = network?.subnet ?? { network: 0, prefix: 0, mask: 0, broadcast: 0xffffffff };
  const offer = reply(packet, sender, {
    ...content(MESSAGE.OFFER, { ...context, network: network ?? { subnet, leaseSeconds: 0 } }),
  });
  return {
    action: "offer",
    kind: "decision",
    reason: `the boot server beside the router's address; ${node.reason}`,
    reply: {
      packet: { ...offer, broadcast: true },
      to:
        packet.giaddr === "0.0.0.0"
          ? { how: "broadcast", address: "255.255.255.255" }
          : { how: "relay", address: packet.giaddr },
      ...before(sender, context, packet.giaddr === "0.0.0.0" ? context.server : undefined),
    },
  };
}

/** PXE clients that took a proxy's offer without a boot file come back here, by then with an address. */
function decideBootServer(packet: DhcpPacket, sender: Sender, context: DhcpContext): DhcpDecision {
  const { node } = context;
  const type = messageType(packet);
  if (type !== MESSAGE.REQUEST && type !== MESSAGE.INFORM && type !== MESSAGE.DISCOVER)
    return silent("not a boot server's business");
  if (!takesBootFile(sender.stage)) return silent(`a boot server has nothing for stage ${sender.stage}`);
  if (!node.answer) return silent(node.reason);
  if (node.bootFile === undefined) return silent(`no boot file is set for ${sender.stage}: ${node.reason}`);
  const network = context.network ?? {
    subnet: { network: 0, prefix: 0, mask: 0, broadcast: 0xffffffff },
    leaseSeconds: 0,
  };
  const learned = packet.ciaddr === "0.0.0.0" ? {} : { learned: packet.ciaddr, address: packet.ciaddr };
  return {
    action: "ack",
    kind: "decision",
    reason: `boot server (port 4011): ${node.bootFile}; ${node.reason}`,
    ...learned,
    reply: {
      packet: reply(packet, sender, content(MESSAGE.ACK, { ...context, network })),
      to: { how: "sender", address: packet.ciaddr },
      delayMs: 0,
    },
  };
}

/** Another host answered on the address that we gave (RFC 2131 4.3.3). Only believed of its own address. */
function decideDecline(packet: DhcpPacket, { mac }: Sender, context: FullContext): DhcpDecision {
  const address = optionAddress(packet, OPTION.REQUESTED_ADDRESS);
  const lease = context.leases.get(mac);
  if (address === undefined) return silent("declines nothing: option 50 is absent", { kind: "decline" });
  if (lease?.address !== address && context.pool.heldBy(mac, context.nowMs) !== address)
    return silent("declines an address that it does not have", { kind: "decline", address });
  return silent(`says that somebody else uses ${address}: it rests for ten minutes`, {
    kind: "decline",
    address,
    quarantine: address,
    unhold: true,
    ...(lease?.address === address && { lease: { ...lease, expiresMs: context.nowMs } }),
  });
}

function decideRelease(packet: DhcpPacket, { mac }: Sender, context: FullContext): DhcpDecision {
  const lease = context.leases.get(mac);
  const address = packet.ciaddr;
  if (lease?.address !== address)
    return silent("releases an address that it does not have", { kind: "release", address });
  return silent(`gives ${address} back; it is the first to get it again`, {
    kind: "release",
    address,
    lease: { ...lease, expiresMs: context.nowMs },
  });
}

function decideInform(packet: DhcpPacket, sender: Sender, context: FullContext): DhcpDecision {
  const address = packet.ciaddr;
  if (!inSubnet(parseIpv4(address), context.network.subnet))
    return silent("asks for settings from an address outside this network", { kind: "inform", address });
  return {
    action: "ack",
    kind: "inform",
    reason: "settings for a host with an address of its own",
    address,
    learned: address,
    reply: {
      packet: reply(packet, sender, content(MESSAGE.ACK, context)),
      to: { how: "unicast", address, mac: sender.mac },
      delayMs: 0,
    },
  };
}
