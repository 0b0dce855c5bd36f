// Ports that must never be switched, and boards that are not where we think.
import { BrambleError } from "../../base/errors.ts";
import type { PowerTables } from "../../storage/power-tables.ts";

export type PortRow = PowerTables["powerPort"];

const PROTECTED = /uplink|trunk|protect/i;

export interface Neighbour {
  mac?: string;
  name?: string;
  isBridge: boolean;
}

export interface PortFacts {
  row: PortRow;
  macs: string[];
  neighbour: Neighbour | undefined;
}

export const factsOf = (row: PortRow): PortFacts => ({
  row,
  macs: JSON.parse(row.macs) as string[],
  neighbour: row.neighbour === null ? undefined : (JSON.parse(row.neighbour) as Neighbour),
});

/** Why this port must not be switched, in words; undefined: it may. A person's word counts before every rule. */
export function guardOf(
  { row, macs, neighbour }: PortFacts,
  ownMacs: ReadonlySet<string>,
): string | undefined {
  if (row.guard === "allow") return undefined;
  if (row.guard === "refuse") return "somebody set it to be left alone";
  const own = macs.find((mac) => ownMacs.has(mac));
  if (own) return `this server itself hangs on it (${own})`;
  if (neighbour?.isBridge)
    return `another switch hangs on it (LLDP: ${neighbour.name ?? neighbour.mac ?? "a bridge"})`;
  if (macs.length > 1) return `${macs.length} MACs are behind it: an up-link, or a board with several`;
  if (row.alias !== null && PROTECTED.test(row.alias)) return `its description says "${row.alias}"`;
  return undefined;
}

export const guarded = (device: { row: { name: string } }, port: string, why: string): BrambleError =>
  new BrambleError("POWER_GUARDED", `port ${port} of ${device.row.name} is not switched: ${why}`, {
    hint: `bramble switch scan ${device.row.name} looks again; bramble switch guard ${device.row.name} ${port} --allow, or bind the node to its port`,
  });

/** More MACs than this behind a port: no board's, whatever else it says. */
const MOST_MACS = 4;

/** The port that a MAC hangs on: of all that report it, the one with the fewest MACs that is no up-link. */
export function portOfMac(ports: readonly PortFacts[], mac: string): PortFacts | undefined {
  return ports
    .filter(({ macs, neighbour }) => macs.includes(mac) && macs.length <= MOST_MACS && !neighbour?.isBridge)
    .sort((a, b) => a.macs.length - b.macs.length)[0];
}
