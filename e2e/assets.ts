import { readFile } from "node:fs/promises";
import { lockedPackages } from "../src/storage/agent-lock.ts";
import { NOT_NEEDED, PACKAGES } from "../src/storage/agent-programs.ts";
import { cached } from "./cache.ts";
import { dockerImage } from "./image/docker.ts";
import { growpartTar } from "./image/growpart.ts";
import { loadImage } from "./image/load.ts";
import { miniImage } from "./image/mini.ts";
import { nfsKernelImage } from "./image/nfs-kernel.ts";
import { KEYS } from "./image/packages.ts";
import { piImage } from "./image/pi.ts";
import type { AssetName, Need } from "./scenario.ts";

const CARD: Need[] = [
  { tool: "dpkg-deb", package: "dpkg" },
  { tool: "depmod", package: "kmod" },
  { tool: "sfdisk", package: "fdisk" },
  { tool: "mkfs.vfat", package: "dosfstools" },
  { tool: "mcopy", package: "mtools" },
  { tool: "mke2fs", package: "e2fsprogs" },
];

/** What it takes to make them. */
export const ASSET_NEEDS: Record<AssetName, Need[]> = {
  "mini-image": CARD,
  "nfs-kernel-image": [
    ...CARD,
    { tool: "aarch64-linux-gnu-gcc", package: "gcc-aarch64-linux-gnu" },
    ...["make", "flex", "bison", "bc"].map((tool) => ({ tool, package: tool })),
    { tool: "xz", package: "xz-utils" },
    { tool: "tar", package: "tar" },
  ],
  "docker-image": [...CARD, { tool: "xz", package: "xz-utils" }, { tool: "tar", package: "tar" }],
  "load-image": [...CARD, { tool: "xz", package: "xz-utils" }],
  "pi-image": [
    ...CARD,
    { tool: "mmdebstrap", package: "mmdebstrap" },
    { tool: "qemu-aarch64-static", package: "qemu-user-static" },
  ],
  "agent-packages": [{ tool: "xz", package: "xz-utils" }],
  growpart: [
    { tool: "dpkg-deb", package: "dpkg" },
    { tool: "tar", package: "tar" },
    { tool: "xz", package: "xz-utils" },
  ],
};

const MAKE: Record<AssetName, () => Promise<string>> = {
  "mini-image": miniImage,
  "nfs-kernel-image": nfsKernelImage,
  "docker-image": dockerImage,
  "load-image": loadImage,
  "pi-image": piImage,
  "agent-packages": agentPackages,
  growpart: growpartTar,
};

/** The folder agent/ of a data folder, filled while there is a network: scenarios build their agents from it, offline. */
async function agentPackages(): Promise<string> {
  const keys = await readFile(KEYS, "utf8");
  return cached("agent-packages", ["arm64", PACKAGES, NOT_NEEDED], async (folder) => {
    await lockedPackages({ folder, arch: "arm64", wanted: PACKAGES, without: NOT_NEEDED, keys });
  });
}

/** Makes what is not in the cache yet, and says how long it took. */
export async function prepare(wanted: ReadonlySet<AssetName>): Promise<Map<AssetName, string>> {
  const ready = new Map<AssetName, string>();
  for (const name of wanted) {
    const started = Date.now();
    ready.set(name, await MAKE[name]());
    const seconds = (Date.now() - started) / 1000;
    if (seconds > 5) console.log(`        made ${name} in ${seconds.toFixed(0)} s`);
  }
  return ready;
}
