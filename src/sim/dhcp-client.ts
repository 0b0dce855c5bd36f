// How boot stages get their address and server: DISCOVERs and their timing, which answers they take, ARP for the way (spec of Pi booting, 1).
import { inSubnet, parseIpv4, parseSubnet } from "../base/addresses.ts";
import { latin1 } from "../base/text.ts";
import { messageType, OPTION, optionAddress, optionText } from "../wire/dhcp/options.ts";
import { type DhcpPacket, decode, MESSAGE } from "../wire/dhcp/packet.ts";
import { type Bench, BootFailure, listen, say } from "./board.ts";
import { CONSTANT_XID, type DhcpForm, discover, request } from "./dhcp-packets.ts";
import { SINCE } from "./firmware.ts";
import type { Run } from "./machine.ts";

const CLIENT = 68;
const SERVER = { address: "255.255.255.255", port: 67 };
const MENU_TEXT = "Raspberry Pi Boot";
const PLAIN_GAP_MS = 5000;
const ROM_TRIES = 5;
/** "for a minute or more" (firmware issue 1124). */
const BOOTCODE_TRIES = 12;

export interface EepromDhcp {
  timeoutMs: number;
  requestTimeoutMs: number;
  menuText: string | undefined;
  fourCc: number | undefined;
  /** TFTP_IP. */
  server: string | undefined;
}

interface Found {
  address?: string;
  mask: string;
  router: string | undefined;
  /** Option 54 of the answer that gave the address. */
  leaseServer?: string;
  bootServer?: string;
}

/** ROM and bootcode.bin: DISCOVER and OFFER, never a REQUEST. Ends the boot if nothing comes. */
export function* plainDhcp(bench: Bench, form: "rom" | "bootcode", tries?: number): Run<void> {
  const times = tries ?? (form === "rom" ? ROM_TRIES : BOOTCODE_TRIES);
  const found: Found = { mask: "255.255.255.0", router: undefined };
  const bytes = discover(bench.pi, form, CONSTANT_XID);
  for (let i = 0; i < times; i++) {
    yield { do: "send", port: CLIENT, to: SERVER, bytes };
    if (yield* answers(bench, { form, xid: CONSTANT_XID, found, until: bench.now() + PLAIN_GAP_MS }))
      return yield* settle(bench, found);
  }
  throw new BootFailure("no-dhcp", `no usable OFFER after ${times} DISCOVERs`);
}

/** EEPROM: DISCOVER with doubling gaps, then REQUEST and ACK. */
export function* eepromDhcp(bench: Bench, settings: EepromDhcp): Run<void> {
  const end = bench.now() + settings.timeoutMs;
  const xid = Math.floor(bench.random() * 0x100000000);
  const found: Found = { mask: "255.255.255.0", router: undefined };
  for (let gap = settings.requestTimeoutMs; bench.now() < end; gap *= 2) {
    const bytes = discover(bench.pi, "eeprom", xid, settings.fourCc);
    yield { do: "send", port: CLIENT, to: SERVER, bytes };
    const until = Math.min(bench.now() + gap, end);
    if (!(yield* answers(bench, { form: "eeprom", xid, found, until, settings }))) continue;
    if (yield* lease(bench, xid, found, Math.min(end, bench.now() + 2 * settings.requestTimeoutMs), settings))
      return yield* settle(bench, found);
    delete found.address;
  }
  throw new BootFailure("no-dhcp", `no lease within ${settings.timeoutMs} ms`);
}

interface Waiting {
  form: DhcpForm;
  xid: number;
  found: Found;
  until: number;
  settings?: EepromDhcp;
}

/** Collects OFFERs until both an address and a server are known: they may come from two servers. */
function* answers(bench: Bench, { form, xid, found, until, settings }: Waiting): Run<boolean> {
  const { bugs = {} } = bench.pi;
  const asked = bench.now();
  bench.broadcastsHeard = 0;
  while (true) {
    const before = bench.broadcastsHeard;
    const got = yield* nextReply(bench, xid, until);
    if (!got) return false;
    const { packet, broadcast } = got;
    if (messageType(packet) !== MESSAGE.OFFER) continue;
    const heard = Math.max(before, bench.broadcastsHeard - (broadcast ? 1 : 0));
    if (form === "rom" && bench.now() - asked < (bugs.earlyReplyLostMs ?? 0)) {
      say(bench, "an OFFER came too soon and is lost");
      continue;
    }
    if (form !== "eeprom" && bugs.flush && heard === 0) {
      say(bench, "an OFFER is stuck: no broadcast came before it");
      continue;
    }
    if (form === "rom" && bugs.noRelay && packet.hops !== 0) {
      say(bench, "an OFFER through a relay is not taken");
      continue;
    }
    take(bench, packet, form, found, settings);
    if (found.address && (found.bootServer ?? settings?.server)) return true;
  }
}

function take(bench: Bench, packet: DhcpPacket, form: DhcpForm, found: Found, settings?: EepromDhcp): void {
  const from = optionAddress(packet, OPTION.SERVER_ID);
  const pxe = bootServer(bench, packet, form, settings);
  if (pxe) found.bootServer = pxe;
  if (packet.yiaddr === "0.0.0.0") return;
  found.address = packet.yiaddr;
  found.mask = optionAddress(packet, OPTION.SUBNET_MASK) ?? found.mask;
  found.router = optionAddress(packet, OPTION.ROUTER);
  if (from) found.leaseServer = from;
}

/** The TFTP server that an OFFER names, if it is meant for Raspberry Pis: by the boot menu, or by option 66 alone (EEPROM). */
function bootServer(
  bench: Bench,
  packet: DhcpPacket,
  form: DhcpForm,
  settings?: EepromDhcp,
): string | undefined {
  const named = optionText(packet, OPTION.TFTP_SERVER);
  const literal = named && /^\d+\.\d+\.\d+\.\d+$/.test(named) ? named : undefined;
  if (!hasMenu(bench, packet, form, settings?.menuText)) return form === "eeprom" ? literal : undefined;
  const takesSiaddr = form !== "eeprom" || bench.pi.firmwareDate >= SINCE.siaddr;
  const siaddr = takesSiaddr && packet.siaddr !== "0.0.0.0" ? packet.siaddr : undefined;
  return literal ?? siaddr ?? optionAddress(packet, OPTION.SERVER_ID);
}

function hasMenu(bench: Bench, packet: DhcpPacket, form: DhcpForm, wanted = MENU_TEXT): boolean {
  const texts = menuTexts(packet.options.get(OPTION.VENDOR));
  if (form === "rom" && bench.pi.bugs?.strictOption43) return texts[0] === `${MENU_TEXT}   `;
  if (form !== "eeprom") return texts.some((text) => text.trimEnd() === wanted);
  return texts.some((text) => text.startsWith(wanted));
}

/** Texts of the PXE boot menu (vendor option 9) in option 43. */
function menuTexts(vendor: Uint8Array | undefined): string[] {
  const texts: string[] = [];
  if (!vendor) return texts;
  for (let at = 0; at < vendor.length && vendor[at] !== 255; ) {
    if (vendor[at] === 0) {
      at++;
      continue;
    }
    const end = at + 2 + (vendor[at + 1] ?? 0);
    if (vendor[at] === 9)
      for (let item = at + 2; item + 3 <= end; item += 3 + (vendor[item + 2] ?? 0))
        texts.push(latin1(vendor.subarray(item + 3, item + 3 + (vendor[item + 2] ?? 0))));
    at = end;
  }
  return texts;
}

function* lease(bench: Bench, xid: number, found: Found, until: number, settings: EepromDhcp): Run<boolean> {
  const { address = "", leaseServer = "0.0.0.0" } = found;
  while (bench.now() < until) {
    yield { do: "send", port: CLIENT, to: SERVER, bytes: request(bench.pi, xid, address, leaseServer) };
    const patience = Math.min(until, bench.now() + settings.requestTimeoutMs);
    while (true) {
      const got = yield* nextReply(bench, xid, patience);
      if (!got) break;
      const type = messageType(got.packet);
      if (type === MESSAGE.ACK && got.packet.yiaddr === address) return true;
      if (type === MESSAGE.NAK) {
        say(bench, `the REQUEST of ${address} was refused`);
        return false;
      }
    }
  }
  return false;
}

function* nextReply(
  bench: Bench,
  xid: number,
  until: number,
): Run<{ packet: DhcpPacket; broadcast: boolean } | undefined> {
  while (true) {
    const frame = yield* listen(bench, until);
    if (!frame) return undefined;
    if (frame.kind !== "udp" || frame.to.port !== CLIENT) continue;
    let packet: DhcpPacket;
    try {
      packet = decode(frame.bytes);
    } catch {
      continue; // not DHCP
    }
    if (packet.op === 2 && packet.xid === xid && packet.chaddr === bench.pi.mac)
      return { packet, broadcast: frame.broadcast };
  }
}

/** Takes the address and finds the way to the server. */
function* settle(bench: Bench, found: Found): Run<void> {
  const { address = "", mask, router } = found;
  yield* useAddress(bench, { address, mask, router, server: found.bootServer ?? "" });
}

export function* useAddress(
  bench: Bench,
  {
    address,
    mask,
    router,
    server,
  }: { address: string; mask: string; router: string | undefined; server: string },
): Run<void> {
  bench.address = address;
  bench.server = server;
  bench.boot.address = address;
  bench.boot.server = server;
  yield { do: "configure", address, mask, router };
  const bits = parseIpv4(mask).toString(2).replace(/0+$/, "").length;
  const near = inSubnet(parseIpv4(server), parseSubnet(`${address}/${mask === "0.0.0.0" ? 0 : bits}`));
  const rom = bench.stage === "boot ROM";
  if (!near && rom && bench.pi.bugs?.noRelay)
    throw new BootFailure("no-dhcp", `the ROM cannot reach ${server} in another subnet`);
  const hop = near ? server : router;
  say(bench, `NET ${address} ${mask} gw ${router ?? "-"} tftp ${server}`);
  if (!hop) throw new BootFailure("no-dhcp", `no router to reach ${server}`);
  for (let i = 0; i < 3; i++) {
    yield { do: "arp", what: "request", target: hop };
    const until = bench.now() + 1000;
    while (true) {
      const frame = yield* listen(bench, until);
      if (!frame) break;
      if (frame.kind === "arp" && frame.sender === hop) return;
    }
  }
  throw new BootFailure("no-dhcp", `nobody answers ARP for ${hop}`);
}
