// For tests only: clients' messages and a small full-mode network to decide them in.

import { parseSubnet } from "../base/addresses.ts";
import { BrambleError } from "../base/errors.ts";
import { fromHex, toLatin1 } from "../base/text.ts";
import { BLANK } from "../wire/dhcp/blank.ts";
import { type DhcpPacket, decode, encode } from "../wire/dhcp/packet.ts";
import { decide } from "./dhcp.ts";
import type { DhcpContext } from "./dhcp-context.ts";
import { identify } from "./identify.ts";
import { type Lease, Pool } from "./pool.ts";

export const ME = "10.0.0.1";
export const PI4 = "dc:a6:32:01:02:03";
export const PI3 = "b8:27:eb:28:f6:6d";
export const PC = "02:00:00:00:00:01";
export const NOW = 1_800_000_000_000;
const PXE0 = toLatin1("PXEClient:Arch:00000:UNDI:002001");
export type Options = [number, Uint8Array][];
export const pi4: Options = [
  [55, Uint8Array.of(1, 3, 43, 60, 66, 67)],
  [93, Uint8Array.of(0, 0)],
  [97, fromHex("00346950521431d0003201020378563412")],
  [60, PXE0],
];
export const rom: Options = [
  [93, Uint8Array.of(0, 0)],
  [97, fromHex(`00${"44".repeat(16)}`)],
  [60, PXE0],
];
export const linux = (...asked: number[]): Options => [
  [55, Uint8Array.from(asked)],
  [60, toLatin1("udhcp 1.35.0")],
];
export const uefi: Options = [
  [55, Uint8Array.of(1, 3, 66, 67)],
  [93, Uint8Array.of(0, 11)],
  [60, toLatin1("PXEClient:Arch:00011:UNDI:003000")],
];

export const packet = (
  type: number,
  mac: string,
  options: Options,
  more: Partial<DhcpPacket> = {},
): DhcpPacket => ({
  ...BLANK,
  xid: 0x26f30339,
  chaddr: mac,
  options: new Map([[53, Uint8Array.of(type)], ...options]),
  ...more,
});

export function world(more: Partial<DhcpContext> = {}, leases: Lease[] = []) {
  const book = {
    get: (mac: string) => leases.find((lease) => lease.mac === mac),
    byAddress: (address: string) => leases.find((lease) => lease.address === address),
  };
  const subnet = parseSubnet("10.0.0.0/24");
  const pool = new Pool({
    subnet,
    range: { from: "10.0.0.50", to: "10.0.0.99" },
    taken: [ME, "10.0.0.254"],
    leases: book,
    isReserved: (address) => address === "10.0.0.60",
  });
  const context: DhcpContext = {
    mode: "full",
    server: ME,
    network: { subnet, router: "10.0.0.254", dns: ["10.0.0.53"], domain: "lab", leaseSeconds: 3600 },
    pool,
    leases: book,
    node: { answer: true, nodeId: "12345678", reason: "boot" },
    nowMs: NOW,
    ...more,
  };
  return {
    pool,
    decide: (said: DhcpPacket, change: Partial<DhcpContext> = {}) =>
      decide(said, identify(said), { ...context, ...change }),
  };
}

export const reserved = (address: string) => ({
  answer: true,
  nodeId: "12345678",
  reservedAddress: address,
  reason: "boot",
});
/** What really goes over the wire. */
export const sent = (decision: ReturnType<typeof decide>): DhcpPacket => {
  if (!decision.reply) throw new BrambleError("INTERNAL", `no reply: ${decision.reason}`);
  return decode(encode(decision.reply.packet));
};
