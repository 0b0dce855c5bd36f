import { readFileSync } from "node:fs";
import { networkInterfaces } from "node:os";
import { BrambleError } from "../base/errors.ts";

export interface Wired {
  name: string;
  address: string;
  /** "10.0.0.0/24" with the host bits of our address. */
  subnet: string;
}

const sysfs = (name: string, file: string): string | undefined => {
  try {
    return readFileSync(`/sys/class/net/${name}/${file}`, "utf8").trim();
  } catch {
    return undefined; // not Linux, or no such device
  }
};

/** Is it a wired port of a real network? Not loopback, not wireless, not a bridge or a container's end. */
const isWired = (name: string): boolean =>
  sysfs(name, "type") === undefined
    ? /^e(n|th)/.test(name)
    : sysfs(name, "type") === "1" &&
      sysfs(name, "wireless/status") === undefined &&
      sysfs(name, "phy80211/index") === undefined &&
      !/^(docker|veth|virbr|br-|tailscale|wg|tun|tap|lo)/.test(name);

/** Interfaces with an IPv4 address that a Pi could be on. */
export function wiredInterfaces(): Wired[] {
  return Object.entries(networkInterfaces()).flatMap(([name, addresses]) => {
    const own = addresses?.find((one) => one.family === "IPv4" && !one.internal);
    return own?.cidr && isWired(name) ? [{ name, address: own.address, subnet: own.cidr }] : [];
  });
}

/** One interface by name, or by address, whatever kind it is; throws with what there is. */
export function interfaceNamed(reference: string): Wired {
  for (const [name, addresses] of Object.entries(networkInterfaces())) {
    const own = addresses?.find(
      (one) => one.family === "IPv4" && (name === reference || one.address === reference),
    );
    if (own?.cidr) return { name, address: own.address, subnet: own.cidr };
  }
  const there = wiredInterfaces().map((one) => `${one.name} (${one.address})`);
  throw new BrambleError("INTERFACE_UNKNOWN", `there is no interface ${reference} with an IPv4 address`, {
    hint: there.length > 0 ? `there are: ${there.join(", ")}` : "give the port an address first",
  });
}

/** The interface to serve when nobody named one: the only wired one, else an error that lists them. */
export function onlyWired(): Wired {
  const [first, ...others] = wiredInterfaces();
  if (first && others.length === 0) return first;
  throw new BrambleError(
    "INTERFACE_UNKNOWN",
    first ? "there is more than one wired interface" : "there is no wired interface with an IPv4 address",
    {
      hint: first
        ? [first, ...others]
            .map((one) => `sudo ./bramble up --interface ${one.name}   # ${one.address}`)
            .join("\n       ")
        : "plug the cable in, or give the port an address: ip addr add 10.44.0.1/24 dev eth0",
    },
  );
}
