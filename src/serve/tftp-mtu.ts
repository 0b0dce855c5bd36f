import { readFileSync } from "node:fs";
import { networkInterfaces } from "node:os";
import { inSubnet, parseIpv4, parseSubnet, type Subnet } from "../base/addresses.ts";

const ETHERNET = 1500;
/** 20 bytes of IP, 8 of UDP, 4 of TFTP. */
const HEADERS = 32;

/**
 * Tells the longest block that reaches a client in one piece: the MTU of the interface whose subnet it lives in, without headers.
 * Clients behind a router count as Ethernet. Interfaces are looked at again after `freshMs`.
 */
export function blockSizeToward(freshMs = 10_000): (address: string, now: number) => number {
  let known: { subnet: Subnet; mtu: number }[] = [];
  let readAt = Number.NEGATIVE_INFINITY;
  return (address, now) => {
    if (now - readAt > freshMs) {
      known = attached();
      readAt = now;
    }
    const number = parseIpv4(address);
    return (known.find(({ subnet }) => inSubnet(number, subnet))?.mtu ?? ETHERNET) - HEADERS;
  };
}

function attached(): { subnet: Subnet; mtu: number }[] {
  return Object.entries(networkInterfaces()).flatMap(([name, addresses]) =>
    (addresses ?? [])
      .filter(({ family, cidr }) => family === "IPv4" && cidr)
      .map(({ cidr }) => ({ subnet: parseSubnet(cidr ?? ""), mtu: mtuOf(name) })),
  );
}

function mtuOf(name: string): number {
  try {
    const mtu = Number(readFileSync(`/sys/class/net/${name}/mtu`, "latin1"));
    return mtu >= 576 ? mtu : ETHERNET;
  } catch {
    return ETHERNET; // not Linux, or the interface has just gone
  }
}
