// Which DHCP servers are on a network? Asks as a client would and collects what is offered. For `bramble doctor`.

import { randomBytes } from "node:crypto";
import { formatMac } from "../base/addresses.ts";
import { latin1, toLatin1 } from "../base/text.ts";
import { BLANK } from "../wire/dhcp/blank.ts";
import { messageType, OPTION, optionAddress } from "../wire/dhcp/options.ts";
import { type DhcpPacket, decode, encode, MESSAGE } from "../wire/dhcp/packet.ts";
import { openDhcpSocket } from "./dhcp-socket.ts";
import { openRaw } from "./raw.ts";

export interface FoundServer {
  /** Option 54, else where the OFFER came from. */
  server: string;
  /** The address offered; undefined for a proxy. */
  offered?: string;
  /** It offers a Raspberry Pi boot menu or another PXE answer. */
  pxe: "raspberry" | "other" | "none";
}

export interface ScanOptions {
  /** Name and own address of the interface. */
  interface: { name?: string; address: string };
  ms: number;
  /** 68 and 67, but in tests. */
  clientPort?: number;
  serverPort?: number;
  /** Where to ask; everybody, but in tests. */
  to?: string;
}

/**
 * Broadcasts one DISCOVER of a client that does not exist (a random locally administered MAC, as an old Pi 4 would ask)
 * and waits `ms`. It never sends a REQUEST: nothing is leased. PORT_TAKEN when a DHCP client has port 68, PORT_REFUSED.
 */
export async function listenForServers(options: ScanOptions): Promise<FoundServer[]> {
  const { name, address } = options.interface;
  const raw = await openRaw(name, address);
  const found = new Map<string, FoundServer>();
  const random = randomBytes(10);
  const xid = random.readUInt32BE(0);
  const mac = formatMac(Uint8Array.of(0x02, ...random.subarray(4, 9)));
  let broken: Error | undefined;
  try {
    const socket = await openDhcpSocket({
      address,
      port: options.clientPort ?? 68,
      broadcasts: "device else all",
      raw,
      heard: (bytes, from) => {
        const server = offerOf(bytes, xid, from.address);
        if (server && found.size < 64) found.set(server.server, server);
      },
      failed: (error) => {
        broken = error;
      },
    });
    const to = { address: options.to ?? "255.255.255.255", port: options.serverPort ?? 67 };
    socket.send(discover(mac, xid), to);
    await new Promise((resolve) => setTimeout(resolve, options.ms));
    await socket.close();
  } finally {
    raw.close();
  }
  if (broken && found.size === 0) throw broken;
  return [...found.values()];
}

/** No board has this serial, four times over in the GUID. */
const SERIAL = [0x7f, 0, 0, 0x7f];
const GUID = Uint8Array.of(0, ...SERIAL, ...SERIAL, ...SERIAL, ...SERIAL);

/** Is it a question of `listenForServers`? What this machine asks, its own server hears, too. */
export function isScan({ options }: DhcpPacket): boolean {
  const guid = options.get(OPTION.GUID);
  return guid?.length === GUID.length && guid.every((byte, i) => byte === GUID[i]);
}

function discover(mac: string, xid: number): Uint8Array {
  return encode({
    ...BLANK,
    xid,
    broadcast: true,
    chaddr: mac,
    options: new Map([
      [OPTION.MESSAGE_TYPE, Uint8Array.of(MESSAGE.DISCOVER)],
      [OPTION.ASKED_FOR, Uint8Array.of(1, 3, 43, 60, 66, 67)],
      [OPTION.ARCHITECTURE, Uint8Array.of(0, 0)],
      [OPTION.GUID, GUID],
      [OPTION.VENDOR_CLASS, toLatin1("PXEClient:Arch:00000:UNDI:002001")],
    ]),
  });
}

/** Undefined for whatever is no OFFER to us. */
function offerOf(bytes: Uint8Array, xid: number, from: string): FoundServer | undefined {
  try {
    const packet = decode(bytes);
    if (packet.op !== 2 || packet.xid !== xid || messageType(packet) !== MESSAGE.OFFER) return undefined;
    const menu = packet.options.get(OPTION.VENDOR);
    const raspberry = menu !== undefined && latin1(menu).includes("Raspberry Pi Boot");
    return {
      server: optionAddress(packet, OPTION.SERVER_ID) ?? from,
      ...(packet.yiaddr !== "0.0.0.0" && { offered: packet.yiaddr }),
      pxe: raspberry ? "raspberry" : menu ? "other" : "none",
    };
  } catch {
    return undefined; // not DHCP: nothing that a scan looks for
  }
}
