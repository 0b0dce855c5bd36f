// The process that is killed: does what it is told to trees on a real disk, and tells what was settled.
import { type Credentials, STABLE } from "../../../wire/nfs/tree.ts";
import { emptyLower } from "../keep-testing.ts";
import { openTrees } from "../trees.ts";
import { fill } from "./kill-bytes.ts";

export interface KillOrder {
  number: number;
  tree: string;
  do: "write" | "loose" | "rename" | "truncate" | "remove" | "snapshot" | "checkpoint";
  name: string;
  to: string;
  /** Of sectors of 512 bytes; the value they get. */
  first: number;
  count: number;
}

const [folder = "", durability = ""] = process.argv.slice(2);
const ROOT: Credentials = { uid: 0, gid: 0, gids: [] };
const trees = await openTrees({
  folder,
  durability: durability === "fast" ? "fast" : "durable",
  openLower: async () => emptyLower(),
  trouble: (error) => {
    console.error(error);
    process.exit(1);
  },
  limits: { roundMs: 20, journalBytes: 1 << 20 },
});
if (durability === "both") await trees.setDurability("n2", "fast");

async function obey({ number, tree: id, name, to, first, count, ...order }: KillOrder): Promise<void> {
  const verb =
    order.do === "snapshot"
      ? trees.snapshot(id, name)
      : order.do === "checkpoint"
        ? trees.checkpoint()
        : undefined;
  if (verb) return verb;
  const tree = await trees.tree(id);
  const { root } = tree;
  const made = await tree.create(ROOT, root, name, { how: "unchecked", set: {} });
  if (typeof made === "number") throw new Error(`create: ${made}`);
  const { ino } = made.made;
  if (order.do === "rename")
    await tree.rename(ROOT, { directory: root, name }, { directory: root, name: to });
  else if (order.do === "remove") await tree.remove(ROOT, root, name);
  else if (order.do === "truncate") await tree.setattr(ROOT, ino, { size: first * 512 });
  else {
    const stable = order.do === "write" ? STABLE.fileSync : STABLE.unstable;
    await tree.write(ROOT, ino, first * 512, fill(count, number), stable);
    if (order.do === "loose") await tree.commit(ino, 0, 0);
  }
  await tree.settled();
}

process.on("message", (order: KillOrder) => {
  obey(order).then(
    () => process.send?.({ done: order.number }),
    (error) => {
      console.error(error);
      process.exit(1);
    },
  );
});
process.on("disconnect", () => process.exit(1));
process.send?.({ ready: true });
