// A virtual Pi's own process, inside its network namespace: pi-main FILE.json
import { readFileSync, writeFileSync } from "node:fs";
import type { VirtualPi } from "../../src/sim/board.ts";
import { bootPi } from "../../src/sim/pi.ts";
import { realNet } from "../../src/sim/real-net.ts";
import { sh } from "./commands.ts";

interface Order {
  pi: VirtualPi;
  server: string;
  out: string;
}

const { pi, server, out } = JSON.parse(readFileSync(process.argv[2] ?? "", "utf8")) as Order;
const prefix = (mask: string) =>
  mask.split(".").reduce((sum, part) => sum + Number(part).toString(2).replaceAll("0", "").length, 0);
const net = realNet({
  address: "0.0.0.0",
  server,
  broadcast: true,
  async configure({ address, mask, router }) {
    await sh("ip addr flush dev eth0");
    await sh(`ip addr add ${address}/${prefix(mask)} dev eth0`);
    await sh(`ip route replace default ${router ? `via ${router} ` : ""}dev eth0`);
  },
});
const boot = await bootPi(pi, net, { keepBytes: true });
for (const what of ["kernel", "initramfs", "cmdline"] as const) {
  const file = boot[what];
  if (file?.bytes) writeFileSync(`${out}.${what}`, file.bytes);
  delete file?.bytes;
}
const files = Object.fromEntries(
  [...boot.files].map(([name, { path, size, sha256 }]) => [name, { path, size, sha256 }]),
);
const { files: _, dtb, ...rest } = boot;
delete dtb?.bytes;
writeFileSync(`${out}.boot.json`, JSON.stringify({ boot: { ...rest, dtb }, files }));
process.exit(0);
