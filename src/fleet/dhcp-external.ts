// Mode off: what to paste into somebody else's DHCP server so that Raspberry Pis boot from us.
import { parseIpv4 } from "../base/addresses.ts";
import { hex } from "../base/text.ts";
import { raspberryBootMenu } from "../wire/dhcp/option43.ts";

export type ExternalDhcp = "dnsmasq" | "kea" | "isc";

/** Lines of configuration; `server` is the address that our TFTP listens on. BAD_INPUT if it is no IPv4 address. */
export function externalDhcpConfig(kind: ExternalDhcp, server: string): string {
  parseIpv4(server);
  return CONFIG[kind](server);
}

const menu = (separator: string): string => hex(raspberryBootMenu()).replace(/..(?=.)/g, `$&${separator}`);

const CONFIG: Record<ExternalDhcp, (server: string) => string> = {
  // The three spaces after the text are for the Pi 3's boot ROM; a tag keeps the menu from everybody else.
  dnsmasq: (server) => `# /etc/dnsmasq.d/bramble.conf
dhcp-vendorclass=set:bramble-pi,PXEClient:Arch:00000
dhcp-option-force=tag:bramble-pi,43,${menu(":")}
dhcp-option-force=tag:bramble-pi,60,PXEClient
dhcp-option-force=tag:bramble-pi,66,"${server}"
dhcp-boot=tag:bramble-pi,bootcode.bin,,${server}
# The Pi 3's boot ROM loses answers that come too early:
dhcp-reply-delay=tag:bramble-pi,2
`,
  kea: (server) => `// /etc/kea/kea-dhcp4.conf, inside "Dhcp4"
"client-classes": [
  {
    "name": "bramble-pi",
    "test": "substring(option[60].hex,0,20) == 'PXEClient:Arch:00000'",
    "next-server": "${server}",
    "option-def": [{ "name": "vendor-encapsulated-options", "code": 43, "type": "binary" }],
    "option-data": [
      { "name": "vendor-encapsulated-options", "data": "${menu("")}", "csv-format": false, "always-send": true },
      { "name": "vendor-class-identifier", "data": "PXEClient", "always-send": true },
      { "name": "tftp-server-name", "data": "${server}", "always-send": true }
    ]
  }
]
`,
  isc: (server) => `# /etc/dhcp/dhcpd.conf
class "bramble-pi" {
  match if substring(option vendor-class-identifier, 0, 20) = "PXEClient:Arch:00000";
  next-server ${server};
  option vendor-encapsulated-options ${menu(":")};
  option vendor-class-identifier "PXEClient";
  option tftp-server-name "${server}";
}
`,
};
