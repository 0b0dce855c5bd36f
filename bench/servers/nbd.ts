// The NBD server over clones, in a process of its own: servers/nbd.ts CLONE... Says "ready {port}". Exports: "0", "1"...; "" is the first.
import { serveNbd } from "../../src/serve/nbd.ts";
import { openClone } from "../../src/storage/clones/clone.ts";
import { countFdatasyncs } from "../harness/syncs.ts";

const paths = process.argv.slice(2);
if (paths[0] === undefined) throw new Error("which clones?");
const writeCount = countFdatasyncs(paths[0]);
const disks = await Promise.all(paths.map((path) => openClone(path)));
const session = { opened() {}, closed() {} };
const server = await serveNbd({
  host: "127.0.0.1",
  port: 0,
  find: (name) => {
    const disk = disks[name === "" ? 0 : Number(name)];
    return disk && { disk, readOnly: false, name: `clone ${name}`, session };
  },
  on: (event) => event.kind === "error" && console.error(event.why),
});
process.once("SIGTERM", async () => {
  writeCount();
  await server.close();
  await Promise.all(disks.map((disk) => disk.close()));
});
console.log(`ready ${JSON.stringify({ port: server.port })}`);
