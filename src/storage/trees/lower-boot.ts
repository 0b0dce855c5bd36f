// The image's boot partition, shown where its /etc/fstab mounts it: read-only like all of the image, each file an inode of its own.
import { BrambleError } from "../../base/errors.ts";
import { latin1, toUtf8, utf8 } from "../../base/text.ts";
import type { FileBytes } from "../../base/tree.ts";
import type { FatTree } from "../../formats/fat.ts";
import { FILE_KIND, type Ino } from "../../wire/nfs/tree.ts";
import { BLOCK, type Inode } from "./changes.ts";
import { whenWarm } from "./cold.ts";
import type { Lower, LowerDirectory } from "./lower.ts";

/** Inode numbers of boot files are counted down from here, in the order of a walk. */
const LAST_INO = 2 ** 32 - 1;
const MAX_NAME = 255;
/** More than a boot partition of any distribution; each takes about 1 KB of memory. */
const MAX_FILES = 20_000;
/** Where distributions mount it. */
const PLACES = new Set(["/boot/firmware", "/boot"]);

/** The place that an fstab gives the boot partition, without the leading slash. */
export function bootPlace(fstab: string): string | undefined {
  for (const line of fstab.split("\n")) {
    const [what, place, type] = line.trim().split(/\s+/);
    if (!what || what.startsWith("#") || !place || !PLACES.has(place)) continue;
    if (type === "vfat" || type === "msdos" || type === "auto") return place.slice(1);
  }
  return undefined;
}

/** The image with its boot partition at the place that it mounts it at; the image as it is where there is no such place. */
export async function withBoot(root: Lower, boot: FatTree): Promise<Lower> {
  const fstab = await smallFile(root, "etc/fstab");
  const place = fstab === undefined ? undefined : bootPlace(fstab);
  const at = place === undefined ? undefined : await find(root, place);
  if (at?.kind !== FILE_KIND.directory) return root;
  const files = new BootFiles(boot, at.ino);
  await files.load();
  return new LowerWithBoot(root, files, at);
}

/** Without following symlinks: a boot partition is mounted on a real directory. */
async function find(lower: Lower, path: string): Promise<Inode | undefined> {
  let ino = lower.root;
  for (const name of path.split("/")) {
    const here = ino;
    const inode = await whenWarm(() => lower.inode(here));
    if (inode?.kind !== FILE_KIND.directory) return undefined;
    const { places, inos } = await whenWarm(() => lower.directory(here));
    const next = inos[places.get(name) ?? -1];
    if (next === undefined) return undefined;
    ino = next;
  }
  return whenWarm(() => lower.inode(ino));
}

async function smallFile(lower: Lower, path: string): Promise<string | undefined> {
  const inode = await find(lower, path);
  if (inode?.kind !== FILE_KIND.file || inode.size > 1 << 20) return undefined;
  const bytes = new Uint8Array(inode.size);
  await lower.read(inode.ino, bytes, 0);
  return utf8(bytes);
}

interface BootFile {
  inode: Inode;
  parent: Ino;
  path: string;
  directory?: LowerDirectory;
  bytes?: FileBytes;
}

/** The boot partition's files by inode number. `mount`: the directory that its root takes the place of. */
class BootFiles {
  readonly #tree: FatTree;
  readonly #mount: Ino;
  readonly #files = new Map<Ino, BootFile>();
  #next = LAST_INO;
  top: LowerDirectory | undefined;
  folders = 0;
  usedBytes = 0;

  constructor(tree: FatTree, mount: Ino) {
    this.#tree = tree;
    this.#mount = mount;
  }

  get lowest(): Ino {
    return this.#next + 1;
  }
  get count(): number {
    return this.#files.size;
  }

  async load(): Promise<void> {
    const { directory, folders } = await this.#walk("", this.#mount);
    this.top = directory;
    this.folders = folders;
  }

  async #walk(path: string, own: Ino): Promise<{ directory: LowerDirectory; folders: number }> {
    const places = new Map<string, number>();
    const names: string[] = [];
    const inos: Ino[] = [];
    let folders = 0;
    for (const entry of await this.#tree.list(path)) {
      if (this.#files.size >= MAX_FILES)
        throw new BrambleError("FORMAT_UNSUPPORTED", `a boot partition of more than ${MAX_FILES} files`);
      const name = latin1(toUtf8(entry.name));
      // FAT allows 255 units of UTF-16, NFS 255 bytes: what is longer cannot be named here.
      if (places.has(name) || name.length > MAX_NAME) continue;
      const file: BootFile = {
        inode: record(this.#next--, entry),
        parent: own,
        path: path ? `${path}/${entry.name}` : entry.name,
      };
      this.#files.set(file.inode.ino, file);
      places.set(name, names.length);
      names.push(name);
      inos.push(file.inode.ino);
      this.usedBytes += file.inode.used;
      if (entry.kind !== "directory") continue;
      folders += 1;
      const below = await this.#walk(file.path, file.inode.ino);
      file.directory = below.directory;
      file.inode = { ...file.inode, nlink: 2 + below.folders };
    }
    return { directory: { places, names, inos }, folders };
  }

  inode(ino: Ino): Inode | undefined {
    return this.#files.get(ino)?.inode;
  }

  parent(ino: Ino): Ino | undefined {
    return this.#files.get(ino)?.parent;
  }

  directory(ino: Ino): LowerDirectory | undefined {
    return ino === this.#mount ? this.top : this.#files.get(ino)?.directory;
  }

  async read(ino: Ino, into: Uint8Array, offset: number): Promise<void> {
    const file = this.#files.get(ino);
    if (!file) throw new TypeError(`inode ${ino} is no boot file`);
    const bytes = file.bytes ?? (await this.#tree.open(file.path));
    if (!bytes) throw new TypeError(`boot file ${file.path} was listed and cannot be opened`);
    file.bytes = bytes;
    await bytes.read(into, offset);
  }
}

function record(ino: Ino, entry: { kind: string; size: number; mtimeMs: number }): Inode {
  const directory = entry.kind === "directory";
  const s = Math.floor(entry.mtimeMs / 1000);
  const time = { s, ns: (entry.mtimeMs - s * 1000) * 1_000_000 };
  const used = directory ? BLOCK : Math.ceil(entry.size / BLOCK) * BLOCK;
  return {
    ino,
    kind: directory ? FILE_KIND.directory : FILE_KIND.file,
    mode: 0o755,
    nlink: directory ? 2 : 1,
    uid: 0,
    gid: 0,
    size: directory ? BLOCK : entry.size,
    used,
    major: 0,
    minor: 0,
    atime: time,
    mtime: time,
    ctime: time,
    parent: 0,
    target: "",
    verifier: "",
    limit: directory ? 0 : entry.size,
    imageUsed: used,
    blocks: 0,
  };
}

class LowerWithBoot implements Lower {
  readonly root: Ino;
  readonly usedBytes: number;
  readonly inodes: number;
  readonly #below: Lower;
  readonly #boot: BootFiles;
  readonly #mount: Inode;

  constructor(below: Lower, boot: BootFiles, mount: Inode) {
    this.root = below.root;
    this.usedBytes = below.usedBytes + boot.usedBytes;
    this.inodes = below.inodes + boot.count;
    this.#below = below;
    this.#boot = boot;
    this.#mount = { ...mount, nlink: 2 + boot.folders };
  }

  inode(ino: Ino): Inode | undefined {
    if (ino >= this.#boot.lowest) return this.#boot.inode(ino);
    return ino === this.#mount.ino ? this.#mount : this.#below.inode(ino);
  }
  directory(ino: Ino): LowerDirectory {
    return this.#boot.directory(ino) ?? this.#below.directory(ino);
  }
  parent(ino: Ino): Ino {
    return this.#boot.parent(ino) ?? this.#below.parent(ino);
  }
  warm(inos: readonly Ino[]): Promise<void> {
    return this.#below.warm(inos.filter((ino) => ino < this.#boot.lowest));
  }
  read(ino: Ino, into: Uint8Array, offset: number): void | Promise<void> {
    return ino >= this.#boot.lowest
      ? this.#boot.read(ino, into, offset)
      : this.#below.read(ino, into, offset);
  }
  async xattrs(ino: Ino): Promise<Map<string, Uint8Array>> {
    return ino >= this.#boot.lowest ? new Map() : this.#below.xattrs(ino);
  }
}
