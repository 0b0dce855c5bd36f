import { Readable } from "node:stream";
import type { Node } from "../fleet/node.ts";
import { openExt4 } from "../formats/ext4.ts";
import { slice } from "../formats/slice.ts";
import { fileDisk } from "../storage/disks.ts";
import { imageFile } from "../storage/images/manifest.ts";
import { tarOfTree } from "../storage/tar-tree.ts";
import type { Core } from "./core.ts";

const CHUNK = 1 << 20;

/** A node's root for its memory, fresh at every boot: the image's squashfs as it stands, or its ext4 as a tar. */
export const ramRoots = (core: Core) => async (node: Node) => {
  const image = await core.imageOf(node);
  const { facts } = image;
  const root = facts.partitions.find((p) => p.number === facts.rootPartition);
  if (!root) throw new Error(`${image.name}:${image.version} has no root partition`);
  const disk = slice(fileDisk(imageFile(core.data.root, image.sha256)), root.offset, root.size);
  if (root.filesystem !== "squashfs") {
    return { format: "tar" as const, stream: () => tarOfTree(() => openExt4(disk)) };
  }
  async function* bytes() {
    for (let at = 0; at < disk.size; at += CHUNK) {
      const chunk = Buffer.alloc(Math.min(CHUNK, disk.size - at));
      await disk.read(chunk, at);
      yield chunk;
    }
  }
  return { format: "squashfs" as const, stream: () => Readable.from(bytes()) };
};
