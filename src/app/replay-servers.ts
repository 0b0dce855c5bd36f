import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { memoryFile } from "../fleet/boot-tree.ts";
import { serveDhcp } from "../serve/dhcp.ts";
import { serveTftp } from "../serve/tftp.ts";
import { realNet } from "../sim/real-net.ts";
import type { StartServers } from "../sim/replay.ts";
import { openLeases } from "../storage/leases.ts";

/** Our own DHCP and TFTP servers on loopback, with exactly a trace's files and one board to serve. */
export const replayServers: StartServers = async ({ files }, pi) => {
  const folder = await mkdtemp(join(tmpdir(), "bramble-replay-"));
  const leases = await openLeases(join(folder, "leases.journal"));
  const dhcp = await serveDhcp({
    interfaces: [
      {
        address: "127.0.0.1",
        subnet: "127.0.0.0/8",
        mode: "full",
        pool: { from: "127.78.0.10", to: "127.78.0.20" },
      },
    ],
    port: 0,
    proxyPort: 0,
    ask: (sender) =>
      sender.mac === pi.mac
        ? { answer: true, nodeId: pi.serial, reason: "the board of the trace" }
        : { answer: false, reason: "not the board of the trace" },
    leases,
    on: () => {}, // the board's requests are what is compared
  });
  const tftp = await serveTftp({
    host: "127.0.0.1",
    port: 0,
    async find(path) {
      const bytes = files.get(path);
      return bytes && memoryFile(bytes);
    },
    on: () => {},
  });
  return {
    net: realNet({
      address: "127.78.0.2",
      server: "127.0.0.1",
      dhcpPort: dhcp.ports[0]?.dhcp ?? 0,
      tftpPort: tftp.port,
    }),
    async close() {
      await dhcp.close();
      await tftp.close();
      await leases.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
};
