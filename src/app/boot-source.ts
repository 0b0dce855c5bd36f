import type { Tree } from "../base/tree.ts";
import type { KernelFacts } from "../storage/images/inspect.ts";
import type { ImageManifest } from "../storage/images/manifest.ts";

/** What a board reads its boot files from: its clone, the boot folder of its tree, or the image itself. */
export interface BootSource {
  /** What tells it from every other one. */
  path: string;
  image: ImageManifest;
  /** It was made just now. */
  made: boolean;
  /** The root file system. */
  rootTree(): Promise<Tree>;
  /** Its kernels as they are now, after upgrades inside the node. */
  kernels(): Promise<KernelFacts[]>;
  /** The boot files, and whether all of them are the image's. */
  bootFiles(): Promise<{ tree: Tree; untouched: boolean }>;
}
