// Bramble on loopback for virtual boards, as a process of its own that can be killed: loopback-main JSON
import { rmSync } from "node:fs";
import { join } from "node:path";
import { startCommanded } from "../../src/app/cli/up.ts";
import { toUtf8 } from "../../src/base/text.ts";
import { memoryFile } from "../../src/fleet/boot-tree.ts";
import { makeDemoImage } from "../../src/storage/demo-image.ts";
import type { LoopbackOrder } from "./loopback.ts";

const { data, ports } = JSON.parse(process.argv[2] ?? "") as LoopbackOrder;
const server = await startCommanded({
  data,
  interfaces: [
    {
      address: "127.0.0.1",
      subnet: "127.0.0.0/8",
      mode: "full",
      pool: { from: "127.77.0.10", to: "127.77.7.250" },
    },
  ],
  ports: { dhcp: 0, dhcpClient: 0, proxy: 0, tftp: 0, agent: 0, nbd: 0, iscsi: 0, ...ports },
  hosts: ["127.0.0.1"],
  operator: { host: "127.0.0.1", port: 0 },
  enrol: "auto",
  agent: { ...memoryFile(toUtf8("virtual boards run no kernel")), identity: "virtual" },
  say: (words) => console.log(words),
});
if ((await server.commands.images({})).length === 0) {
  const source = join(data, "demo-1.img");
  await makeDemoImage(source);
  await server.commands.addImage({ source });
  rmSync(source);
}
const { dhcp, tftp, agent, nbd, iscsi } = server.ports;
const open = { dhcp: dhcp[0]?.dhcp ?? 0, proxy: dhcp[0]?.proxy ?? 0, tftp: tftp[0] ?? 0, agent, nbd, iscsi };
console.log(`READY ${JSON.stringify(open)}`);
process.once("SIGTERM", () => void server.close().then(() => process.exit(0)));
