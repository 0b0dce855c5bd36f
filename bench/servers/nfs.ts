// The NFS server over trees, in a process of its own: servers/nfs.ts FOLDER durable|fast IMAGE NODES. Says "ready {port}".
// IMAGE is an ext4; the trees are /nodes/0, /nodes/1 and so on.
import { statSync } from "node:fs";
import { type NfsExport, serveNfs } from "../../src/serve/nfs.ts";
import { openImageLower } from "../../src/storage/trees/lower-image.ts";
import { openTrees } from "../../src/storage/trees/trees.ts";
import { STATUS } from "../../src/wire/nfs/status.ts";

const [folder = "", durability = "", image = "", nodes = "1"] = process.argv.slice(2);
const whole = { root: { offset: 0, size: statSync(image).size } };
const { lower } = await openImageLower(image, whole);
const trees = await openTrees({
  folder,
  durability: durability === "fast" ? "fast" : "durable",
  openLower: async () => lower,
  trouble: (error) => console.error(error.message),
});
const exported: NfsExport[] = [];
for (let number = 0; number < Number(nodes); number++) {
  await trees.create({ id: `node-${number}`, image: "0".repeat(64) });
  await trees.tree(`node-${number}`);
}
/** As Bramble does: a tree that nobody asks for leaves memory after five minutes. */
function exportOf(number: number): NfsExport | Promise<NfsExport> {
  const id = `node-${number}`;
  const tree = trees.tree(id);
  if (tree instanceof Promise) return tree.then(() => exportOf(number));
  const now = exported[number];
  if (now?.tree === tree) return now;
  const { generation } = trees.facts(id);
  const made = { name: id, tree, handles: { export: number, generation, salt: number } };
  exported[number] = made;
  return made;
}
const isOurs = (number: number): boolean => Number.isInteger(number) && number >= 0 && number < Number(nodes);
const server = await serveNfs({
  host: "127.0.0.1",
  port: 0,
  async mount(path) {
    const number = Number(path.slice("/nodes/".length));
    return isOurs(number) ? { exported: await exportOf(number) } : STATUS.NOENT;
  },
  treeOf: (number) => (isOurs(number) ? exportOf(number) : STATUS.STALE),
  on: (event) => event.kind === "error" && console.error(event.why),
  limits: { connections: 1024, connectionsPerAddress: 1024 },
});
process.once("SIGTERM", async () => {
  await server.close();
  await trees.close();
});
console.log(`ready ${JSON.stringify({ port: server.port })}`);
