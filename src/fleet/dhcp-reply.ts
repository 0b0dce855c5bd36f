// What an answer holds and where it goes (RFC 2131 4.1, 4.3; for Raspberry Pi stages boot-net.adoc and captures).
import { formatIpv4, type Subnet } from "../base/addresses.ts";
import { toLatin1 } from "../base/text.ts";
import { pxeNoMenu, raspberryBootMenu } from "../wire/dhcp/option43.ts";
import { addressBytes, OPTION, u32Bytes } from "../wire/dhcp/options.ts";
import { type DhcpPacket, MESSAGE } from "../wire/dhcp/packet.ts";
import { type BootStage, isPiStage, type Sender } from "./identify.ts";

export interface Network {
  subnet: Subnet;
  router?: string | undefined;
  dns?: readonly string[] | undefined;
  domain?: string | undefined;
  leaseSeconds: number;
}

export interface ReplyContent {
  type: number;
  /** The receiving interface's address: options 54 and 66 and siaddr, all three. */
  server: string;
  network: Network;
  /** Undefined: no address is given (proxy, INFORM, NAK). */
  address?: string | undefined;
  hostname?: string | undefined;
  bootFile?: string | undefined;
  /** Words for a NAK (option 56). */
  message?: string | undefined;
}

export const BROADCAST_ADDRESS = "255.255.255.255";
const NONE = "0.0.0.0";

/** Stages that take a boot file's name and may ask port 4011. */
export const takesBootFile = (stage: BootStage): boolean =>
  stage === "uefi" || stage === "uefi-http" || stage === "ipxe" || stage === "uboot";

/** The answer to a client's message. Option 82 comes back last and unchanged (RFC 3046 2.2). */
export function reply(to: DhcpPacket, sender: Sender, content: ReplyContent): DhcpPacket {
  const options = new Map<number, Uint8Array>();
  options.set(OPTION.MESSAGE_TYPE, Uint8Array.of(content.type));
  options.set(OPTION.SERVER_ID, addressBytes(content.server));
  const nak = content.type === MESSAGE.NAK;
  if (nak && content.message !== undefined)
    options.set(OPTION.MESSAGE, toLatin1(content.message.slice(0, 255)));
  if (!nak) fill(options, to, sender, content);
  const relayed = to.options.get(OPTION.RELAY_AGENT);
  if (relayed) options.set(OPTION.RELAY_AGENT, relayed);

  const boots = !nak && (isPiStage(sender.stage) || takesBootFile(sender.stage));
  const file = takesBootFile(sender.stage) && !nak ? (content.bootFile ?? "") : "";
  return {
    op: 2,
    htype: to.htype,
    hops: 0, // the Pi 3 boot ROM rejects anything else
    xid: to.xid,
    secs: 0,
    // A NAK by way of a relay must reach a client that may not listen to its address any more (RFC 2131 4.3.2).
    broadcast: to.broadcast || (nak && to.giaddr !== NONE),
    ciaddr: nak || content.type === MESSAGE.OFFER ? NONE : to.ciaddr,
    yiaddr: content.address ?? NONE,
    siaddr: boots ? content.server : NONE,
    giaddr: to.giaddr,
    chaddr: to.chaddr,
    sname: "",
    file: file.length > 127 ? "" : file,
    options,
  };
}

function fill(options: Map<number, Uint8Array>, to: DhcpPacket, sender: Sender, content: ReplyContent): void {
  const { stage } = sender;
  const values = addressOptions(content);
  const seconds = values.get(OPTION.LEASE_SECONDS);
  if (seconds) options.set(OPTION.LEASE_SECONDS, seconds);
  if (isPiStage(stage)) {
    // The order of an accepted answer. The boot ROM cannot use a router and does not ask for one.
    for (const code of [OPTION.RENEW_SECONDS, OPTION.REBIND_SECONDS, OPTION.SUBNET_MASK, OPTION.BROADCAST])
      copy(code, values, options);
    if (stage !== "rom3") copy(OPTION.ROUTER, values, options);
    for (const [code, value] of bootOptions(to, stage, content)) options.set(code, value);
    return;
  }
  // Only what was asked for, in the order asked; somebody who asks for nothing gets what a host needs.
  const asked = to.options.get(OPTION.ASKED_FOR) ?? Uint8Array.of(1, 3, 6, 15, 12);
  for (const code of asked) copy(code, values, options);
  if (!takesBootFile(stage)) return;
  for (const [code, value] of bootOptions(to, stage, content)) options.set(code, value);
}

const copy = (code: number, from: Map<number, Uint8Array>, to: Map<number, Uint8Array>): void => {
  const value = from.get(code);
  if (value) to.set(code, value);
};

/** What belongs to an address; without one (proxy, INFORM) only what is true of the network. */
function addressOptions({ address, network, hostname, type }: ReplyContent): Map<number, Uint8Array> {
  const values = new Map<number, Uint8Array>();
  if (address === undefined && type === MESSAGE.OFFER) return values;
  const { subnet, router, dns = [], domain, leaseSeconds } = network;
  if (address !== undefined) {
    values.set(OPTION.LEASE_SECONDS, u32Bytes(leaseSeconds));
    values.set(OPTION.RENEW_SECONDS, u32Bytes(Math.floor(leaseSeconds / 2)));
    values.set(OPTION.REBIND_SECONDS, u32Bytes(Math.floor(leaseSeconds * 0.875)));
  }
  values.set(OPTION.SUBNET_MASK, u32Bytes(subnet.mask));
  values.set(OPTION.BROADCAST, addressBytes(formatIpv4(subnet.broadcast)));
  if (router !== undefined) values.set(OPTION.ROUTER, addressBytes(router));
  if (dns.length > 0) values.set(OPTION.DNS, addressBytes(...dns));
  if (domain) values.set(OPTION.DOMAIN, toLatin1(domain));
  if (hostname) values.set(OPTION.HOST_NAME, toLatin1(hostname));
  return values;
}

/** Options that a boot stage needs, asked for or not. */
function bootOptions(to: DhcpPacket, stage: BootStage, content: ReplyContent): Map<number, Uint8Array> {
  const options = new Map<number, Uint8Array>();
  // A dotted quad: Pi firmware parses it and resolves no names.
  options.set(OPTION.TFTP_SERVER, toLatin1(content.server));
  if (takesBootFile(stage) && content.bootFile !== undefined)
    options.set(OPTION.BOOT_FILE, toLatin1(content.bootFile));
  options.set(OPTION.VENDOR_CLASS, toLatin1(stage === "uefi-http" ? "HTTPClient" : "PXEClient"));
  const guid = to.options.get(OPTION.GUID);
  if (guid) options.set(OPTION.GUID, guid);
  if (isPiStage(stage)) options.set(OPTION.VENDOR, raspberryBootMenu());
  else if (stage !== "uefi-http") options.set(OPTION.VENDOR, pxeNoMenu());
  // no-pxedhcp = 1: iPXE need not wait for a proxy when the address comes from here.
  if (stage === "ipxe" && content.address !== undefined) options.set(OPTION.IPXE, Uint8Array.of(176, 1, 1));
  return options;
}
