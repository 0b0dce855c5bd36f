import { readFile, rm, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { openSuite } from "../../src/storage/debian-archive.ts";
import { fetchFile } from "../../src/storage/debian-fetch.ts";
import { hostMirrors } from "../../src/storage/debian-mirror.ts";
import type { Package } from "../../src/storage/debian-packages.ts";
import { output } from "../bed/commands.ts";
import { cacheFolder } from "../cache.ts";

export const SUITE = "trixie";
export const KEYS = "agent/keys/debian-archive.asc";

/** The packages that images are made of, and the mirror that has them. */
export interface Pins {
  mirror: string;
  kernel: Package;
  firmware: Package;
  busybox: Package;
}

/** Chosen once and kept in the cache, so that warm runs need no network. */
export async function pins(): Promise<Pins> {
  const path = join(cacheFolder(), "pins.json");
  const kept = await readFile(path, "utf8").catch(() => undefined);
  if (kept !== undefined) return JSON.parse(kept) as Pins;
  const { mirror, packages } = await suite();
  const get = (name: string): Package => {
    const found = packages.get(name);
    if (!found) throw new Error(`${SUITE} has no ${name}`);
    return found;
  };
  const kernel = get(get("linux-image-arm64").depends[0]?.[0] ?? "");
  const chosen: Pins = { mirror, kernel, firmware: get("raspi-firmware"), busybox: get("busybox-static") };
  await writeFile(path, JSON.stringify(chosen, null, 2));
  return chosen;
}

/** A package that only a piece needs which is seldom made: no warm run asks for it. */
export async function packageNamed(name: string): Promise<{ mirror: string; found: Package }> {
  const { mirror, packages } = await suite();
  const found = packages.get(name);
  if (!found) throw new Error(`${SUITE} has no ${name}`);
  return { mirror, found };
}

async function suite(): Promise<{ mirror: string; packages: Map<string, Package> }> {
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
  try {
    await fetchFile({ url: `${mirror}/${one.path}`, path, sha256: one.sha256, size: one.size });
  } catch (error) {
    // the mirror has moved on to a newer version: choose again next time
    await rm(join(cacheFolder(), "pins.json"), { force: true });
    throw error;
  }
  await output("dpkg-deb", ["-x", path, folder]);
}
