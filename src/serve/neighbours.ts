import { readFile } from "node:fs/promises";

/** The MAC that the kernel's ARP table has for an IPv4 address; undefined where it has none (or there is no such table). */
export async function neighbourMac(address: string): Promise<string | undefined> {
  const table = await readFile("/proc/net/arp", "latin1").catch(() => "");
  for (const line of table.split("\n")) {
    const [ip, , flags, mac] = line.split(/\s+/);
    if (ip === address && mac && flags !== "0x0") return mac.toLowerCase();
  }
  return undefined;
}
