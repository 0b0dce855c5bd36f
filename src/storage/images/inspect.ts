import type { ReadableDisk } from "../../base/disk.ts";
import { BrambleError } from "../../base/errors.ts";
import { utf8 } from "../../base/text.ts";
import { readAll, type Tree } from "../../base/tree.ts";
import { cmdlineValue } from "../../formats/cmdline.ts";
import { openExt4 } from "../../formats/ext4.ts";
import { openFat } from "../../formats/fat.ts";
import { identifyFilesystem } from "../../formats/filesystem.ts";
import { lackNotes } from "../../formats/model-notes.ts";
import { bootableModels, type ModelFiles } from "../../formats/models.ts";
import { type Partition, readPartitions } from "../../formats/partitions.ts";
import { slice } from "../../formats/slice.ts";
import { listBootFiles } from "./boot-files.ts";
import { kernelVersion } from "./kernel-version.ts";

export interface PartitionFacts extends Partition {
  /** As identifyFilesystem names it. */
  filesystem: string;
  label?: string;
}

export interface Distribution {
  /** os-release's ID: "debian", "raspbian", "ubuntu". */
  id: string;
  /** VERSION_ID, "13". */
  version?: string;
  /** VERSION_CODENAME, "trixie". */
  codename?: string;
  prettyName: string;
}

export interface KernelFacts {
  /** Path on the boot partition. */
  file: string;
  /** Undefined where the kernel does not say, or is packed in a way that we do not read. */
  version?: string;
  /** Folder of its modules on the root file system; absent where there is none. */
  modulesPath?: string;
}

/** What an image holds, as far as it matters for booting Pis from it. */
export interface ImageFacts {
  scheme: "mbr" | "gpt" | "none";
  diskId: string;
  partitions: PartitionFacts[];
  /** The FAT partition that a bootloader would read. */
  bootPartition?: number;
  /** The ext4 partition with the system. */
  rootPartition?: number;
  distribution?: Distribution;
  kernels: KernelFacts[];
  /** Versions that the root file system has modules for. */
  modules: string[];
  models: ModelFiles[];
  /** cmdline.txt as it is, one line. */
  cmdline?: string;
  /** root= of it. */
  root?: string;
  /** What is odd or missing, in words for people. */
  notes: string[];
}

/**
 * Looks into a disk image, in place. Never throws for what is on the disk: damage and absence become notes.
 * Errors of reading the disk itself come through.
 */
export async function inspectImage(disk: ReadableDisk): Promise<ImageFacts> {
  const facts = nothing();
  const table = await attempt(facts, "the partition table", () => readPartitions(disk));
  if (table) {
    facts.scheme = table.scheme;
    facts.diskId = table.diskId;
    for (const partition of table.partitions) await addPartition(facts, disk, partition);
  }
  if (facts.partitions.length === 0)
    facts.notes.push("there is no partition on it: no board can boot from it");
  const boot = await findBoot(facts, disk);
  if (boot) await readBoot(facts, boot);
  else if (facts.partitions.length > 0)
    facts.notes.push("no FAT partition: a Pi's bootloader finds nothing to read");
  await readRoot(facts, disk);
  return facts;
}

const nothing = (): ImageFacts => ({
  scheme: "none",
  diskId: "",
  partitions: [],
  kernels: [],
  modules: [],
  models: [],
  notes: [],
});

/** Runs one step of looking; damage becomes a note. */
async function attempt<T>(facts: ImageFacts, what: string, step: () => Promise<T>): Promise<T | undefined> {
  try {
    return await step();
  } catch (error) {
    if (!(error instanceof BrambleError) || error.code === "DISK_IO" || error.code === "INTERNAL")
      throw error;
    facts.notes.push(`${what} cannot be read: ${error.message}`);
    return undefined;
  }
}

async function addPartition(facts: ImageFacts, disk: ReadableDisk, partition: Partition): Promise<void> {
  const what = `partition ${partition.number}`;
  const filesystem = await attempt(facts, what, async () =>
    identifyFilesystem(slice(disk, partition.offset, partition.size)),
  );
  facts.partitions.push({ ...partition, filesystem: filesystem ?? "unknown" });
}

const windowOf = (disk: ReadableDisk, partition: Partition) => slice(disk, partition.offset, partition.size);

/** The first FAT partition that holds boot files, else the first FAT partition. */
async function findBoot(facts: ImageFacts, disk: ReadableDisk): Promise<Tree | undefined> {
  let first: { tree: Tree; number: number } | undefined;
  for (const partition of facts.partitions) {
    if (!partition.filesystem.startsWith("fat")) continue;
    const what = `the FAT file system of partition ${partition.number}`;
    const tree = await attempt(facts, what, () => openFat(windowOf(disk, partition)));
    if (!tree) continue;
    if (tree.label) partition.label = tree.label;
    const names = await attempt(facts, what, () => tree.list(""));
    const boots = names?.some(({ name }) =>
      /^(config\.txt|bootcode\.bin|start.*\.elf|kernel.*\.img)$/i.test(name),
    );
    if (boots) {
      facts.bootPartition = partition.number;
      return tree;
    }
    if (names) first ??= { tree, number: partition.number };
  }
  if (!first) return undefined;
  facts.bootPartition = first.number;
  facts.notes.push(
    `partition ${first.number} is taken for the boot partition, being the first with FAT: it has no config.txt, start*.elf or kernel*.img`,
  );
  return first.tree;
}

async function readBoot(facts: ImageFacts, tree: Tree): Promise<void> {
  const what = "the boot partition";
  const files = await attempt(facts, what, () => listBootFiles(tree, facts.notes));
  if (!files) return;
  const readText = async (name: string) => {
    const file = await attempt(facts, name, () => tree.open(name));
    if (!file || file.size > 1 << 20) return undefined;
    return attempt(facts, name, async () => utf8(await readAll(file)));
  };
  facts.models = await bootableModels({ files, readText });
  const cmdline = (await readText("cmdline.txt"))?.trim();
  if (cmdline !== undefined) {
    facts.cmdline = cmdline;
    const root = cmdlineValue(cmdline, "root");
    if (root) facts.root = root;
  }
  const kernels = files.filter((path) =>
    /(^|\/)(kernel[^/]*\.img|vmlinuz[^/]*|[zu]?Image[^/]*)$/i.test(path),
  );
  for (const path of kernels.slice(0, 32)) {
    const version = await attempt(facts, path, async () => {
      const file = await tree.open(path);
      return file && kernelVersion(file);
    });
    facts.kernels.push({ file: path, ...(version ? { version } : {}) });
  }
  facts.notes.push(...lackNotes(facts.models));
}

/** The partition that root= names, else the first ext4 with an os-release, else the first ext4. */
async function readRoot(facts: ImageFacts, disk: ReadableDisk): Promise<void> {
  const named = /^PARTUUID=(.+)$/i.exec(facts.root ?? "")?.[1]?.toLowerCase();
  const candidates = facts.partitions
    .filter(({ filesystem }) => /^ext[234]$/.test(filesystem))
    .sort((a, b) => Number(b.partUuid === named) - Number(a.partUuid === named) || a.number - b.number);
  let first: { tree: Tree; number: number } | undefined;
  for (const partition of candidates) {
    const what = `the ext4 file system of partition ${partition.number}`;
    const tree = await attempt(facts, what, () => openExt4(windowOf(disk, partition)));
    if (!tree) continue;
    if (tree.label) partition.label = tree.label;
    const found = await attempt(facts, what, () => distributionOf(tree));
    if (!found) {
      first ??= { tree, number: partition.number };
      continue;
    }
    facts.distribution = found;
    first = { tree, number: partition.number };
    break;
  }
  if (!first) {
    if (facts.partitions.length > 0)
      facts.notes.push("no ext4 root file system: Bramble reads no other kind");
    return;
  }
  facts.rootPartition = first.number;
  if (!facts.distribution)
    facts.notes.push("the root file system has no os-release: an unknown distribution");
  await readModules(facts, first.tree);
}

async function distributionOf(tree: Tree): Promise<Distribution | undefined> {
  const file = (await tree.open("etc/os-release")) ?? (await tree.open("usr/lib/os-release"));
  if (!file || file.size > 65536) return undefined;
  const fields = new Map<string, string>();
  for (const line of utf8(await readAll(file)).split("\n")) {
    const [, key, value] = /^([A-Z_0-9]+)=(.*)$/.exec(line.trim()) ?? [];
    if (key && value !== undefined)
      fields.set(key, value.replace(/^(["'])(.*)\1$/, "$2").replace(/\\(.)/g, "$1"));
  }
  const id = fields.get("ID") ?? "linux"; // os-release(5)
  const version = fields.get("VERSION_ID");
  const codename = fields.get("VERSION_CODENAME");
  return {
    id,
    ...(version ? { version } : {}),
    ...(codename ? { codename } : {}),
    prettyName: fields.get("PRETTY_NAME") ?? fields.get("NAME") ?? id,
  };
}

/** The kernels of a boot folder, with where a root has their modules. */
export async function kernelsIn(boot: Tree, root: Tree): Promise<KernelFacts[]> {
  const facts = nothing();
  await readBoot(facts, boot);
  await readModules(facts, root);
  return facts.kernels;
}

async function readModules(facts: ImageFacts, tree: Tree): Promise<void> {
  for (const folder of ["usr/lib/modules", "lib/modules"]) {
    if ((await attempt(facts, folder, () => tree.lookup(folder)))?.kind !== "directory") continue;
    const entries = (await attempt(facts, folder, () => tree.list(folder))) ?? [];
    facts.modules = entries
      .filter(({ kind }) => kind === "directory")
      .map(({ name }) => name)
      .sort();
    for (const kernel of facts.kernels) {
      if (kernel.version && facts.modules.includes(kernel.version))
        kernel.modulesPath = `${folder}/${kernel.version}`;
    }
    return;
  }
}
