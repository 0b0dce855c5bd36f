// The trees of nodes with root mode nfs: which there are, who they were made for, and how they are made theirs.
import { BrambleError } from "../base/errors.ts";
import type { Tree } from "../base/tree.ts";
import type { NfsDurability } from "../fleet/nfs-root.ts";
import type { Node } from "../fleet/node.ts";
import { settle } from "../fleet/settle.ts";
import type { ImageFacts } from "../storage/images/inspect.ts";
import { kernelsIn } from "../storage/images/inspect.ts";
import type { ImageManifest } from "../storage/images/manifest.ts";
import { findImage } from "../storage/images.ts";
import { bootFolder } from "./boot-folder.ts";
import type { BootSource } from "./boot-source.ts";
import type { Core } from "./core.ts";
import type { NfsCalls } from "./planes/nfs-calls.ts";
import type { Plane } from "./planes/spawn.ts";

/** A node's tree, as the book knows it. */
export interface NodeTree {
  image: ImageManifest;
  number: number;
  salt: number;
  made: boolean;
}

export interface NodeTrees {
  /** Makes the node's tree where it has none, and settles it; one over another image than the node's stays until it is reset. */
  ensureTree(node: Node): Promise<NodeTree>;
  /** An ephemeral node's tree of this boot: made anew, once a boot, after `fence` has taken the old one from the boot before. */
  freshTree(node: Node, bootId: string, fence: () => Promise<void>): Promise<boolean>;
  /** Nothing of its own, over the image that the node is set to; its snapshots stay. Nobody may use it. */
  resetTree(node: Node): Promise<void>;
  /** Gives back whether there was one. */
  removeTree(node: Node): Promise<boolean>;
  /** From this boot on the node's tree is kept as its settings say; an event tells a change. Gives what they say. */
  applyTreeDurability(node: Node): Promise<NfsDurability | undefined>;
  /** Tells the NFS plane what a node's settings allow its tree, where it has one. */
  applyTreeQuota(node: Node): Promise<void>;
  /** What a board with an NFS root reads its boot files from: the boot folder of its own tree. */
  treeSource(node: Node): Promise<BootSource>;
}

/** `settled` of a tree that was reset, and not made its node's again yet. */
const AGAIN = 2;

const DURABILITY_WORDS = {
  durable: "its root is durable from this boot on: a change is answered when it is on the disk",
  fast: "its root is fast from this boot on: a change is on the disk up to a second after its answer",
  unset: "its root is kept as --nfs-durability of the server says, from this boot on",
} as const;

type Parts = Pick<Core, "data" | "book" | "registry" | "journal" | "imageOf" | "newSecret"> & {
  trees: Plane<NfsCalls>;
};

/** Where an image's boot partition shows in the tree. */
const bootFolderOf = async (root: Tree): Promise<string> =>
  (await root.lookup("boot/firmware"))?.kind === "directory" ? "boot/firmware" : "boot";

/** Throws NFS_IMAGE where an image's root cannot be served as files. */
export function checkTreeImage({ name, version, facts }: ImageManifest): void {
  const root = rootOf(facts);
  if (root?.filesystem === "ext4") return;
  throw new BrambleError(
    "NFS_IMAGE",
    root
      ? `the root partition of ${name}:${version} is ${root.filesystem}: an NFS root needs ext4`
      : `${name}:${version} has no root partition that Bramble can read`,
    { hint: "root iscsi and nbd take any file system; ram takes squashfs" },
  );
}

const rootOf = (facts: ImageFacts) => facts.partitions.find((p) => p.number === facts.rootPartition);

/** A node's tree as base/tree.ts has trees, read by message. */
export function treeByMessage(trees: Plane<NfsCalls>, id: string): Tree {
  return {
    lookup: (path) => trees.call("lookupIn", { id, path }),
    list: (path) => trees.call("listIn", { id, path }),
    async open(path) {
      const found = await trees.call("openIn", { id, path });
      if (!found) return undefined;
      const { ino, size, identity } = found;
      return {
        size,
        ...(identity !== undefined && { identity }),
        async read(into, offset) {
          into.set(await trees.call("readIn", { id, ino, offset, length: into.length }));
        },
      };
    },
  };
}

export function nodeTrees(core: Parts): NodeTrees {
  const { data, book, registry, journal, trees } = core;
  const making = new Map<string, Promise<NodeTree>>();

  const rowOf = (nodeId: string) =>
    book.selectFrom("tree").selectAll().where("nodeId", "=", nodeId).executeTakeFirst();

  async function make(node: Node, bootId?: string): Promise<NodeTree> {
    const { id } = node;
    if ((await rowOf(id))?.settled === AGAIN) await settleTree(node);
    const row = await rowOf(id);
    if (row?.settled) {
      const { number, salt, imageSha } = row;
      return { image: await findImage(data.root, imageSha), number, salt, made: false };
    }
    const image = await core.imageOf(node);
    checkTreeImage(image);
    // of a run that was killed before it was settled
    await trees.call("removeTree", { id });
    await book.deleteFrom("tree").where("nodeId", "=", id).execute();
    const salt = Number.parseInt(core.newSecret().slice(0, 8), 16);
    const { number } = await book
      .insertInto("tree")
      .values({
        ...{ nodeId: id, salt, imageSha: image.sha256, createdMs: Date.now() },
        ...{ bootId: bootId ?? null, settled: 0, durability: registry.resolve(node).nfsDurability ?? null },
      })
      .returning("number")
      .executeTakeFirstOrThrow();
    const { quota } = registry.resolve(node);
    await trees.call("createTree", { id, image: image.sha256, ...(quota !== undefined && { quota }) });
    const told = await settleTree(node);
    const words = told.length > 0 ? `: ${told.join("; ")}` : "";
    journal.event("tree", id, `a tree over ${image.name}:${image.version} was made for it${words}`);
    return { image, number, salt, made: true };
  }

  /** Says what was done. */
  async function settleTree(node: Node): Promise<string[]> {
    const { id } = node;
    const board = node.serial?.slice(-8) ?? node.mac;
    const { steps, told } = await settle(treeByMessage(trees, id), {
      name: node.name,
      machineId: core.newSecret().slice(0, 32),
      ...(board !== undefined && { board }),
    });
    await trees.call("settleTree", { id, steps });
    const { image } = await trees.call("treeFacts", { id });
    await book.updateTable("tree").set({ settled: 1, imageSha: image }).where("nodeId", "=", id).execute();
    return told;
  }

  /** Nothing of its own, over the image that the node is set to; its snapshots stay. A kill in between is put right at the node's next boot. */
  async function resetTree(node: Node): Promise<void> {
    const { id } = node;
    const image = await core.imageOf(node);
    checkTreeImage(image);
    const where = () => book.updateTable("tree").where("nodeId", "=", id);
    await where().set({ settled: AGAIN }).execute();
    await trees.call("resetTree", { id, image: image.sha256 });
    await settleTree(node);
    await where().set({ createdMs: Date.now() }).execute();
  }

  /** One at a time for a node: two requests at once must not make two. */
  function ensureTree(node: Node): Promise<NodeTree> {
    const current = making.get(node.id);
    if (current) return current;
    const promise = make(node).finally(() => making.get(node.id) === promise && making.delete(node.id));
    making.set(node.id, promise);
    return promise;
  }

  /** A tree whose row says that it is not settled is made anew. */
  async function removeTree({ id }: Node): Promise<boolean> {
    const row = await rowOf(id);
    if (!row) return false;
    await book.updateTable("tree").set({ settled: 0 }).where("nodeId", "=", id).execute();
    await trees.call("removeTree", { id });
    await book.deleteFrom("tree").where("nodeId", "=", id).execute();
    return true;
  }

  async function freshen(node: Node, bootId: string, fence: () => Promise<void>): Promise<boolean> {
    const row = await rowOf(node.id);
    if (row?.bootId === bootId && row.settled) return false;
    if (row) {
      await fence();
      await removeTree(node);
    }
    await make(node, bootId);
    return true;
  }

  return {
    ensureTree,
    removeTree,
    resetTree,
    async freshTree(node, bootId, fence) {
      if (!registry.resolve(node).ephemeral) return false;
      const before = making.get(node.id);
      const promise = (async () => {
        await before?.catch(() => {}); // told to whoever asked for it
        return freshen(node, bootId, fence);
      })();
      const tree = promise
        .then(() => make(node))
        .finally(() => making.get(node.id) === tree && making.delete(node.id));
      tree.catch(() => {}); // told below
      making.set(node.id, tree);
      return promise;
    },
    async applyTreeDurability(node) {
      const { id } = node;
      const { nfsDurability } = registry.resolve(node);
      const durability = nfsDurability ?? null;
      const row = await rowOf(id);
      if (row && row.durability !== durability) {
        await trees.call("setTreeDurability", { id, durability }); // first: a kill in between has it done again
        await book.updateTable("tree").set({ durability }).where("nodeId", "=", id).execute();
        journal.event("tree", id, DURABILITY_WORDS[nfsDurability ?? "unset"]);
      }
      return nfsDurability;
    },
    async applyTreeQuota(node) {
      if (!(await rowOf(node.id))) return;
      const { quota } = registry.resolve(node);
      await trees.call("setTreeQuota", { id: node.id, bytes: quota ?? null });
    },
    async treeSource(node) {
      const { image, made } = await ensureTree(node);
      const root = treeByMessage(trees, node.id);
      const boot = bootFolder(root, await bootFolderOf(root));
      return {
        path: `tree ${node.id}`,
        image,
        made,
        rootTree: async () => root,
        kernels: () => kernelsIn(boot, root),
        // file by file: what is the image's has an identity
        bootFiles: async () => ({ tree: boot, untouched: false }),
      };
    },
  };
}
