// The NBD server over one clone, in a process of its own: servers/nbd.ts CLONE. Says "ready {port}".
import { serveNbd } from "../../src/serve/nbd.ts";
import { openClone } from "../../src/storage/clones/clone.ts";

const path = process.argv[2];
if (path === undefined) throw new Error("which clone?");
const disk = await openClone(path);
const session = { opened() {}, closed() {} };
const server = await serveNbd({
  host: "127.0.0.1",
  port: 0,
  find: (name) => (name === "" ? { disk, readOnly: false, name: "clone", session } : undefined),
  on: (event) => event.kind === "error" && console.error(event.why),
});
process.once("SIGTERM", async () => {
  await server.close();
  await disk.close();
});
console.log(`ready ${JSON.stringify({ port: server.port })}`);
