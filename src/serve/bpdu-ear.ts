// Hears spanning tree on an interface. Never sends.

import { macBytes } from "../base/addresses.ts";
import { BrambleError } from "../base/errors.ts";
import { type Bpdu, decodeBpdu } from "../wire/stp/bpdu.ts";
import { loadLibc } from "./raw.ts";

// <bits/socket.h>, <linux/if_packet.h>, <linux/if_ether.h>
const [AF_PACKET, SOCK_DGRAM, FLAGS] = [17, 2, 0o2000000 | 0o4000]; // SOCK_CLOEXEC | SOCK_NONBLOCK
const ETH_P_802_2 = 0x0004;
const [SOL_PACKET, PACKET_ADD_MEMBERSHIP, PACKET_MR_MULTICAST] = [263, 1, 0];
/** Where bridges talk to each other (802.1D-2004 7.12.3): no bridge passes it on. */
const BRIDGES = "01:80:c2:00:00:00";
const LOOK_MS = 50;
const MOST = 64;

/**
 * The bridges that are heard within `ms`; `enough` may end it sooner. A bridge sends every two seconds, so that four are enough.
 * Throws PORT_REFUSED where the kernel does not let us listen.
 */
export async function listenForBpdus(
  name: string,
  ms: number,
  enough: () => boolean = () => false,
): Promise<Bpdu[]> {
  const c = await loadLibc();
  if (typeof c === "string") throw new BrambleError("PORT_REFUSED", c);
  const index = c.if_nametoindex(name);
  if (!index) throw new BrambleError("INTERFACE_UNKNOWN", `there is no interface ${name}`);
  const fd = c.socket(AF_PACKET, SOCK_DGRAM | FLAGS, (ETH_P_802_2 << 8) & 0xffff);
  if (fd < 0)
    throw new BrambleError("PORT_REFUSED", "listening to bridges needs CAP_NET_RAW", {
      hint: "sudo ./bramble doctor",
    });
  const found = new Map<string, Bpdu>();
  try {
    const link = Buffer.alloc(20);
    link.writeUInt16LE(AF_PACKET, 0);
    link.writeUInt16BE(ETH_P_802_2, 2);
    link.writeInt32LE(index, 4);
    const member = Buffer.alloc(16); // struct packet_mreq
    member.writeInt32LE(index, 0);
    member.writeUInt16LE(PACKET_MR_MULTICAST, 4);
    member.writeUInt16LE(6, 6);
    member.set(macBytes(BRIDGES), 8);
    if (c.bind(fd, link, 20) < 0 || c.setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, member, 16) < 0)
      throw new BrambleError("PORT_REFUSED", `bridges cannot be heard on ${name}: error ${c.errno()}`);
    const buffer = Buffer.alloc(1_600);
    const end = performance.now() + ms;
    while (performance.now() < end && !enough()) {
      for (let i = 0; i < MOST; i++) {
        const length = c.recv(fd, buffer, buffer.length, 0);
        if (length <= 0) break;
        const bpdu = heard(buffer.subarray(0, length));
        if (bpdu && found.size < MOST) found.set(`${bpdu.bridge} ${bpdu.port}`, bpdu);
      }
      await new Promise((go) => setTimeout(go, LOOK_MS));
    }
  } finally {
    c.close(fd);
  }
  return [...found.values()];
}

function heard(bytes: Uint8Array): Bpdu | undefined {
  try {
    return decodeBpdu(bytes);
  } catch {
    return undefined; // cut, or made up
  }
}
