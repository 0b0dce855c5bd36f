// The iSCSI server over clones, in a process of its own: servers/iscsi.ts TARGET CLONE... Says "ready {port}".
// A single clone is LUN 1 of TARGET, several are LUN 1 of TARGET-0, TARGET-1...
import { serveIscsi } from "../../src/serve/iscsi.ts";
import { openClone } from "../../src/storage/clones/clone.ts";
import { LogicalUnit } from "../../src/wire/scsi/unit.ts";
import { countFdatasyncs } from "../harness/syncs.ts";

const [target, ...paths] = process.argv.slice(2);
if (target === undefined || paths[0] === undefined) throw new Error("which clones, as which target?");
const writeCount = countFdatasyncs(paths[0]);
const disks = await Promise.all(paths.map((path) => openClone(path)));
const session = { opened() {}, closed() {} };
const targets = new Map(
  disks.map((disk, i) => {
    const name = disks.length === 1 ? target : `${target}-${i}`;
    const unit = new LogicalUnit({
      size: disk.size,
      blockSize: 512,
      physicalBlock: 4096,
      readOnly: false,
      product: "CLONE",
      serial: `bench-${i}`,
      naa: 0x3000_0000_0000_0001n + BigInt(i),
    });
    return [name, { name, luns: new Map([[1, { unit, disk }]]), session }] as const;
  }),
);
const server = await serveIscsi({
  host: "127.0.0.1",
  port: 0,
  find: (name) => targets.get(name) ?? { refused: "no such target" },
  discover: () => [...targets.keys()],
  on: (event) => event.kind === "error" && console.error(event.why),
});
process.once("SIGTERM", async () => {
  writeCount();
  await server.close();
  await Promise.all(disks.map((disk) => disk.close()));
});
console.log(`ready ${JSON.stringify({ port: server.port })}`);
