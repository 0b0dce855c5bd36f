import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { debPath, lockedPackages } from "../../src/storage/agent-lock.ts";
import { output } from "../bed/commands.ts";
import { cached, cacheFolder } from "../cache.ts";
import { bootFiles, pieces } from "./boot-files.ts";
import { makeDisk } from "./disk.ts";
import { miniRoot } from "./mini.ts";
import { KEYS, pins } from "./packages.ts";

const DISK_ID = "5eed0004";
const WANTED = ["dbench", "fsmark"];
/** For the packages' own installation scripts only, which nobody runs here. */
const WITHOUT = ["gcc-14-base"];
const DROPPED = ["usr/share/doc", "usr/share/man", "usr/share/lintian"];

/** The mini system with Debian's dbench and fs_mark, unpacked and not installed. */
export async function loadImage(): Promise<string> {
  const from = await pieces();
  const { busybox } = await pins();
  const packages = join(cacheFolder(), "load-packages");
  const keys = await readFile(KEYS, "utf8");
  const options = { folder: packages, arch: "arm64", wanted: WANTED, without: WITHOUT, keys } as const;
  const debs = (await lockedPackages(options)).map((one) => debPath(packages, one));
  const folder = await cached("load-image", [from.folder, busybox.sha256, debs, DROPPED, 1], async (into) => {
    const boot = join(into, "boot");
    const root = join(into, "root");
    await bootFiles(from, DISK_ID, boot);
    await miniRoot(from, root, DISK_ID);
    for (const deb of debs) await output("dpkg-deb", ["-x", deb, root]);
    await output("rm", ["-rf", ...DROPPED.map((name) => join(root, name))]);
    await makeDisk(join(into, "image.img"), { diskId: DISK_ID, boot, root, bootMb: 128, rootMb: 384 });
    await output("rm", ["-r", boot, root]);
  });
  return join(folder, "image.img");
}
