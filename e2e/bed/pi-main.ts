// A virtual Pi's own process, inside its network namespace: pi-main FILE.json
import { readFileSync, writeFileSync } from "node:fs";
import type { VirtualPi } from "../../src/sim/board.ts";
import { bootPi } from "../../src/sim/pi.ts";
import { rawNet } from "../../src/sim/raw-net.ts";

interface Order {
  pi: VirtualPi;
  out: string;
}

const { pi, out } = JSON.parse(readFileSync(process.argv[2] ?? "", "utf8")) as Order;
// frame by frame: a board takes an answer to an address that it does not have yet, which a kernel's socket does not
const net = rawNet({ interface: "eth0" });
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
