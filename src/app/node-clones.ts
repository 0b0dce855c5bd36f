import type { ReadableDisk } from "../base/disk.ts";
import { BrambleError } from "../base/errors.ts";
import type { Tree } from "../base/tree.ts";
import type { Node } from "../fleet/node.ts";
import { openExt4 } from "../formats/ext4.ts";
import { openFat } from "../formats/fat.ts";
import { readPartitions } from "../formats/partitions.ts";
import { slice } from "../formats/slice.ts";
import { fileDisk } from "../storage/disks.ts";
import { openFirmware } from "../storage/firmware.ts";
import { type ImageFacts, inspectImage } from "../storage/images/inspect.ts";
import { type ImageManifest, imageFile } from "../storage/images/manifest.ts";
import { findImage, listImages } from "../storage/images.ts";
import type { BootSource } from "./boot-source.ts";
import type { Core } from "./core.ts";

/** Which image a node is set to, and its disk over it. */
export interface NodeClones {
  /** The image that a node is set to. Throws where none is set or there is no such image. */
  imageOf(node: Node): Promise<ImageManifest>;
  /** Makes the node's clone where it has none; a clone over another image than the node's stays until it is reset. */
  ensureClone(node: Node): Promise<{ path: string; image: ImageManifest; made: boolean }>;
  /**
   * What a board reads its boot files from: its clone; for an ephemeral node the image itself, since the boot's own clone is made
   * when its agent has said who it is.
   */
  cloneDisk(node: Node): Promise<CloneDisk>;
  /** The same for any root mode: with root nfs it is the node's tree. */
  bootSource(node: Node): Promise<BootSource>;
  /** The firmware set that is laid under its boot files. */
  firmwareOf(node: Node): Promise<{ name: string; tree: Tree } | undefined>;
  /** An ephemeral node's clone of this boot: made anew, once a boot, after `fence` has taken the old one from the boot before. */
  freshClone(node: Node, bootId: string, fence: () => Promise<void>): Promise<boolean>;
  removeClone(node: Node): Promise<void>;
  /** Tells the disk plane what a node's settings allow its clone, where it has one. */
  applyQuota(node: Node): Promise<void>;
}

export interface CloneDisk extends BootSource {
  disk: ReadableDisk;
}

export function nodeClones(
  core: Pick<Core, "data" | "book" | "registry" | "disks">,
  treeSource?: (node: Node) => Promise<BootSource>,
): NodeClones {
  const { data, book, registry, disks } = core;
  const making = new Map<string, Promise<{ path: string; image: ImageManifest; made: boolean }>>();

  async function imageOf(node: Node): Promise<ImageManifest> {
    const reference = registry.resolve(node).image;
    if (reference) return findImage(data.root, reference);
    throw new BrambleError("IMAGE_UNKNOWN", `no image is set for ${node.name}`, {
      hint:
        (await listImages(data.root)).length > 0
          ? `bramble node set ${node.name} --image NAME:VERSION`
          : "bramble image add FILE|URL: the first one becomes everybody's",
    });
  }

  /** The clone's own file knows best: a rollback or rebase may have been killed before the book heard of it. */
  async function imageUnder(path: string, row: { nodeId: string; imageSha: string }): Promise<string> {
    const { images } = await disks.call("facts", { path });
    const imageSha = images[0] ?? row.imageSha;
    if (imageSha !== row.imageSha)
      await book.updateTable("clone").set({ imageSha }).where("nodeId", "=", row.nodeId).execute();
    return imageSha;
  }

  async function make(node: Node, bootId?: string) {
    const path = data.clone(node.id);
    const row = await book.selectFrom("clone").selectAll().where("nodeId", "=", node.id).executeTakeFirst();
    if (row) return { path, image: await findImage(data.root, await imageUnder(path, row)), made: false };
    const image = await imageOf(node);
    await disks.call("removeClone", { path }); // of a run that was killed between the file and its row
    await disks.call("createClone", {
      path,
      image: { path: imageFile(data.root, image.sha256), size: image.size, sha256: image.sha256 },
    });
    await book
      .insertInto("clone")
      .values({ nodeId: node.id, imageSha: image.sha256, createdMs: Date.now(), bootId: bootId ?? null })
      .execute();
    const { quota } = registry.resolve(node);
    if (quota !== undefined) await disks.call("setQuota", { path, bytes: quota });
    return { path, image, made: true };
  }

  /** The row first: a clone without its row is made anew. */
  async function removeClone(node: Node): Promise<void> {
    const row = await book.selectFrom("clone").selectAll().where("nodeId", "=", node.id).executeTakeFirst();
    await book.deleteFrom("clone").where("nodeId", "=", node.id).execute();
    try {
      await disks.call("removeClone", { path: data.clone(node.id) });
    } catch (error) {
      if (row) await book.insertInto("clone").values(row).execute();
      throw error;
    }
  }

  async function freshen(node: Node, bootId: string, fence: () => Promise<void>): Promise<boolean> {
    const row = await book.selectFrom("clone").selectAll().where("nodeId", "=", node.id).executeTakeFirst();
    if (row?.bootId === bootId) return false;
    if (row) {
      await fence();
      await removeClone(node);
    }
    await make(node, bootId);
    return true;
  }

  /** One at a time for a node: two requests at once must not make two. */
  function ensureClone(node: Node) {
    const current = making.get(node.id);
    if (current) return current;
    const promise = make(node).finally(() => making.get(node.id) === promise && making.delete(node.id));
    making.set(node.id, promise);
    return promise;
  }

  async function asImage(node: Node) {
    const image = await imageOf(node);
    return { path: imageFile(data.root, image.sha256), image, made: false };
  }

  async function cloneDisk(node: Node): Promise<CloneDisk> {
    const { ephemeral } = registry.resolve(node);
    const { path, image, made } = ephemeral ? await asImage(node) : await ensureClone(node);
    const disk: ReadableDisk = ephemeral
      ? fileDisk(path)
      : {
          size: (await disks.call("facts", { path })).size,
          async read(into, offset) {
            into.set(await disks.call("read", { path, offset, length: into.length }));
          },
        };
    const table = await readPartitions(disk);
    let looked: Promise<ImageFacts> | undefined;
    /** Of a clone they are its own: a kernel may have been upgraded inside the node. */
    const facts = () => {
      looked ??= ephemeral ? Promise.resolve(image.facts) : inspectImage(disk);
      return looked;
    };
    const partition = async (number: number | undefined) => {
      const found = table.partitions.find((p) => p.number === number);
      if (found) return found;
      throw new BrambleError(
        "FORMAT_VALUE",
        `the disk of ${node.name} has no ${number === undefined ? "root partition" : `partition ${number}`}`,
      );
    };
    return {
      path,
      image,
      made,
      disk,
      async rootTree() {
        const { offset, size } = await partition((await facts()).rootPartition);
        return openExt4(slice(disk, offset, size));
      },
      kernels: async () => (await facts()).kernels,
      async bootFiles() {
        if (image.facts.bootPartition === undefined) {
          throw new BrambleError("IMAGE_NO_BOOT", `${image.name}:${image.version} has no boot partition`, {
            hint: "bramble image show tells what was found in it",
          });
        }
        const boot = await partition(image.facts.bootPartition);
        const range = { path, offset: boot.offset, length: boot.size };
        return {
          tree: await openFat(slice(disk, boot.offset, boot.size)),
          untouched: ephemeral || !(await disks.call("owns", range)),
        };
      },
    };
  }

  return {
    imageOf,
    bootSource(node) {
      const { root, ephemeral } = registry.resolve(node);
      if (root === "nfs" && !ephemeral && treeSource) return treeSource(node);
      // its files are on another server; those that it boots by are the image's
      if (root === "external") return cloneDisk({ ...node, ephemeral: true });
      return cloneDisk(node);
    },
    cloneDisk,
    ensureClone,
    removeClone,
    async freshClone(node, bootId, fence) {
      if (!registry.resolve(node).ephemeral) return false;
      const before = making.get(node.id);
      const promise = (async () => {
        await before?.catch(() => {}); // told to whoever asked for it
        return freshen(node, bootId, fence);
      })();
      const clone = promise
        .then(() => make(node))
        .finally(() => making.get(node.id) === clone && making.delete(node.id));
      clone.catch(() => {}); // told below
      making.set(node.id, clone);
      return promise;
    },
    async applyQuota(node) {
      const row = await book
        .selectFrom("clone")
        .select("nodeId")
        .where("nodeId", "=", node.id)
        .executeTakeFirst();
      if (!row) return;
      const { quota } = registry.resolve(node);
      await disks.call("setQuota", { path: data.clone(node.id), bytes: quota ?? null });
    },
    async firmwareOf(node) {
      const name = registry.resolve(node).firmware;
      return name ? { name, tree: await openFirmware(data.root, name) } : undefined;
    },
  };
}
