import {
  copyFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from "node:fs";
import { basename, join } from "node:path";
import type { Die } from "../../testing/die.ts";
import { HostFile, type HostMode, type OpenHostFile } from "../host-file.ts";
import { type HostFolder, hostFolder } from "../host-folder.ts";

const SECTOR = 512;

type Change = { offset: number; bytes: Uint8Array } | { size: number };

/** What one file was when the world began, and what happened to it since. */
interface Contents {
  start: Buffer;
  log: Change[];
  /** So many changes an ended fdatasync has covered. */
  durable: number;
}

type NameChange = { name: string; contents: Contents | undefined };

/**
 * A folder that remembers what a power cut would leave: of each file all that an ended fdatasync covered and any part of the
 * rest; of the names all that an ended sync of the folder covered and, as journals of file systems do it, the first so many of
 * the rest. A name may be durable before what it leads to.
 */
export class CutWorld {
  readonly #folder: string;
  readonly #die: Die;
  readonly #lies: (what: string) => boolean;
  readonly #names = new Map<string, Contents>();
  readonly #before = new Map<string, Contents>();
  readonly #nameLog: NameChange[] = [];
  #durableNames = 0;
  readonly #open: WorldFile[] = [];
  isOff = false;

  /** `lies` names the syncs that say they are done and did nothing: "contents", "mapping", "folder". */
  constructor(folder: string, how: { die: Die; lies?: (what: string) => boolean }) {
    this.#folder = folder;
    this.#die = how.die;
    this.#lies = how.lies ?? (() => false);
    for (const name of readdirSync(folder)) {
      if (name.endsWith(".img") || name.endsWith(".lock")) continue;
      this.#names.set(name, { start: readFileSync(join(folder, name)), log: [], durable: 0 });
    }
    this.#before = new Map(this.#names);
  }

  readonly hostFile: OpenHostFile = (path, mode) => {
    const file = new WorldFile(path, mode, this);
    this.#open.push(file);
    return file;
  };

  /** What a file's name leads to; a new file's comes into being. */
  contents(path: string): Contents {
    const name = basename(path);
    const known = this.#names.get(name);
    if (known) return known;
    const fresh: Contents = { start: Buffer.alloc(0), log: [], durable: 0 };
    this.#rename(name, fresh);
    return fresh;
  }

  #rename(name: string, contents: Contents | undefined): void {
    if (contents) this.#names.set(name, contents);
    else this.#names.delete(name);
    this.#nameLog.push({ name, contents });
  }

  readonly hostFolder: HostFolder = {
    ...hostFolder,
    link: (from, to) => {
      if (this.isOff) return;
      hostFolder.link(from, to);
      this.#rename(basename(to), this.#names.get(basename(from)));
    },
    rename: (from, to) => {
      if (this.isOff) return;
      hostFolder.rename(from, to);
      this.#rename(basename(to), this.#names.get(basename(from)));
      this.#rename(basename(from), undefined);
      this.#joinLast();
    },
    remove: (path) => {
      if (this.isOff || !existsSync(path)) return;
      hostFolder.remove(path);
      this.#rename(basename(path), undefined);
    },
    sync: async () => {
      const covered = this.#nameLog.length;
      await this.pass();
      if (!this.#lies("folder")) this.#durableNames = Math.max(this.#durableNames, covered);
    },
  };

  /** A rename is two changes of names that happen together. */
  readonly #together = new Set<number>();
  #joinLast(): void {
    this.#together.add(this.#nameLog.length - 1);
  }

  /** The disk takes its time; when the power is off it never ends. */
  async pass(): Promise<void> {
    for (let turns = this.#die.below(6); turns > 0; turns--) await new Promise((next) => setImmediate(next));
    if (this.isOff) await new Promise(() => undefined);
  }
  isLie(what: string): boolean {
    return this.#lies(what);
  }

  /** The power goes: nothing is written any more. */
  cut(die: Die, into: string): void {
    this.isOff = true;
    this.leave(die, into);
  }

  /** Makes a folder as the disk may hold it if the power went now; the world goes on. */
  leave(die: Die, into: string): void {
    mkdirSync(into);
    const rest = this.#nameLog.length - this.#durableNames;
    let kept = this.#durableNames + die.below(rest + 1);
    while (this.#together.has(kept)) kept += 1;
    const names = new Map(this.#before);
    for (const { name, contents } of this.#nameLog.slice(0, kept)) {
      if (contents) names.set(name, contents);
      else names.delete(name);
    }
    const left = new Map<Contents, string>();
    for (const [name, contents] of names) {
      const first = left.get(contents);
      if (first) linkSync(first, join(into, name));
      else writeFileSync(join(into, name), remains(contents, die));
      left.set(contents, join(into, name));
    }
    for (const name of readdirSync(this.#folder))
      if (name.endsWith(".img")) copyImage(join(this.#folder, name), join(into, name));
  }

  /** Much later: what still runs would write to whatever file gets its number. */
  close(): void {
    for (const file of this.#open) file.reallyClose();
  }
}

/** The same file under another name: it has not changed. */
function copyImage(from: string, to: string): void {
  try {
    linkSync(from, to);
  } catch {
    copyFileSync(from, to); // a file system without links
  }
}

function remains({ start, log, durable }: Contents, die: Die): Buffer {
  const rest = log.slice(durable);
  const small = rest.flatMap((change) => ("size" in change ? [change] : sectorsOf(change)));
  const mode = die.below(4);
  const kept =
    mode === 0
      ? rest.filter(() => die.oneIn(2))
      : mode === 1
        ? small.slice(0, die.below(small.length + 1))
        : mode === 2
          ? small.filter(() => die.oneIn(2))
          : small.filter(() => !die.oneIn(20));
  const all = [...log.slice(0, durable), ...kept];
  const most = all.reduce(
    (end, change) => Math.max(end, "size" in change ? change.size : change.offset + change.bytes.length),
    start.length,
  );
  const disk = Buffer.alloc(most);
  disk.set(start);
  let size = start.length;
  for (const change of all) {
    if ("size" in change) {
      if (change.size < size) disk.fill(0, change.size, size);
      size = change.size;
    } else {
      disk.set(change.bytes, change.offset);
      size = Math.max(size, change.offset + change.bytes.length);
    }
  }
  return disk.subarray(0, size);
}

const sectorsOf = ({ offset, bytes }: { offset: number; bytes: Uint8Array }): Change[] =>
  Array.from({ length: Math.ceil(bytes.length / SECTOR) }, (_, i) => ({
    offset: offset + i * SECTOR,
    bytes: bytes.subarray(i * SECTOR, (i + 1) * SECTOR),
  }));

class WorldFile extends HostFile {
  readonly #world: CutWorld;
  readonly #contents: Contents;
  #closed = false;

  constructor(path: string, mode: HostMode, world: CutWorld) {
    super(path, mode);
    this.#world = world;
    this.#contents = world.contents(path);
  }
  override write(from: Uint8Array, offset: number): void {
    if (this.#world.isOff) return;
    super.write(from, offset);
    this.#contents.log.push({ offset, bytes: from.slice() });
  }
  override async writeApart(from: Uint8Array, offset: number): Promise<void> {
    await this.#world.pass();
    this.write(from, offset);
  }
  override truncate(size: number): void {
    if (this.#world.isOff) return;
    super.truncate(size);
    this.#contents.log.push({ size });
  }
  override async sync(what: "contents" | "mapping"): Promise<void> {
    const covered = this.#contents.log.length;
    await this.#world.pass();
    if (!this.#world.isLie(what)) this.#contents.durable = Math.max(this.#contents.durable, covered);
  }
  /** As the disk punches: zeros, and no promise when they are there. */
  override async punch(offset: number, length: number): Promise<boolean> {
    this.write(new Uint8Array(length), offset);
    return true;
  }
  override remove(): void {
    this.#world.hostFolder.remove(this.path);
  }
  override close(): void {
    if (!this.#world.isOff) this.reallyClose();
  }
  reallyClose(): void {
    if (!this.#closed) super.close();
    this.#closed = true;
  }
}
