// An ext4 file system with these files in it, without root and without mounting it: mke2fs makes it empty, debugfs fills it, e2fsck looks at it.
import { rm, truncate, writeFile } from "node:fs/promises";
import type { ReadableDisk } from "../../base/disk.ts";
import { debugfs, tool } from "./e2fsprogs.ts";
import { copyBytes } from "./raw-parts.ts";
import type { Planned } from "./tar-plan.ts";

export interface Ext4Wish {
  /** A file that is made. */
  path: string;
  /** Bytes. */
  size: number;
  label: string;
  root: Planned;
  /** Where the bytes of its files lie. */
  source: ReadableDisk;
  signal: AbortSignal;
  onProgress?(done: number, total: number): void;
}

/** What kernels of Raspberry Pi OS and Debian since 2019 know, whatever this machine's mke2fs likes best. */
const FEATURES =
  "none,has_journal,ext_attr,resize_inode,dir_index,filetype,extent,64bit,flex_bg,sparse_super,large_file,huge_file,dir_nlink,extra_isize,metadata_csum";
const BLOCK = 4096;
/** Bytes of files that lie beside the image at a time, and commands. */
const MOST_BYTES = 256 << 20;
const MOST_COMMANDS = 20_000;
/** debugfs reads lines of so many bytes (BUFSIZ). */
const MOST_LINE = 8000;
/** Names of 255 bytes that surely fit into a block of a directory. */
const NAMES_IN_BLOCK = 15;

const TYPES: Record<Planned["kind"], number> = {
  ...{ fifo: 0o010000, character: 0o020000, directory: 0o040000 },
  ...{ block: 0o060000, file: 0o100000, symlink: 0o120000 },
};
const FAILED = "the file system could not be made";

/** Bytes that a file system for all this should have, with room to grow. */
export function roomFor(root: Planned): { size: number; inodes: number; bytes: number } {
  const seen = new Set<Planned>();
  let blocks = 0;
  let bytes = 0;
  const count = (one: Planned): void => {
    if (seen.has(one)) return;
    seen.add(one);
    bytes += one.size;
    blocks += Math.ceil(one.size / BLOCK) + (one.xattrs.size > 0 ? 1 : 0) + (one.target.length > 59 ? 1 : 0);
    if (one.kind === "directory") blocks += 1 + Math.ceil((one.children.size * 40) / BLOCK);
    for (const child of one.children.values()) count(child);
  };
  count(root);
  const inodes = seen.size + Math.max(8192, Math.ceil(seen.size / 4));
  const size = blocks * BLOCK * 1.2 + inodes * 256 + (192 << 20);
  return { size: Math.ceil(size / (4 << 20)) * (4 << 20), inodes, bytes };
}

/** Gives back what could not be taken along, in words. Throws TOOL_MISSING, FORMAT_VALUE, CANCELLED. */
export async function makeExt4(wish: Ext4Wish): Promise<string[]> {
  const { path, size, label, root, signal } = wish;
  const { inodes } = roomFor(root);
  await writeFile(path, "", { mode: 0o600 });
  await truncate(path, size);
  const options = ["-O", FEATURES, "-b", `${BLOCK}`, "-I", "256", "-N", `${inodes}`, "-m", "1", "-L", label];
  await tool("mke2fs", ["-q", "-F", "-t", "ext4", ...options, "-E", "root_owner=0:0", path], {
    ...{ good: [0], signal, failed: FAILED },
  });
  const filling = new Filling(wish);
  try {
    await filling.run();
  } finally {
    await filling.clear();
  }
  // directories get their indexes; 1: that was done
  await tool("e2fsck", ["-f", "-y", "-D", path], { good: [0, 1], signal, failed: FAILED });
  await tool("e2fsck", ["-f", "-n", path], { good: [0], signal, failed: FAILED });
  return filling.left === 0
    ? []
    : [`${filling.left} files are left out: their names have line breaks, or are too long`];
}

/** A word of debugfs's: quotes are doubled (libss, parse.c). */
const quoted = (word: string): string => `"${word.replaceAll('"', '""')}"`;

class Filling {
  left = 0;
  readonly #wish: Ext4Wish;
  readonly #total: number;
  readonly #made = new Map<Planned, string>();
  #script: string[] = [];
  #files: string[] = [];
  #bytes = 0;
  #done = 0;
  #folder = "/";
  #names = 0;

  constructor(wish: Ext4Wish) {
    this.#wish = wish;
    this.#total = roomFor(wish.root).bytes;
  }

  async run(): Promise<void> {
    const { root } = this.#wish;
    await this.#attributes(".", root);
    await this.#fill("", root);
    for (const [{ links }, path] of this.#made)
      if (links > 1) this.#say(`sif ${quoted(path)} links_count ${links}`);
    await this.#flush();
  }

  async #fill(path: string, { children }: Planned): Promise<void> {
    this.#enter(path);
    for (const [name, one] of children) {
      const here = `${path}/${name}`;
      if (/[\r\n]/.test(name) || here.length > MOST_LINE / 2 || /[\r\n]/.test(one.target)) {
        this.left += 1;
        children.delete(name);
        one.links -= 1;
        continue;
      }
      await this.#make(name, here, one);
    }
    for (const [name, one] of children)
      if (one.kind === "directory") await this.#fill(`${path}/${name}`, one);
  }

  #enter(path: string): void {
    this.#folder = path;
    this.#names = 0;
    this.#say(`cd ${quoted(path || "/")}`);
  }

  async #make(name: string, path: string, one: Planned): Promise<void> {
    const linked = this.#made.get(one);
    if (linked !== undefined) {
      // unlike the others this command makes no room in the directory
      if (this.#names++ % NAMES_IN_BLOCK === 0) this.#say("expand_dir .");
      this.#say(`ln ${quoted(linked)} ${quoted(name)}`);
      return;
    }
    const word = quoted(name);
    if (one.kind === "file") this.#say(`write ${await this.#file(one.size, one.at)} ${word}`);
    else if (one.kind === "symlink") this.#say(`symlink ${word} ${quoted(one.target)}`);
    else if (one.kind === "fifo") this.#say(`mknod ${word} p`);
    else if (one.kind === "directory") {
      // mke2fs has made this one
      if (path !== "/lost+found") this.#say(`mkdir ${word}`);
    } else this.#say(`mknod ${word} ${one.kind === "block" ? "b" : "c"} ${one.major} ${one.minor}`);
    if (one.kind !== "directory") this.#made.set(one, path);
    // a name such as <12> would mean an inode
    await this.#attributes(`./${name}`, one);
    if (this.#bytes > MOST_BYTES || this.#script.length > MOST_COMMANDS) {
      await this.#flush();
      this.#enter(this.#folder);
    }
  }

  async #attributes(name: string, { kind, mode, uid, gid, mtime, xattrs }: Planned): Promise<void> {
    const word = quoted(name);
    const set = (field: string, value: string) => this.#say(`sif ${word} ${field} ${value}`);
    set("mode", `0${(TYPES[kind] | mode).toString(8)}`);
    if (uid !== 0) set("uid", `${uid}`);
    if (gid !== 0) set("gid", `${gid}`);
    // 34 bits (ext4: 1970 to 2446 with the two bits of the extra field)
    const s = Math.min(Math.max(mtime.s, 0), 2 ** 34 - 1);
    for (const field of ["atime", "ctime", "mtime"]) set(field, `@${s}`);
    if (mtime.ns > 0) set("mtime_extra", `${mtime.ns * 4 + (Math.floor((s + 2 ** 31) / 2 ** 32) & 3)}`);
    for (const [key, value] of xattrs) {
      const file = await this.#file(0, 0, value);
      this.#say(`ea_set -f ${file} ${word} ${quoted(key)}`);
    }
  }

  /** A file beside the image, which debugfs reads. */
  async #file(size: number, at: number, bytes?: Uint8Array): Promise<string> {
    const { source, path, signal, onProgress } = this.#wish;
    const file = `${path}.${this.#files.length}`;
    this.#files.push(file);
    if (bytes) await writeFile(file, bytes);
    else await copyBytes(source, { offset: at, size }, file, signal);
    this.#bytes += size;
    this.#done += size;
    onProgress?.(this.#done, this.#total);
    // a name of our own, in whatever letters: bytes, like those of the tar file
    return quoted(Buffer.from(file).toString("latin1"));
  }

  #say(command: string): void {
    this.#script.push(command);
  }

  async #flush(): Promise<void> {
    const { path, signal } = this.#wish;
    const script = `${path}.debugfs`;
    await writeFile(script, Buffer.from(`${this.#script.join("\n")}\n`, "latin1"));
    this.#script = [];
    await debugfs(path, script, { signal, failed: FAILED });
    await this.clear();
  }

  async clear(): Promise<void> {
    const { path } = this.#wish;
    for (const file of [...this.#files, `${path}.debugfs`]) await rm(file, { force: true });
    this.#files = [];
    this.#bytes = 0;
  }
}
