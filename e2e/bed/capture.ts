import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { formatIpv4 } from "../../src/base/addresses.ts";
import { type DhcpPacket, decode } from "../../src/wire/dhcp/packet.ts";
import type { Need, Stage } from "../scenario.ts";
import { start } from "./commands.ts";

export const TCPDUMP: Need = { tool: "tcpdump", package: "tcpdump" };

export interface Heard {
  from: string;
  to: string;
  packet: DhcpPacket;
}

let captures = 0;

/** Every DHCP packet that passes an interface, by tcpdump; the function ends it and gives them. */
export async function captureDhcp(t: Stage, on: string): Promise<() => Promise<Heard[]>> {
  const file = join(t.folder, `capture${captures++}.pcap`);
  const options = ["-i", on, "-n", "-U", "--immediate-mode", "-Z", "root", "-w", file];
  const tcpdump = start("tcpdump", [...options, "udp and (port 67 or port 68)"]);
  t.atEnd(() => tcpdump.stop());
  await tcpdump.saw(/listening on/, 10);
  return async () => {
    await tcpdump.stop("SIGINT");
    return parse(await readFile(file));
  };
}

/** A classic little-endian pcap file of Ethernet frames. */
function parse(file: Buffer): Heard[] {
  const heard: Heard[] = [];
  for (let at = 24; at + 16 <= file.length; ) {
    const length = file.readUInt32LE(at + 8);
    const ip = file.subarray(at + 16 + 14, at + 16 + length);
    at += 16 + length;
    const udp = ip.subarray(((ip[0] ?? 0) & 15) * 4, ip.readUInt16BE(2));
    const [from, to] = [formatIpv4(ip.readUInt32BE(12)), formatIpv4(ip.readUInt32BE(16))];
    heard.push({ from, to, packet: decode(udp.subarray(8)) });
  }
  return heard;
}
