import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { debPath, lockedPackages } from "../../src/storage/agent-lock.ts";
import { output } from "../bed/commands.ts";
import { cached, cacheFolder } from "../cache.ts";
import { KEYS } from "./packages.ts";

const WANTED = ["cloud-guest-utils", "fdisk"];
/** In the big image already; Python is for programs beside growpart. */
const WITHOUT = [
  "e2fsprogs",
  "python3",
  "libc6",
  "libmount1",
  "libncursesw6",
  "libreadline8t64",
  "libsmartcols1",
].concat(["libtinfo6", "libblkid1", "libuuid1"]);

/** Debian's growpart and what it needs on the big image, as a tar to unpack at a running node's root. */
export async function growpartTar(): Promise<string> {
  const packages = join(cacheFolder(), "growpart-packages");
  const keys = await readFile(KEYS, "utf8");
  const options = { folder: packages, arch: "arm64", wanted: WANTED, without: WITHOUT, keys } as const;
  const debs = (await lockedPackages(options)).map((one) => debPath(packages, one));
  const folder = await cached("growpart", [debs, 1], async (into) => {
    const root = join(into, "root");
    for (const deb of debs) await output("dpkg-deb", ["-x", deb, root]);
    await output("tar", ["-C", root, "--owner=0", "--group=0", "-cf", join(into, "growpart.tar"), "usr"]);
    await output("rm", ["-r", root]);
  });
  return join(folder, "growpart.tar");
}
