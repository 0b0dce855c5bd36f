// The kernel modules that the agent takes along, read from the node's own root file system.
import { createGunzip } from "node:zlib";
import { concat } from "../base/bytes.ts";
import { BrambleError } from "../base/errors.ts";
import { toUtf8, utf8 } from "../base/text.ts";
import { readAll, type Tree } from "../base/tree.ts";
import type { CpioEntry } from "../formats/cpio.ts";
import { openXz } from "./images/xz.ts";
import { openZstd } from "./images/zstd.ts";

export interface Kernel {
  /** "6.12.107+deb13-arm64" */
  version: string;
  /** The folder of its modules in the root file system: "usr/lib/modules/6.12.107+deb13-arm64". */
  modules: string;
}

export interface ModulePlan {
  kernel: Kernel;
  /** Paths under the modules folder, as they are there ("kernel/drivers/block/nbd.ko.xz"), sorted. */
  files: string[];
  /** Wanted, but neither a module nor built in: this kernel has no such driver. */
  absent: string[];
  /** Changes when the modules do. */
  key: string;
}

/** The name that modprobe knows a module by: no folder, no ending, - is _. */
const moduleName = (path: string): string =>
  (path.split("/").pop() ?? "").replace(/\.ko(\.\w+)?$/, "").replaceAll("-", "_");

const unpacked = (path: string): string => path.replace(/\.ko\.\w+$/, ".ko");

/** Which files are needed, from modules.dep. Throws AGENT_UNBUILDABLE where the folder has none. */
export async function planModules(
  root: Tree,
  kernel: Kernel,
  wanted: readonly string[],
): Promise<ModulePlan> {
  const text = await smallFile(root, `${kernel.modules}/modules.dep`);
  if (text === undefined)
    throw new BrambleError(
      "AGENT_UNBUILDABLE",
      `the image has no ${kernel.modules}/modules.dep for its kernel ${kernel.version}`,
      {
        hint: "an image whose kernel package was installed whole has it; depmod makes it",
      },
    );
  const builtin = await smallFile(root, `${kernel.modules}/modules.builtin`);
  const inside = new Set((builtin ?? "").split("\n").map(moduleName));
  const lines = new Map<string, string[]>();
  for (const line of text.split("\n")) {
    const [path, needs] = line.split(":");
    if (path) lines.set(moduleName(path), [path, ...(needs ?? "").split(" ").filter((one) => one !== "")]);
  }
  const files = new Set<string>();
  const absent: string[] = [];
  for (const name of wanted) {
    const paths = lines.get(name);
    if (paths) for (const path of paths) files.add(path);
    else if (!inside.has(name)) absent.push(name);
  }
  const sorted = [...files].sort();
  const marks = await Promise.all(sorted.map((path) => root.lookup(`${kernel.modules}/${path}`)));
  const key = sorted.map((path, i) => `${path} ${marks[i]?.size} ${marks[i]?.mtimeMs}`).join("\n");
  return { kernel, files: sorted, absent, key: `${kernel.version}\n${key}` };
}

/** The planned modules, unpacked, with the tables that busybox's modprobe reads, cut down to them. */
export async function readModules(root: Tree, plan: ModulePlan): Promise<CpioEntry[]> {
  const { version, modules } = plan.kernel;
  const folder = `lib/modules/${version}`;
  const entries: CpioEntry[] = [];
  const add = (name: string, bytes: Uint8Array) =>
    entries.push({ kind: "file", path: `${folder}/${name}`, mode: 0o644, bytes });
  for (const path of plan.files) add(unpacked(path), await module(root, `${modules}/${path}`));
  const taken = new Set(plan.files);
  const dep = (await smallFile(root, `${modules}/modules.dep`)) ?? "";
  const kept = dep.split("\n").filter((line) => taken.has(line.split(":")[0] ?? ""));
  add("modules.dep", toUtf8(kept.map((line) => `${line.replace(/\.ko\.\w+/g, ".ko")}\n`).join("")));
  const names = new Set(plan.files.map(moduleName));
  const alias = (await smallFile(root, `${modules}/modules.alias`)) ?? "";
  const aliases = alias
    .split("\n")
    .filter((line) => names.has((line.split(" ")[2] ?? "").replaceAll("-", "_")));
  add("modules.alias", toUtf8(aliases.map((line) => `${line}\n`).join("")));
  const builtin = await root.open(`${modules}/modules.builtin`);
  if (builtin) add("modules.builtin", await readAll(builtin));
  return entries;
}

async function smallFile(root: Tree, path: string): Promise<string | undefined> {
  const file = await root.open(path);
  return file && utf8(await readAll(file));
}

async function module(root: Tree, path: string): Promise<Uint8Array> {
  const file = await root.open(path);
  if (!file)
    throw new BrambleError("AGENT_UNBUILDABLE", `modules.dep names ${path}, but the image has no such file`);
  const bytes = await readAll(file);
  try {
    if (path.endsWith(".xz")) return await collected(openXz(once(bytes)));
    if (path.endsWith(".zst")) return await collected(openZstd(once(bytes)));
    if (path.endsWith(".gz")) {
      const gunzip = createGunzip();
      gunzip.end(bytes);
      return await collected(gunzip);
    }
    return bytes;
  } catch (cause) {
    throw new BrambleError("AGENT_UNBUILDABLE", `the kernel module ${path} is damaged`, { cause });
  }
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

async function collected(chunks: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for await (const chunk of chunks) parts.push(chunk);
  return concat(parts);
}
