// The agent: Bramble's own initramfs, made of Debian packages, our scripts and the node's own kernel modules. No root, no chroot.
import { randomBytes } from "node:crypto";
import { mkdir, readdir, readFile, rename, rm, stat, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import { BrambleError } from "../base/errors.ts";
import type { Tree } from "../base/tree.ts";
import { type CpioEntry, writeCpio } from "../formats/cpio.ts";
import { type Arch, type LockedPackage, lockedPackages } from "./agent-lock.ts";
import { type Kernel, type ModulePlan, planModules, readModules } from "./agent-modules.ts";
import { NOT_NEEDED, PACKAGES, readPrograms } from "./agent-programs.ts";
import { sha256Of } from "./debian-archive.ts";

export interface AgentOptions {
  /** The data folder; the agent's own part is agent/ inside. */
  data: string;
  arch: Arch;
  kernels: Kernel[];
  /** The node's root file system. */
  root: Tree;
  /** The package's folder agent/: init, *.sh, bin, modules, keys. */
  agentFiles: string;
  /** Root of a Debian mirror; default: what this host's apt uses, else deb.debian.org. */
  mirror?: string;
  /** Use what is cached, or fail. */
  offline?: boolean;
  onProgress?: (text: string) => void;
}

export interface Agent {
  /** A gzip-compressed cpio archive. */
  path: string;
  sha256: string;
  size: number;
  packages: LockedPackage[];
  /** Drivers that a kernel has neither as module nor built in, by kernel version. */
  absent: Record<string, string[]>;
}

/** argv[0] with an @ keeps systemd's shutdown from ending what the root stands on (systemd.io/ROOT_KEPT). */
const KEPT = ["udhcpc"];
/** Kernels come and go with every upgrade inside a node. */
const MOST_BUILT = 8;
/** Part of the key of what is built: to be changed with the layout of the archive. */
const LAYOUT = "2";

/**
 * The agent for these kernels, from data/agent/built when it was built before. Same packages, scripts and modules: same bytes.
 * Throws DOWNLOAD_FAILED, PACKAGES_UNTRUSTED, AGENT_UNBUILDABLE.
 */
export async function buildAgent(options: AgentOptions): Promise<Agent> {
  const folder = join(options.data, "agent");
  const wanted = (await readFile(join(options.agentFiles, "modules"), "utf8"))
    .split("\n")
    .map((line) => line.replace(/#.*/, "").trim())
    .filter((line) => line !== "");
  const keys = await readFile(join(options.agentFiles, "keys", "debian-archive.asc"), "utf8");
  const { arch, mirror, offline, onProgress } = options;
  const packages = await lockedPackages({
    folder,
    arch,
    wanted: PACKAGES,
    without: NOT_NEEDED,
    keys,
    mirror,
    offline,
    onProgress,
  });
  const plans: ModulePlan[] = [];
  for (const kernel of options.kernels) plans.push(await planModules(options.root, kernel, wanted));
  const scripts = [
    ...(await ourScripts(options.agentFiles)),
    ...(await ourPrograms(options.agentFiles, arch)),
  ];
  const absent = Object.fromEntries(plans.map((plan) => [plan.kernel.version, plan.absent]));

  const inputs = [LAYOUT, arch, ...packages.map((one) => one.sha256), ...plans.map((plan) => plan.key)];
  for (const script of scripts) inputs.push(script.path, sha256Of(script.bytes));
  const path = join(folder, "built", `${sha256Of(inputs.join("\n")).slice(0, 32)}.cpio.gz`);
  const ready = await readFile(path).catch(() => undefined);
  if (ready) {
    const now = new Date();
    // the last to be used is the last to go; gone already: we have its bytes
    await utimes(path, now, now).catch(() => {});
    return { path, sha256: sha256Of(ready), size: ready.length, packages, absent };
  }

  const entries: CpioEntry[] = [...skeleton(), ...scripts, ...(await readPrograms(folder, packages))];
  for (const plan of plans) {
    onProgress?.(`${plan.files.length} modules of kernel ${plan.kernel.version}`);
    entries.push(...(await readModules(options.root, plan)));
  }
  onProgress?.("packing the agent");
  const bytes = await promisify(gzip)(writeCpio(entries), { level: 9 });
  await mkdir(join(folder, "built"), { recursive: true });
  const partial = `${path}.${randomBytes(4).toString("hex")}.partial`;
  await writeFile(partial, bytes);
  await rename(partial, path);
  await prune(join(folder, "built"));
  return { path, sha256: sha256Of(bytes), size: bytes.length, packages, absent };
}

/** Removes what has not been used for longest, leftovers of a killed build too. Whoever is being served has it in memory. */
async function prune(folder: string): Promise<void> {
  const files = await Promise.all(
    (await readdir(folder)).map(async (name) => {
      const path = join(folder, name);
      const { mtimeMs } = await stat(path).catch(() => ({ mtimeMs: 0 })); // gone already
      return { path, usedMs: mtimeMs };
    }),
  );
  files.sort((one, other) => other.usedMs - one.usedMs);
  for (const { path } of files.slice(MOST_BUILT)) await rm(path, { force: true });
}

function skeleton(): CpioEntry[] {
  const folders = ["proc", "sys", "dev", "run", "tmp", "etc", "sbin", "usr/bin", "usr/sbin", "newroot"];
  return [
    ...folders.map((path): CpioEntry => ({ kind: "directory", path, mode: 0o755 })),
    // the kernel opens it for /init before anything is mounted
    { kind: "character", path: "dev/console", mode: 0o600, major: 5, minor: 1 },
    { kind: "symlink", path: "bin/sh", target: "busybox" },
    ...KEPT.map((name): CpioEntry => ({ kind: "symlink", path: `@/${name}`, target: "/bin/busybox" })),
  ];
}

type OurFile = Extract<CpioEntry, { kind: "file" }>;

/** agent/init becomes /init, agent/*.sh lie in /agent. */
async function ourScripts(folder: string): Promise<OurFile[]> {
  const names = (await readdir(folder)).filter((name) => name === "init" || name.endsWith(".sh")).sort();
  if (!names.includes("init")) throw new BrambleError("AGENT_UNBUILDABLE", `${folder} holds no init`);
  return Promise.all(
    names.map(async (name): Promise<OurFile> => {
      const path = name === "init" ? name : `agent/${name}`;
      return { kind: "file", path, mode: 0o755, bytes: await readFile(join(folder, name)) };
    }),
  );
}

/** agent/bin/ARCH/*, which stay when the agent has gone: /@/*. */
async function ourPrograms(folder: string, arch: Arch): Promise<OurFile[]> {
  const bin = join(folder, "bin", arch);
  return Promise.all(
    (await readdir(bin)).sort().map(
      async (name): Promise<OurFile> => ({
        kind: "file",
        path: `@/${name}`,
        mode: 0o755,
        bytes: await readFile(join(bin, name)),
      }),
    ),
  );
}
