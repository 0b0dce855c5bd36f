// The iSCSI server over one clone, in a process of its own: servers/iscsi.ts CLONE TARGET. Says "ready {port}".
import { serveIscsi } from "../../src/serve/iscsi.ts";
import { openClone } from "../../src/storage/clones/clone.ts";
import { LogicalUnit } from "../../src/wire/scsi/unit.ts";

const [path, target] = process.argv.slice(2);
if (path === undefined || target === undefined) throw new Error("which clone, as which target?");
const disk = await openClone(path);
const unit = new LogicalUnit({
  size: disk.size,
  blockSize: 512,
  physicalBlock: 4096,
  readOnly: false,
  product: "CLONE",
  serial: "bench",
  naa: 0x3000_0000_0000_0001n,
});
const session = { opened() {}, closed() {} };
const server = await serveIscsi({
  host: "127.0.0.1",
  port: 0,
  find: (name) =>
    name === target ? { name, luns: new Map([[1, { unit, disk }]]), session } : { refused: "no such target" },
  discover: () => [target],
  on: (event) => event.kind === "error" && console.error(event.why),
});
process.once("SIGTERM", async () => {
  await server.close();
  await disk.close();
});
console.log(`ready ${JSON.stringify({ port: server.port })}`);
