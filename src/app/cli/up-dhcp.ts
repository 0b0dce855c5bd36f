// Options of `up` that are about DHCP alone.
import { inSubnet, parseIpv4, parseSubnet } from "../../base/addresses.ts";
import { BrambleError } from "../../base/errors.ts";
import { QUIRKS, type QuirkSwitches } from "../../fleet/quirks.ts";
import type { DhcpNetwork } from "../../serve/dhcp.ts";

/** "10.1.0.0/24=10.1.0.100-10.1.0.200,10.1.0.1": a network behind a relay, its addresses and its gateway. BAD_INPUT. */
export function parseRelayed(text: string): DhcpNetwork {
  const parts = /^([\d.]+\/\d+)=([\d.]+)-([\d.]+)(?:,([\d.]+))?$/.exec(text);
  const [, subnet = "", from = "", to = "", router] = parts ?? [];
  const inside = (address: string) => inSubnet(parseIpv4(address), parseSubnet(subnet));
  if (!parts || ![from, to, ...(router ? [router] : [])].every(inside)) {
    throw new BrambleError("BAD_INPUT", `${text} is no network behind a relay`, {
      hint: "write it as 10.1.0.0/24=10.1.0.100-10.1.0.200,10.1.0.1: network, first and last address, gateway",
    });
  }
  return { subnet, pool: { from, to }, ...(router && { router }) };
}

/** Counter-measures by name, off for every stage. BAD_INPUT. */
export function quirksOff(names: readonly string[]): QuirkSwitches {
  const known = QUIRKS.map((quirk) => quirk.name as string);
  const wrong = names.find((name) => !known.includes(name));
  if (wrong === undefined) return Object.fromEntries(names.map((name) => [name, []]));
  throw new BrambleError("BAD_INPUT", `${wrong} is no counter-measure`, {
    hint: `one of ${known.join(", ")}`,
  });
}
