// A user of a tree, with system calls as a kernel's NFS client makes them of NFSv3's procedures.
import assert from "node:assert/strict";
import { STATUS } from "../../src/wire/nfs/status.ts";
import {
  type Attributes,
  type Change,
  type CreateHow,
  type Credentials,
  type Ino,
  type Listed,
  type Made,
  type SetAttributes,
  type Soon,
  STABLE,
  type Stable,
} from "../../src/wire/nfs/tree.ts";
import { KIND_NUMBER, type Kind } from "./given.ts";
import type { Calls } from "./wire.ts";

export type StatusName = keyof typeof STATUS;
const NAMES = new Map<number, StatusName>(
  Object.entries(STATUS).map(([name, code]) => [code, name as StatusName]),
);

/** What a call was refused with. */
export class Refused extends Error {
  readonly status: StatusName;
  constructor(code: number) {
    super(`refused: ${NAMES.get(code) ?? code}`);
    this.status = NAMES.get(code) ?? "SERVERFAULT";
  }
}

/** The answer; a refusal throws Refused. */
export async function good<T extends object>(soon: Soon<T>): Promise<T> {
  const answer = await soon;
  if (typeof answer === "number") throw new Refused(answer);
  return answer;
}

/** The call is refused with one of these. */
export async function refuses(status: StatusName | StatusName[], call: Promise<unknown>): Promise<void> {
  const allowed = [status].flat();
  const got = await call.then(
    () => "done",
    (error: unknown) => {
      if (error instanceof Refused) return error.status;
      throw error;
    },
  );
  assert.ok(allowed.includes(got as StatusName), `${got}, not ${allowed.join(" or ")}`);
}

/** ACCESS3_* (RFC 1813 3.3.4). */
export const MAY = { read: 1, lookup: 2, modify: 4, extend: 8, delete: 16, execute: 32 } as const;
const MOST_SYMLINKS = 40;

/** An open file: goes by its inode, whatever becomes of its names. */
export class Open {
  readonly ino: Ino;
  readonly #tree: Calls;
  readonly #who: Credentials;
  constructor(tree: Calls, who: Credentials, ino: Ino) {
    [this.#tree, this.#who, this.ino] = [tree, who, ino];
  }
  async read(offset: number, length: number): Promise<Uint8Array> {
    const into = new Uint8Array(length);
    const { count } = await good(this.#tree.read(this.#who, this.ino, offset, into));
    return into.subarray(0, count);
  }
  async write(bytes: Uint8Array | string, offset = 0, stable: Stable = STABLE.fileSync) {
    const data = typeof bytes === "string" ? Buffer.from(bytes, "latin1") : Uint8Array.from(bytes);
    const done = await good(this.#tree.write(this.#who, this.ino, offset, data, stable));
    data.fill(0xee); // it was the caller's
    assert.equal(done.count, data.length);
    assert.ok(done.committed >= stable);
    return done;
  }
  stat = (): Promise<Attributes> => good(this.#tree.getattr(this.ino));
  truncate = (size: number): Promise<Change> => this.set({ size });
  set = (set: SetAttributes): Promise<Change> => good(this.#tree.setattr(this.#who, this.ino, set));
}

/** Paths are below the case's folder, one character a byte; "" is the folder itself. */
export class User {
  readonly who: Credentials;
  readonly tree: Calls;
  readonly #home: Ino;
  constructor(tree: Calls, home: Ino, who: Credentials) {
    [this.tree, this.#home, this.who] = [tree, home, who];
  }

  /** As lstat. */
  async lstat(path: string): Promise<Attributes> {
    const { directory, name } = await this.parent(path);
    return name === "" ? good(this.tree.getattr(directory)) : this.#lookup(directory, name);
  }
  /** As stat: the last symlink is followed too. */
  async stat(path: string): Promise<Attributes> {
    const { directory, name } = await this.parent(path);
    return name === "" ? good(this.tree.getattr(directory)) : this.#follow(directory, name, 0);
  }
  async #lookup(directory: Ino, name: string): Promise<Attributes> {
    return (await good(this.tree.lookup(this.who, directory, name))).found;
  }
  async #follow(directory: Ino, name: string, links: number): Promise<Attributes> {
    const found = await this.#lookup(directory, name);
    if (found.kind !== KIND_NUMBER.symlink) return found;
    assert.ok(links < MOST_SYMLINKS, "a circle of symlinks: the client's business");
    const { target } = await good(this.tree.readlink(this.who, found.ino));
    assert.ok(!target.startsWith("/"), "no case has a target from the root");
    let at: Attributes | undefined;
    for (const part of target.split("/")) at = await this.#follow(at?.ino ?? directory, part, links + 1);
    return at as Attributes;
  }
  /** Where the last name of a path is looked up. */
  async parent(path: string): Promise<{ directory: Ino; name: string }> {
    const parts = path.split("/");
    const name = parts.pop() ?? "";
    let directory = this.#home;
    for (const part of parts) directory = (await this.#follow(directory, part, 0)).ino;
    return { directory, name };
  }

  async mkdir(path: string, mode?: number, more: SetAttributes = {}): Promise<Made> {
    const { directory, name } = await this.parent(path);
    return good(this.tree.mkdir(this.who, directory, name, { ...(mode !== undefined && { mode }), ...more }));
  }
  async rmdir(path: string): Promise<Change> {
    const { directory, name } = await this.parent(path);
    return good(this.tree.rmdir(this.who, directory, name));
  }
  async unlink(path: string): Promise<Change> {
    const { directory, name } = await this.parent(path);
    return good(this.tree.remove(this.who, directory, name));
  }
  async rename(from: string, to: string) {
    const [one, other] = [await this.parent(from), await this.parent(to)];
    return good(this.tree.rename(this.who, one, other));
  }
  async link(from: string, to: string) {
    const { ino } = await this.lstat(from);
    const { directory, name } = await this.parent(to);
    return good(this.tree.link(this.who, ino, directory, name));
  }
  async symlink(target: string, path: string, set: SetAttributes = {}): Promise<Made> {
    const { directory, name } = await this.parent(path);
    return good(this.tree.symlink(this.who, directory, name, target, set));
  }
  async mknod(path: string, kind: Kind, set: SetAttributes = {}, [major, minor] = [0, 0]): Promise<Made> {
    const { directory, name } = await this.parent(path);
    return good(this.tree.mknod(this.who, directory, name, { kind: KIND_NUMBER[kind], major, minor, set }));
  }
  async create(path: string, how: CreateHow): Promise<Made> {
    const { directory, name } = await this.parent(path);
    return good(this.tree.create(this.who, directory, name, how));
  }
  /** One of each kind, by the call that makes it. */
  async make(kind: Kind, path: string, set: SetAttributes = { mode: 0o644 }): Promise<Made> {
    if (kind === "file") return this.create(path, { how: "guarded", set });
    if (kind === "directory") return this.mkdir(path, undefined, set);
    if (kind === "symlink") return this.symlink("elsewhere", path, set);
    return this.mknod(path, kind, set, kind === "fifo" || kind === "socket" ? [0, 0] : [8, 17]);
  }
  /** As open: first what the user may, then a file that is open. */
  async open(path: string, ...wanted: (keyof typeof MAY)[]): Promise<Open> {
    const { ino } = await this.stat(path);
    const bits = wanted.reduce((all, name) => all | MAY[name], 0);
    const { granted } = await good(this.tree.access(this.who, ino, bits));
    if ((granted & bits) !== bits) throw new Refused(STATUS.ACCES);
    return new Open(this.tree, this.who, ino);
  }
  /** The words of MAY that are granted, in their order. */
  async may(path: string): Promise<string> {
    const { ino } = await this.lstat(path);
    const { granted } = await good(this.tree.access(this.who, ino, 63));
    return (Object.keys(MAY) as (keyof typeof MAY)[]).filter((name) => granted & MAY[name]).join(" ");
  }
  async set(path: string, set: SetAttributes): Promise<Change> {
    return good(this.tree.setattr(this.who, (await this.stat(path)).ino, set));
  }
  /** Of a symlink itself. */
  async lset(path: string, set: SetAttributes): Promise<Change> {
    return good(this.tree.setattr(this.who, (await this.lstat(path)).ino, set));
  }
  chmod = (path: string, mode: number): Promise<Change> => this.set(path, { mode });
  /** undefined: as it is. */
  chown = (path: string, uid?: number, gid?: number): Promise<Change> =>
    this.set(path, { ...(uid !== undefined && { uid }), ...(gid !== undefined && { gid }) });
  /** As truncate: a kernel asks for the permission first. */
  truncate = async (path: string, size: number): Promise<Change> =>
    (await this.open(path, "modify")).truncate(size);
  async readlink(path: string): Promise<string> {
    return (await good(this.tree.readlink(this.who, (await this.lstat(path)).ino))).target;
  }
  /** The whole file. */
  async text(path: string): Promise<string> {
    const open = await this.open(path, "read");
    return Buffer.from(await open.read(0, (await open.stat()).size)).toString("latin1");
  }
  async write(path: string, bytes: Uint8Array | string, offset = 0) {
    return (await this.open(path, "modify")).write(bytes, offset);
  }
  /** All entries but "." and "..", `turn` of them with each call, sorted. */
  async list(path: string, turn = 1000): Promise<string[]> {
    const names = (await this.entries(path, turn)).map(({ name }) => name);
    assert.deepEqual(names.slice(0, 2), [".", ".."]);
    return names.slice(2).sort();
  }
  async entries(path: string, turn = 1000): Promise<Listed[]> {
    const { ino } = await this.stat(path);
    const all: Listed[] = [];
    for (let cookie = 0; ; ) {
      let left = turn;
      const fits = (entry: Listed) => left-- > 0 && all.push({ ...entry }) > 0;
      const { eof } = await good(this.tree.readdir(this.who, ino, cookie, fits));
      if (eof) return all;
      assert.notEqual(all.at(-1)?.cookie, cookie, "it goes on");
      cookie = all.at(-1)?.cookie ?? 0;
    }
  }
  async isThere(path: string): Promise<boolean> {
    return this.lstat(path).then(
      () => true,
      (error: unknown) => {
        if (error instanceof Refused && error.status === "NOENT") return false;
        throw error;
      },
    );
  }
}
