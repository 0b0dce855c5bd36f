// What a whole Bramble on loopback is started with: free ports everywhere, a stand-in for the agent, nothing said aloud.
import type { ServerSettings } from "../src/app/server.ts";
import { toUtf8 } from "../src/base/text.ts";
import { memoryFile } from "../src/fleet/boot-tree.ts";

export const FREE_PORTS = { dhcp: 0, dhcpClient: 0, proxy: 0, tftp: 0, agent: 0, nbd: 0, iscsi: 0 };

/** `pool`: the addresses that its DHCP gives. */
export const onLoopback = (
  data: string,
  more: Partial<Omit<ServerSettings, "failed">> & { pool?: { from: string; to: string } } = {},
): Omit<ServerSettings, "failed"> => {
  const { pool = { from: "127.79.0.10", to: "127.79.0.99" }, ...rest } = more;
  const base: Omit<ServerSettings, "failed"> = {
    data,
    interfaces: [{ address: "127.0.0.1", subnet: "127.0.0.0/8", mode: "full", pool }],
    ports: FREE_PORTS,
    hosts: ["127.0.0.1"],
    logs: { syslog: 0, netconsole: 0 },
    operator: { host: "127.0.0.1", port: 0 },
    enrol: "auto",
    agent: { ...memoryFile(toUtf8("AGENT")), identity: "test-agent" },
    say() {},
  };
  return Object.assign(base, rest);
};
