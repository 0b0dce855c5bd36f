// Bramble on loopback for virtual boards, as a process of its own that can be killed: loopback-main JSON
import { rmSync } from "node:fs";
import { join } from "node:path";
import { startCommanded } from "../../src/app/cli/up.ts";
import { makeDemoImage } from "../../src/storage/demo-image.ts";
import { FREE_PORTS, onLoopback } from "../../test/loopback.ts";
import type { LoopbackOrder } from "./loopback.ts";

const { data, ports } = JSON.parse(process.argv[2] ?? "") as LoopbackOrder;
const server = await startCommanded(
  onLoopback(data, {
    pool: { from: "127.77.0.10", to: "127.77.7.250" },
    ports: { ...FREE_PORTS, ...ports },
    say: (words) => console.log(words),
  }),
);
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
