import { type FileHandle, mkdir, open, readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { type Clone, openClone } from "../../src/storage/clones/clone.ts";
import { checkQcow2 } from "../../src/storage/clones/testing/check.ts";
import { output } from "./commands.ts";
import { keptPromises } from "./fsync-load.ts";
import type { Cut } from "./power-cuts.ts";
import type { RecordedDisk } from "./recorded-guest.ts";
import { judgeSector, SECTOR, writtenWith } from "./sector-history.ts";

const CHUNK = 65_536;
/** Where ext4 keeps its superblock: two sectors, the checksum in the second. */
const SUPERBLOCK = 1024;

/** What is counted over all cuts. */
const tally = () => ({
  cuts: 0,
  opened: 0,
  checkClean: 0,
  leaky: 0,
  fsckClean: 0,
  journalsReplayed: 0,
  superblocksTorn: 0,
  promisesKept: 0,
  flushedBytes: 0,
  ownBytes: 0,
});

/** The exit code of a program that says much by it; other failures throw. */
async function exitCode(tool: string, args: string[]): Promise<{ code: number; said: string }> {
  try {
    return { code: 0, said: await output(tool, args) };
  } catch (error) {
    const { code, stdout, stderr } = error as { code?: unknown; stdout?: string; stderr?: string };
    if (typeof code !== "number") throw error;
    return { code, said: `${stdout}${stderr}` };
  }
}

/** A judge of cuts; `rootImage` is the image's root partition in a file of its own. Throws at the first harm. */
export class Judge {
  readonly count = tally();
  readonly #recorded: RecordedDisk;
  readonly #folder: string;
  readonly #image: FileHandle;

  private constructor(recorded: RecordedDisk, folder: string, image: FileHandle) {
    this.#recorded = recorded;
    this.#folder = folder;
    this.#image = image;
  }

  static async make(recorded: RecordedDisk, folder: string): Promise<Judge> {
    const from = [`if=${recorded.image.path}`, "bs=1M", "iflag=skip_bytes", `skip=${recorded.rootOffset}`];
    await output("dd", [...from, `of=${join(folder, "root.image")}`, "conv=sparse", "status=none"]);
    return new Judge(recorded, folder, await open(recorded.image.path));
  }

  close(): Promise<void> {
    return this.#image.close();
  }

  /** The clone's file, its bytes, and with `files` also the file system in it. */
  async judge(cut: Cut, { files }: { files: boolean }): Promise<void> {
    this.count.cuts += 1;
    const { code, said } = await exitCode("qemu-img", ["check", cut.path]);
    if (code !== 0 && code !== 3) throw new Error(`${cut.name}: qemu-img check: ${said.slice(0, 500)}`);
    this.count.checkClean += 1;
    if (code === 3) this.count.leaky += 1;
    const clone = await openClone(cut.path, { journal: cut.journal, bootId: "boot-2" });
    this.count.opened += 1;
    const root = join(this.#folder, "root.after");
    try {
      if (files) await output("cp", ["--sparse=auto", join(this.#folder, "root.image"), root]);
      await this.#bytes(cut, clone, files ? root : undefined);
    } finally {
      await clone.close();
    }
    const { corruptions, leaks } = checkQcow2(cut.path);
    if (corruptions.length + leaks > 0)
      throw new Error(`${cut.name}: not mended at open: ${corruptions[0]}, ${leaks} leaks`);
    if (files) await this.#fileSystem(cut, root);
  }

  /** Whatever the clone does not take from its image, and whatever was ever written. `root`: a file that gets what lies in the root partition. */
  async #bytes(cut: Cut, clone: Clone, root: string | undefined): Promise<void> {
    const chunks = new Set([...cut.allowed.keys()].map((sector) => Math.floor((sector * SECTOR) / CHUNK)));
    for (const { kind, offset, length } of await clone.status(0, clone.size))
      if (kind !== "hole")
        for (let at = Math.floor(offset / CHUNK); at * CHUNK < offset + length; at++) chunks.add(at);
    const { rootOffset, image } = this.#recorded;
    const into = root === undefined ? undefined : await open(root, "r+");
    const [found, base] = [Buffer.alloc(CHUNK), Buffer.alloc(CHUNK)];
    for (const chunk of [...chunks].sort((a, b) => a - b)) {
      const offset = chunk * CHUNK;
      const length = Math.min(CHUNK, clone.size - offset);
      await clone.read(found.subarray(0, length), offset);
      base.fill(0);
      if (offset < image.size) await this.#image.read(base, 0, Math.min(CHUNK, image.size - offset), offset);
      for (let at = 0; at < length; at += SECTOR) {
        const sector = (offset + at) / SECTOR;
        const bytes = found.subarray(at, at + SECTOR);
        const verdict = judgeSector(cut.allowed.get(sector), bytes, base.subarray(at, at + SECTOR));
        if (verdict === "flushed") this.count.flushedBytes += SECTOR;
        else if (verdict !== "right")
          throw new Error(
            `${cut.name}: sector ${sector} is ${verdict}: ${JSON.stringify(bytes.toString("latin1", 0, 40))}`,
          );
        this.count.ownBytes += SECTOR;
      }
      const from = Math.max(offset, rootOffset);
      const until = Math.min(offset + length, image.size);
      if (from < until) await into?.write(found, from - offset, until - from, from - rootOffset);
    }
    if (into) await this.#wholeSuperblock(cut, into);
    await into?.close();
  }

  /**
   * ext4 writes its superblock in place, outside its journal, and counts on a disk that keeps its two sectors together. Ours may not, so that
   * all else is tried as hard as can be: a torn one becomes the whole one that its second sector is of.
   */
  async #wholeSuperblock(cut: Cut, root: FileHandle): Promise<void> {
    const first = (this.#recorded.rootOffset + SUPERBLOCK) / SECTOR;
    const [one, two] = [cut.allowed.get(first), cut.allowed.get(first + 1)];
    if (!one || !two) return;
    const [found, image] = [Buffer.alloc(2 * SECTOR), Buffer.alloc(2 * SECTOR)];
    await root.read(found, 0, found.length, SUPERBLOCK);
    await this.#image.read(image, 0, image.length, first * SECTOR);
    const held = { found: found.subarray(SECTOR), image: image.subarray(SECTOR) };
    const value = writtenWith(one, two, held);
    const whole = value === "image" ? image.subarray(0, SECTOR) : value;
    if (!whole || Buffer.compare(whole, found.subarray(0, SECTOR)) === 0) return;
    await root.write(whole, 0, SECTOR, SUPERBLOCK);
    this.count.superblocksTorn += 1;
  }

  /** The journal is replayed and orphans are removed, as at a mount; then e2fsck has nothing to say, and fsync's promises hold. */
  async #fileSystem(cut: Cut, root: string): Promise<void> {
    const mended = await exitCode("e2fsck", ["-p", root]);
    if (mended.code > 1) throw new Error(`${cut.name}: e2fsck -p: ${mended.said.slice(0, 500)}`);
    if (mended.said.includes("recovering journal")) this.count.journalsReplayed += 1;
    const checked = await exitCode("e2fsck", ["-fn", root]);
    if (checked.code !== 0) throw new Error(`${cut.name}: e2fsck -fn: ${checked.said.slice(0, 1000)}`);
    this.count.fsckClean += 1;
    const into = join(this.#folder, "files");
    await rm(into, { recursive: true, force: true });
    await mkdir(into);
    await output("debugfs", ["-R", `rdump /load ${into}`, root]);
    const files = new Map<string, string>();
    const load = join(into, "load");
    for (const name of await readdir(load).catch(noSuchFolder))
      files.set(name, await readFile(join(load, name), "latin1"));
    try {
      keptPromises(files, cut.told);
    } catch (cause) {
      throw new Error(`${cut.name}: after turn ${cut.told}: ${(cause as Error).message}`, { cause });
    }
    this.count.promisesKept += 1;
  }
}

/** The guest has not made it yet. */
function noSuchFolder(error: NodeJS.ErrnoException): string[] {
  if (error.code !== "ENOENT") throw error;
  return [];
}
