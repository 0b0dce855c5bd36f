import { readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { openSuite } from "../../src/storage/debian-archive.ts";
import { fetchFile } from "../../src/storage/debian-fetch.ts";
import { hostMirrors } from "../../src/storage/debian-mirror.ts";
import type { Package } from "../../src/storage/debian-packages.ts";
import { output } from "../bed/commands.ts";
import { cacheFolder } from "../cache.ts";

export const SUITE = "trixie";
export const KEYS = "agent/keys/debian-archive.asc";

/** The suite that images are made of, and the mirror that has it. */
export async function debian(): Promise<{ mirror: string; packages: Map<string, Package> }> {
  const keys = await readFile(KEYS, "utf8");
  const cache = join(cacheFolder(), "indexes");
  const components = ["main", "non-free-firmware"];
  let failure: unknown;
  for (const mirror of await hostMirrors()) {
    try {
      const packages = await openSuite({
        mirror,
        suite: SUITE,
        arch: "arm64",
        components,
        keys,
        cache,
        now: new Date(),
      });
      return { mirror, packages };
    } catch (error) {
      failure = error;
    }
  }
  throw failure;
}

/** Downloads a package (verified) and unpacks it into `folder`. */
export async function unpack(mirror: string, one: Package, folder: string): Promise<void> {
  const path = join(cacheFolder(), "debs", basename(one.path));
  await fetchFile({ url: `${mirror}/${one.path}`, path, sha256: one.sha256, size: one.size });
  await output("dpkg-deb", ["-x", path, folder]);
}
