// A whole Bramble on loopback with a fleet in its book: node api.js DATA NODES. Ready with its ports and a token.
import { rmSync } from "node:fs";
import { join } from "node:path";
import { startCommanded } from "../../src/app/cli/up.ts";
import { toUtf8 } from "../../src/base/text.ts";
import { memoryFile } from "../../src/fleet/boot-tree.ts";
import { makeDemoImage } from "../../src/storage/demo-image.ts";

const [data = "", nodes = "1000"] = process.argv.slice(2);
rmSync(data, { recursive: true, force: true });
const server = await startCommanded({
  data,
  interfaces: [
    {
      address: "127.0.0.1",
      subnet: "127.0.0.0/8",
      mode: "full",
      pool: { from: "127.77.0.10", to: "127.77.3.250" },
    },
  ],
  ports: { dhcp: 0, dhcpClient: 0, proxy: 0, tftp: 0, agent: 0, nbd: 0, iscsi: 0 },
  hosts: ["127.0.0.1"],
  logs: { syslog: 0, netconsole: 0 },
  operator: { host: "127.0.0.1", port: 0 },
  enrol: "auto",
  agent: { ...memoryFile(toUtf8("a stand-in for the agent")), identity: "stand-in" },
  say() {},
});
const source = join(data, "demo-1.img");
await makeDemoImage(source);
await server.commands.addImage({ source });
for (let n = 0; n < Number(nodes); n++)
  server.core.registry.see({ serial: (0x30000000 + n).toString(16) }, Date.now());
await server.core.registry.settled();
const { token } = await server.core.access.tokens.make({ name: "bench", role: "viewer" });
console.log(
  `ready ${JSON.stringify({
    port: server.ports.operator,
    token,
    dhcp: server.ports.dhcp[0]?.dhcp,
    tftp: server.ports.tftp[0],
  })}`,
);
process.once("SIGTERM", () => void server.close().then(() => process.exit(0)));
