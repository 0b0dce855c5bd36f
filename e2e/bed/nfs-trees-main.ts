// Trees over NFS as a process of its own: nfs-trees-main JSON. With a disk in memory, a line of standard input cuts its power for so many seconds, or
// names what its syncs lie about from then on.
import { statSync } from "node:fs";
import { createInterface } from "node:readline";
import { setTimeout } from "node:timers/promises";
import { type NfsExport, serveNfs } from "../../src/serve/nfs.ts";
import { Die } from "../../src/storage/testing/die.ts";
import { type Host, theHost } from "../../src/storage/trees/host.ts";
import { openImageLower } from "../../src/storage/trees/lower-image.ts";
import { NodeTree } from "../../src/storage/trees/node-tree.ts";
import { openHouse } from "../../src/storage/trees/open-house.ts";
import { MemoryHost } from "../../src/storage/trees/testing/memory-host.ts";
import { STATUS } from "../../src/wire/nfs/status.ts";
import { type Lie, type TreesOrder, treePath } from "./nfs-trees.ts";

const order = JSON.parse(process.argv[2] ?? "") as TreesOrder;
const { folder, image, host: address, port, nodes, durability } = order;
const IMAGE = "0".repeat(64);
const { lower } = await openImageLower(image, { root: { offset: 0, size: statSync(image).size } });
const trouble = (error: Error) => console.error(`TROUBLE ${error.message}`);

let last = 0n;
function now() {
  const clock = BigInt(Date.now()) * 1_000_000n;
  last = clock > last ? clock : last + 1n;
  return { s: Number(last / 1_000_000_000n), ns: Number(last % 1_000_000_000n) };
}

/** The function that it gives ends the server, not what it stands on. */
async function serve(host: Host): Promise<() => Promise<void>> {
  const { house } = await openHouse<NodeTree>({
    host,
    folder,
    durability,
    trouble,
    nowMs: () => Date.now(),
    build: async ({ upper, keep }) => new NodeTree({ upper, keep, now, trouble, lower }),
  });
  const known = new Set(house.ids());
  for (let number = 0; number < nodes; number++) {
    const id = `node-${number}`;
    if (!known.has(id)) await house.create({ id, image: IMAGE });
    await house.tree(id);
  }
  const exports: NfsExport[] = [];
  /** A tree that nobody uses for a while leaves memory: each use asks for it. */
  function exportOf(number: number): NfsExport | Promise<NfsExport> {
    const id = `node-${number}`;
    const tree = house.tree(id);
    if (tree instanceof Promise) return tree.then(() => exportOf(number));
    const now = exports[number];
    if (now?.tree === tree) return now;
    const { generation } = house.facts(id);
    const made = { name: id, tree, handles: { export: number, generation, salt: 1000 + number } };
    exports[number] = made;
    return made;
  }
  const server = await serveNfs({
    host: address,
    port,
    udp: order.old,
    ...(order.old && { rpcbind: 111 }),
    async mount(path) {
      for (let number = 0; number < nodes; number++) {
        const own = treePath(number);
        if (path === own || path.startsWith(`${own}/`))
          return { exported: await exportOf(number), below: path.slice(own.length) };
      }
      return STATUS.NOENT;
    },
    treeOf: (number) => (number < nodes ? exportOf(number) : STATUS.STALE),
    on: ({ kind, client, why }) =>
      kind !== "mounted" && console.log(`${kind} ${client.address} ${why ?? ""}`),
  });
  return () => server.close();
}

let disk = order.memory ? new MemoryHost() : undefined;
let end = await serve(disk ?? theHost);
console.log("READY");
/** docs/trees.md has the names of the files. */
const LIES: Record<Lie, RegExp> = { journal: /\/journal\.\d+$/, data: /\/data\.\d+\// };
let cuts = 0;
const luck = new Die(20_261);
for await (const line of createInterface({ input: process.stdin })) {
  if (!disk) continue;
  if (line === "journal" || line === "data") {
    disk.lies = (path) => LIES[line].test(path);
    console.log(`LIES ABOUT ${line}`);
    continue;
  }
  const after = disk.afterPowerCut(luck);
  after.lies = disk.lies;
  disk.afterKill(); // the old process does nothing any more
  disk = after;
  await end();
  await setTimeout(Number(line) * 1000);
  end = await serve(disk);
  console.log(`UP AGAIN ${++cuts}`);
}
