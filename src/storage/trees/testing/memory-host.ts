import { hostError } from "../../clones/host-file.ts";
import type { Die } from "../../testing/die.ts";
import type { Host, TreeFile } from "../host.ts";
import { Contents, MemoryFile } from "./memory-file.ts";

interface NameChange {
  path: string;
  contents: Contents | undefined;
  /** The one before it may not happen without it. */
  isJoined: boolean;
}

/** What may go wrong: the `from`th write or sync and `count` of them. */
export interface Plan {
  what: "write" | "sync";
  from: number;
  count: number;
  trouble: "ENOSPC" | "EIO";
}

/**
 * A host's disk in memory that can be killed at any step, lose its power at any moment, be full or broken. A kill leaves all that was done; a power cut what an ended
 * sync has covered, and of the rest any part of the data and, as journals of file systems do it, the first so many changes of names.
 */
export class MemoryHost implements Host {
  #names = new Map<string, Contents>();
  #folders = new Set<string>();
  /** Folders that came by a rename: as lasting as the names in them. */
  readonly #moved = new Set<string>();
  #durableNames = new Map<string, Contents>();
  #nameLog: NameChange[] = [];
  /** Changes of names that are on the disk. */
  #namesBefore = 0;
  /** Steps done: writes, changes of names, syncs. */
  steps = 0;
  /** The step that is not done any more, and none after it. */
  dieAt = Number.POSITIVE_INFINITY;
  plan: Plan | undefined;
  /** Descriptors. */
  openFiles = 0;
  writes = 0;
  syncs = 0;
  /** Bytes that may be allocated. */
  capacity = Number.POSITIVE_INFINITY;
  /** How many turns a sync takes at most. */
  die: Die | undefined;
  /** Syncs that say they are done and did nothing: for tests of the tests. */
  lies: (path: string) => boolean = () => false;

  #died = (): void => undefined;
  /** Resolves when the process is gone. */
  readonly death = new Promise<void>((resolve) => {
    this.#died = resolve;
  });

  get isDead(): boolean {
    return this.steps >= this.dieAt;
  }

  /** False: the process is gone, it does nothing any more. */
  step(): boolean {
    if (!this.isDead) this.steps += 1;
    if (!this.isDead) return true;
    this.#died();
    return false;
  }

  risk(what: Plan["what"], path: string): void {
    const n = what === "write" ? this.writes++ : this.syncs++;
    const { plan } = this;
    if (!plan || plan.what !== what || n < plan.from || n >= plan.from + plan.count) return;
    throw failure(plan.trouble, `${what} ${path}`);
  }

  takeRoom(more: number, path: string): void {
    if (this.capacity !== Number.POSITIVE_INFINITY && this.allocated() + more > this.capacity)
      throw failure("ENOSPC", `write ${path}`);
  }
  allocated(): number {
    return [...new Set(this.#names.values())].reduce((sum, contents) => sum + contents.allocated(), 0);
  }

  /** The disk takes its time; of a dead process it never ends. */
  async pass(): Promise<void> {
    const turns = 1 + (this.die?.below(4) ?? 0);
    for (let turn = 0; turn < turns; turn++) await new Promise((next) => setImmediate(next));
    if (!this.step()) await new Promise(() => undefined);
  }

  open(path: string, mode: "read" | "write" | "create"): TreeFile {
    let contents = this.#names.get(path);
    if (!contents) {
      if (mode !== "create") throw failure("ENOENT", `open ${path}`);
      this.#mustHaveFolder(path);
      contents = new Contents();
      if (this.step()) this.#change(path, contents);
    }
    return new MemoryFile(this, path, contents);
  }

  #mustHaveFolder(path: string): void {
    if (!this.#folders.has(folderOf(path))) throw failure("ENOENT", `make ${path}`);
  }
  #change(path: string, contents: Contents | undefined, isJoined = false): void {
    const before = this.#names.get(path);
    if (before) before.links -= 1;
    if (contents) {
      this.#names.set(path, contents);
      contents.links += 1;
    } else this.#names.delete(path);
    this.#nameLog.push({ path, contents, isJoined });
  }

  makeFolder(path: string): void {
    for (let at = path; at !== "" && at !== "/"; at = folderOf(at)) this.#folders.add(at);
  }
  list(folder: string): string[] {
    const names = new Set<string>();
    for (const path of [...this.#names.keys(), ...this.#folders])
      if (path.startsWith(`${folder}/`)) names.add(path.slice(folder.length + 1).split("/")[0] as string);
    return [...names];
  }
  exists(path: string): boolean {
    return this.#names.has(path) || this.#folders.has(path);
  }
  link(from: string, to: string): void {
    this.#mustHaveFolder(to);
    const contents = this.#names.get(from);
    if (!contents) throw failure("ENOENT", `link ${from}`);
    if (this.#names.has(to)) throw failure("EEXIST", `link ${to}`);
    if (this.step()) this.#change(to, contents);
  }
  rename(from: string, to: string): void {
    if (!this.exists(from)) throw failure("ENOENT", `rename ${from}`);
    this.#mustHaveFolder(to);
    if (!this.step()) return;
    const moved = [...this.#names].filter(([path]) => path === from || path.startsWith(`${from}/`));
    for (const [path, contents] of moved) {
      this.#change(to + path.slice(from.length), contents, path !== moved[0]?.[0]);
      this.#change(path, undefined, true);
    }
    for (const folder of [...this.#folders])
      if (folder === from || folder.startsWith(`${from}/`)) {
        this.#folders.delete(folder);
        this.#folders.add(to + folder.slice(from.length));
        this.#moved.add(to + folder.slice(from.length));
      }
  }
  remove(path: string): void {
    if (this.#names.has(path) && this.step()) this.#change(path, undefined);
  }
  removeFolder(path: string): void {
    for (const name of [...this.#names.keys()]) if (name.startsWith(`${path}/`)) this.remove(name);
    if (!this.step()) return;
    for (const folder of [...this.#folders])
      if (folder === path || folder.startsWith(`${path}/`)) this.#folders.delete(folder);
  }
  async syncNames(folder: string): Promise<void> {
    this.risk("sync", folder);
    const upTo = this.#namesBefore + this.#nameLog.length;
    await this.pass();
    if (this.lies("names")) return;
    const covered = this.#nameLog.splice(0, Math.max(0, upTo - this.#namesBefore));
    this.#namesBefore += covered.length;
    for (const { path, contents } of covered) put(this.#durableNames, path, contents);
  }
  async clone(): Promise<boolean> {
    return false;
  }
  space(): { total: number; free: number } {
    return { total: 1e12, free: Math.min(1e12, this.capacity - this.allocated()) };
  }

  /** What a new process finds; this one is dead. */
  afterKill(): MemoryHost {
    this.dieAt = 0;
    const host = new MemoryHost();
    host.#names = this.#names;
    host.#folders = this.#folders;
    host.#durableNames = this.#durableNames;
    host.#nameLog = this.#nameLog;
    return host;
  }
  /** What is on the disk if the power goes now. */
  afterPowerCut(die: Die): MemoryHost {
    let kept = die.below(this.#nameLog.length + 1);
    while (this.#nameLog[kept]?.isJoined) kept += 1;
    const names = new Map(this.#durableNames);
    for (const { path, contents } of this.#nameLog.slice(0, kept)) put(names, path, contents);
    const host = new MemoryHost();
    const known = new Map<Contents, Contents>();
    for (const [path, contents] of names) {
      const copy = known.get(contents) ?? new Contents(contents.remains(die));
      known.set(contents, copy);
      copy.links += 1;
      host.#names.set(path, copy);
      host.#durableNames.set(path, copy);
      host.makeFolder(folderOf(path));
    }
    for (const folder of this.#folders) if (!this.#moved.has(folder)) host.makeFolder(folder);
    return host;
  }
}

const folderOf = (path: string): string => path.slice(0, path.lastIndexOf("/"));

function put(names: Map<string, Contents>, path: string, contents: Contents | undefined): void {
  if (contents) names.set(path, contents);
  else names.delete(path);
}

const failure = (code: string, what: string) =>
  hostError(Object.assign(new Error("made to fail"), { code }), what);
