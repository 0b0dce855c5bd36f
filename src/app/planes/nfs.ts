// The NFS plane: one thread that owns the trees of all nodes with NFS roots and serves them. Others look into them by message.
import { parentPort, workerData } from "node:worker_threads";
import { BrambleError } from "../../base/errors.ts";
import { type NfsEvent, serveNfs } from "../../serve/nfs.ts";
import type { NodeTree } from "../../storage/trees/node-tree.ts";
import { openTrees } from "../../storage/trees/trees.ts";
import { countedTree } from "./counted-tree.ts";
import { faults } from "./faults.ts";
import type { Binding, MountAnswer, NfsNews, NfsPlane, NfsPlaneGiven } from "./nfs-calls.ts";
import { NfsDesk } from "./nfs-desk.ts";
import { treeVerbs } from "./nfs-verbs.ts";
import { connect, type Handlers, Transfer } from "./rpc.ts";
import { blockTally, telling } from "./tally.ts";
import { treeImages } from "./tree-images.ts";
import { listIn, lookupIn, settleIn } from "./tree-look.ts";

type Args<N extends keyof NfsPlane> = Parameters<NfsPlane[N]>[0];

const port = parentPort;
if (!port) throw new BrambleError("INTERNAL", "the NFS plane runs in a worker thread only");
const { folder, images: data, durability } = workerData as NfsPlaneGiven;

const RPCBIND_PORT = 111;
/** The same trouble is told once in so long. */
const TROUBLE_MS = 10_000;
const MOST_TROUBLES = 100;

const tell = (news: NfsNews) => control.tell("nfs", news);
const tally = blockTally();
const images = treeImages(data);
const troubled = new Map<string, number>();

function trouble(error: BrambleError): void {
  const at = performance.now();
  if (at - (troubled.get(error.message) ?? Number.NEGATIVE_INFINITY) < TROUBLE_MS) return;
  if (troubled.size >= MOST_TROUBLES) troubled.clear();
  troubled.set(error.message, at);
  tell({ kind: "notice", why: `NFS roots: ${error.message}${error.hint ? ` (${error.hint})` : ""}` });
}

const opening = openTrees({ folder, durability, openLower: images.lower, trouble });
opening.then(
  ({ cut }) =>
    cut &&
    tell({
      kind: "notice",
      why: `NFS roots: the last batch of the journal was not whole, nothing of it was promised: ${cut.path} from byte ${cut.offset} on`,
    }),
  () => {}, // whoever asks for something gets the error
);

const desk = new NfsDesk<NodeTree>({
  trees: () => opening,
  served: (tree) => countedTree(tree, tally),
  mount: (wish) => control.call<MountAnswer>("mount", wish),
  refused: (address, why) => tell({ kind: "refused", address, why }),
});

/** What was refused at MOUNT the control side has told already, with its reason. */
function on({ kind, client, export: name, exportNumber, why, more }: NfsEvent): void {
  if (closing) return;
  if (kind === "denied" && why?.startsWith("MOUNT was refused")) return;
  const id = name ?? desk.nameOf(exportNumber);
  tell({
    ...{ kind, address: client.address },
    ...(id !== undefined && { id }),
    ...(why !== undefined && { why }),
    ...(more !== undefined && { more }),
  });
}

let closing = false;
const closers: (() => Promise<void>)[] = [];
const inside = async (id: string) => (await (await opening).tree(id)).inside;

/** The boot before has left files that were open and removed (.nfs…): nobody has them open any more. */
async function sweep(id: string): Promise<void> {
  const tree = await (await opening).tree(id);
  await tree.inside.sweep();
  await tree.settled();
}

const handlers = {
  ping: () => true,
  async listenNfs({ host, port: wanted, privileged, udp, rpcbind }: Args<"listenNfs">) {
    await desk.open();
    const server = await serveNfs({
      ...{ host, port: wanted, udp, on },
      ...(rpcbind && { rpcbind: RPCBIND_PORT }),
      mount: (path, client) => desk.mount(path, client, privileged),
      treeOf: (number, client) => desk.treeOf(number, client, privileged),
    });
    if (server.rpcbindFailed !== undefined)
      tell({ kind: "notice", why: `NFS roots: ${server.rpcbindFailed}` });
    desk.servers.push(server);
    closers.push(() => server.close());
    return { port: server.port };
  },
  createTree: async ({ id, image, quota }: Args<"createTree">) =>
    (await opening).create({ id, image, ...(quota !== undefined && { quota }) }),
  async removeTree({ id }: Args<"removeTree">) {
    await desk.unbind(id, "the tree is removed");
    await (await opening).remove(id);
  },
  async treeFacts({ id }: Args<"treeFacts">) {
    const { image, ownBytes, generation, durability } = (await opening).facts(id);
    return { image, ownBytes, generation, durability };
  },
  async setTreeDurability({ id, durability }: Args<"setTreeDurability">) {
    const trees = await opening;
    await trees.setDurability(id, durability ?? undefined);
    await trees.makeLasting(id);
  },
  setTreeQuota: async ({ id, bytes }: Args<"setTreeQuota">) =>
    (await opening).setQuota(id, bytes ?? undefined),
  lookupIn: async ({ id, path }: Args<"lookupIn">) => lookupIn(await inside(id), path),
  listIn: async ({ id, path }: Args<"listIn">) => listIn(await inside(id), path),
  async openIn({ id, path }: Args<"openIn">) {
    const file = await (await inside(id)).open(path);
    if (!file) return undefined;
    const { ino, size, untouched } = file;
    return { ino, size, ...(untouched && { identity: `${(await opening).facts(id).image} ${ino}` }) };
  },
  async readIn({ id, ino, offset, length }: Args<"readIn">) {
    const file = await (await inside(id)).open(ino);
    if (!file) throw new BrambleError("FILE_UNKNOWN", "the file has gone while it was read");
    const bytes = new Uint8Array(length);
    await file.read(bytes, offset);
    return new Transfer(bytes, [bytes.buffer]);
  },
  async settleTree({ id, steps }: Args<"settleTree">) {
    const trees = await opening;
    const tree = await trees.tree(id);
    await settleIn(tree.inside, steps);
    await tree.settled();
    // the book says from now on that it was done
    if (trees.facts(id).durability === "fast") await trees.makeLasting(id);
  },
  ...treeVerbs({ trees: () => opening, lower: images.lower, isUsed: (id) => desk.isUsed(id), folder }),
  async bind(binding: Binding) {
    const trees = await opening.catch(() => undefined); // whoever uses the tree gets the error
    await trees?.setDurability(binding.id, binding.durability);
    const answer = await desk.bind(binding);
    if (answer.ended) await sweep(binding.id);
    return answer;
  },
  unbind: ({ id, why }: Args<"unbind">) => desk.unbind(id, why),
  async close() {
    closing = true; // that we stop is no news of a node
    await Promise.all(closers.map((close) => close()));
    const trees = await opening.catch(() => undefined); // they never opened: there is nothing to close
    await trees?.close();
    await images.close();
  },
  ...faults(),
} satisfies Handlers;

const control = connect(port, handlers);
telling(tally.take, (counts) => control.tell("counts", counts));
