import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { BrambleError } from "../base/errors.ts";
import { openSuite } from "./debian-archive.ts";
import { fetchFile, hasHash } from "./debian-fetch.ts";
import { hostMirrors } from "./debian-mirror.ts";
import { resolve } from "./debian-packages.ts";

export type Arch = "arm64" | "armhf";

/** One Debian package, exactly. */
export interface LockedPackage {
  name: string;
  version: string;
  sha256: string;
  size: number;
  /** Under the mirror's root. */
  path: string;
}

interface Lock {
  suite: string;
  packages: { [A in Arch]?: LockedPackage[] };
}

export interface LockOptions {
  /** Folder of lock.json, debs/ and indexes/. */
  folder: string;
  arch: Arch;
  wanted: readonly string[];
  /** Dependencies that are left out. */
  without: readonly string[];
  keys: string;
  mirror?: string | undefined;
  offline?: boolean | undefined;
  onProgress?: ((text: string) => void) | undefined;
}

const SUITE = "trixie";

export const debPath = (folder: string, one: LockedPackage): string =>
  join(folder, "debs", basename(one.path));

/**
 * The packages that the agent is made of, downloaded and checked. What lock.json names is taken, without any network when debs/ has
 * it; without a lock, or when the mirror no longer has a locked package, the suite is asked and the lock written anew.
 */
export async function lockedPackages(options: LockOptions): Promise<LockedPackage[]> {
  const lock = await readLock(options.folder);
  const locked = lock.suite === SUITE ? lock.packages[options.arch] : undefined;
  if (locked && options.wanted.every((name) => locked.some((one) => one.name === name))) {
    const missing = await absent(options.folder, locked);
    if (missing.length === 0) return locked;
    const mirrors = await mirrorsOf(options);
    for (const mirror of mirrors) if (await fetched(mirror, missing, options)) return locked;
    options.onProgress?.(
      `the mirror no longer has ${missing.map((one) => one.name).join(", ")} as locked: asking for the present ones`,
    );
  }
  return relock(lock, options);
}

async function relock(lock: Lock, options: LockOptions): Promise<LockedPackage[]> {
  let failure: unknown;
  for (const mirror of await mirrorsOf(options)) {
    try {
      options.onProgress?.(`reading the package index of ${SUITE} (${options.arch})`);
      const cache = join(options.folder, "indexes");
      const components = ["main"];
      const { arch, keys } = options;
      const suite = await openSuite({ mirror, suite: SUITE, arch, components, keys, cache, now: new Date() });
      const packages = resolve(options.wanted, suite, options.without).map(
        ({ name, version, sha256, size, path }): LockedPackage => ({ name, version, sha256, size, path }),
      );
      for (const one of packages) await fetchOne(mirror, one, options);
      await writeLock(options.folder, { suite: SUITE, packages: { ...lock.packages, [arch]: packages } });
      return packages;
    } catch (error) {
      options.onProgress?.(error instanceof Error ? error.message : String(error));
      failure = error;
    }
  }
  throw failure;
}

async function mirrorsOf(options: LockOptions): Promise<string[]> {
  if (options.offline)
    throw new BrambleError(
      "AGENT_UNBUILDABLE",
      "the agent's packages are not all cached, and the network is not to be used",
      {
        hint: "let it run once with a network",
      },
    );
  return options.mirror ? [options.mirror.replace(/\/+$/, "")] : hostMirrors();
}

/** False where this mirror does not have them (any more); anything else that is wrong throws. */
async function fetched(mirror: string, packages: LockedPackage[], options: LockOptions): Promise<boolean> {
  try {
    for (const one of packages) await fetchOne(mirror, one, options);
    return true;
  } catch (error) {
    if (error instanceof BrambleError && error.code === "DOWNLOAD_FAILED") return false;
    throw error;
  }
}

async function fetchOne(mirror: string, one: LockedPackage, options: LockOptions): Promise<void> {
  options.onProgress?.(`${one.name} ${one.version}`);
  const { sha256, size } = one;
  await fetchFile({ url: `${mirror}/${one.path}`, path: debPath(options.folder, one), sha256, size });
}

async function absent(folder: string, packages: LockedPackage[]): Promise<LockedPackage[]> {
  const here = await Promise.all(packages.map((one) => hasHash(debPath(folder, one), one.sha256)));
  return packages.filter((_, i) => !here[i]);
}

async function readLock(folder: string): Promise<Lock> {
  const path = join(folder, "lock.json");
  const text = await readFile(path, "utf8").catch(() => undefined);
  if (text === undefined) return { suite: SUITE, packages: {} };
  try {
    return JSON.parse(text) as Lock;
  } catch (cause) {
    throw new BrambleError("BAD_INPUT", `${path} is no JSON`, {
      hint: "remove it: it is written anew",
      cause,
    });
  }
}

async function writeLock(folder: string, lock: Lock): Promise<void> {
  await mkdir(folder, { recursive: true });
  const path = join(folder, "lock.json");
  await writeFile(`${path}.new`, `${JSON.stringify(lock, null, 2)}\n`);
  await rename(`${path}.new`, path);
}
