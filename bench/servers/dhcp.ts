// The DHCP server in full mode, leases on disk, in a process of its own: servers/dhcp.ts JSON. Says "ready {port}".
import { type DhcpInterface, serveDhcp } from "../../src/serve/dhcp.ts";
import { openLeases } from "../../src/storage/leases.ts";

const { journal, port, ...on } = JSON.parse(process.argv[2] ?? "{}") as DhcpInterface & {
  journal: string;
  port: number;
};
const leases = await openLeases(journal);
const server = await serveDhcp({
  interfaces: [on],
  port,
  proxyPort: 0,
  leases,
  ask: () => ({ answer: true, reason: "measured" }),
  on() {},
});
process.once("SIGTERM", async () => {
  await server.close();
  await leases.close();
  process.exit(); // so that --cpu-prof writes its file
});
console.log(`ready ${JSON.stringify({ port: server.ports[0]?.dhcp })}`);
