import { BrambleError } from "../../base/errors.ts";
import { imageFile } from "../../storage/images/manifest.ts";
import { findImage } from "../../storage/images.ts";
import type { Lower } from "../../storage/trees/lower.ts";
import { openImageLower } from "../../storage/trees/lower-image.ts";

/** The images below trees, each opened once for all of them. `data`: the data folder. */
export function treeImages(data: string) {
  const open = new Map<string, Promise<{ lower: Lower; close(): void }>>();

  async function begin(sha256: string) {
    const { name, version, facts } = await findImage(data, sha256);
    const window = (number: number | undefined) => facts.partitions.find((p) => p.number === number);
    const [root, boot] = [window(facts.rootPartition), window(facts.bootPartition)];
    if (!root) throw new BrambleError("NFS_IMAGE", `${name}:${version} has no root partition`);
    return openImageLower(imageFile(data, sha256), { root, ...(boot && { boot }) });
  }

  return {
    /** Throws IMAGE_UNKNOWN where it has gone. */
    async lower(sha256: string): Promise<Lower> {
      let found = open.get(sha256);
      if (!found) {
        found = begin(sha256);
        open.set(sha256, found);
        found.catch(() => open.delete(sha256)); // whoever asked gets the error; the next one tries anew
      }
      return (await found).lower;
    },
    async close(): Promise<void> {
      for (const one of open.values()) (await one.catch(() => undefined))?.close(); // one that never opened
      open.clear();
    },
  };
}
