// The address plan for somebody else's DHCP server: a line for each node, to paste.
import type { ExternalDhcp } from "./dhcp-external.ts";

export interface PlannedHost {
  name: string;
  mac: string;
  address: string;
}

/** Host name of a node's management interface. */
export const managementName = (node: string): string => `${node.slice(0, 58)}-mgmt`;

const LINE: Record<ExternalDhcp, (host: PlannedHost) => string> = {
  dnsmasq: ({ mac, address, name }) => `dhcp-host=${mac},${address},${name}`,
  isc: ({ mac, address, name }) =>
    `host ${name} { hardware ethernet ${mac}; fixed-address ${address}; option host-name "${name}"; }`,
  kea: ({ mac, address, name }) =>
    `  { "hw-address": "${mac}", "ip-address": "${address}", "hostname": "${name}" }`,
};
const AROUND: Record<ExternalDhcp, (lines: string[]) => string[]> = {
  dnsmasq: (lines) => ["# /etc/dnsmasq.d/bramble-hosts.conf", ...lines],
  isc: (lines) => ["# /etc/dhcp/dhcpd.conf", ...lines],
  kea: (lines) => [
    "// /etc/kea/kea-dhcp4.conf, inside the subnet",
    '"reservations": [',
    lines.join(",\n"),
    "]",
  ],
};

/** Names, MACs and addresses are of our own making: host names, hex and dotted quads, with nothing to quote. */
export const hostLines = (kind: ExternalDhcp, hosts: readonly PlannedHost[]): string =>
  `${AROUND[kind](hosts.map(LINE[kind]))
    .filter((line) => line !== "")
    .join("\n")}\n`;
