// A whole Bramble on loopback with a fleet in its book: node api.js DATA NODES. Ready with its ports and a token.
import { rmSync } from "node:fs";
import { join } from "node:path";
import { startCommanded } from "../../src/app/cli/up.ts";
import { makeDemoImage } from "../../src/storage/demo-image.ts";
import { onLoopback } from "../../test/loopback.ts";

const [data = "", nodes = "1000"] = process.argv.slice(2);
rmSync(data, { recursive: true, force: true });
const server = await startCommanded(
  onLoopback(data, {
    pool: { from: "127.77.0.10", to: "127.77.3.250" },
  }),
);
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
