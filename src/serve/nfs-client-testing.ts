// An NFSv3 and MOUNT client for tests: all 22 procedures over TCP, and calls of any bytes (`rpc`). Names are one character per byte.
import { STATUS } from "../wire/nfs/status.ts";
import type { Attributes, Before, Credentials, FileKind, SetAttributes, Time } from "../wire/nfs/tree.ts";
import { XdrReader, XdrWriter } from "../wire/xdr.ts";
import { AUTH_NONE, type Auth, authSys, RpcClient, type RpcOptions } from "./nfs-client-rpc-testing.ts";

export type Fh = Uint8Array;
/** fattr3, with the file system's id. */
export type Fattr = Attributes & { fsid: number };
/** wcc_data. */
export interface Wcc {
  before?: Before;
  after?: Fattr;
}
export interface Made {
  fh: Fh;
  attributes?: Fattr;
  wcc: Wcc;
}
export interface Entry {
  ino: number;
  name: string;
  cookie: number;
  attributes?: Fattr;
  fh?: Fh;
}
export type How =
  | { how: "unchecked" | "guarded"; set?: SetAttributes }
  | { how: "exclusive"; verifier: Uint8Array };

/** An answer other than NFS3_OK: `status` and its name ("NOENT"); `wcc`, `attributes`: what came with it. */
export class NfsRefusal extends Error {
  override name = "NfsRefusal";
  readonly status: number;
  readonly rest: Uint8Array;
  constructor(procedure: string, status: number, rest: Uint8Array) {
    super(`${procedure}: ${Object.entries(STATUS).find(([, code]) => code === status)?.[0] ?? status}`);
    this.status = status;
    this.rest = rest;
  }
}

const ROOT: Credentials = { uid: 0, gid: 0, gids: [] };
const NFS = 100003;
const MOUNT = 100005;

/** Connects; uid 0 unless told otherwise. */
export async function connectNfs(
  port: number,
  options: RpcOptions & { who?: Credentials } = {},
): Promise<NfsTestClient> {
  return new NfsTestClient(await RpcClient.open(port, options), authSys(options.who ?? ROOT));
}

/** Every method rejects with NfsRefusal where the server says no. */
export class NfsTestClient {
  readonly rpc: RpcClient;
  readonly #auth: Auth;
  constructor(rpc: RpcClient, auth: Auth) {
    this.rpc = rpc;
    this.#auth = auth;
  }
  /** The same connection, another user. */
  as(uid: number, gid = uid, gids: readonly number[] = []): NfsTestClient {
    return new NfsTestClient(this.rpc, authSys({ uid, gid, gids }));
  }
  asNobody(): NfsTestClient {
    return new NfsTestClient(this.rpc, AUTH_NONE);
  }
  close(): void {
    this.rpc.close();
  }

  /** Any NFS procedure with any arguments: its results as they came, status first. */
  raw(procedure: number, args: Uint8Array, xid?: number): Promise<Uint8Array> {
    const call = { program: NFS, version: 3, procedure, args, auth: this.#auth };
    return this.rpc.call(xid === undefined ? call : { ...call, xid });
  }
  async #nfs(procedure: number, name: string, write: (w: XdrWriter) => void): Promise<XdrReader> {
    const r = new XdrReader().over(await this.raw(procedure, args(write)));
    const status = r.u32();
    if (status !== 0) throw new NfsRefusal(name, status, r.bytes.subarray(r.at));
    return r;
  }

  async #mountCall(procedure: number, write: (w: XdrWriter) => void): Promise<XdrReader> {
    const call = { program: MOUNT, version: 3, procedure, args: args(write), auth: this.#auth };
    return new XdrReader().over(await this.rpc.call(call));
  }
  async mountNull(): Promise<void> {
    await this.#mountCall(0, () => {});
  }
  /** The root's handle. */
  async mnt(path: string): Promise<Fh> {
    const r = await this.#mountCall(1, (w) => w.text(path));
    const status = r.u32();
    if (status !== 0) throw new NfsRefusal("MNT", status, r.bytes.subarray(r.at));
    return r.opaque(64).slice();
  }
  /** Whether anything is listed. */
  async dump(): Promise<boolean> {
    return (await this.#mountCall(2, () => {})).bool();
  }
  async umnt(path: string): Promise<void> {
    await this.#mountCall(3, (w) => w.text(path));
  }
  async umntall(): Promise<void> {
    await this.#mountCall(4, () => {});
  }
  /** Whether anything is listed. */
  async exports(): Promise<boolean> {
    return (await this.#mountCall(5, () => {})).bool();
  }

  async null(): Promise<void> {
    await this.raw(0, new Uint8Array(0));
  }
  async getattr(fh: Fh): Promise<Fattr> {
    return fattr(await this.#nfs(1, "GETATTR", (w) => w.opaque(fh)));
  }
  async setattr(fh: Fh, set: SetAttributes, guard?: Time): Promise<Wcc> {
    const r = await this.#nfs(2, "SETATTR", (w) => {
      w.opaque(fh);
      sattr(w, set);
      w.bool(guard !== undefined);
      if (guard) w.u32(guard.s).u32(guard.ns);
    });
    return wcc(r);
  }
  async lookup(
    directory: Fh,
    name: string,
  ): Promise<{ fh: Fh; attributes: Fattr | undefined; directory: Fattr | undefined }> {
    const r = await this.#nfs(3, "LOOKUP", (w) => w.opaque(directory).text(name));
    return { fh: r.opaque(64).slice(), attributes: post(r), directory: post(r) };
  }
  async access(fh: Fh, wanted: number): Promise<number> {
    const r = await this.#nfs(4, "ACCESS", (w) => w.opaque(fh).u32(wanted));
    post(r);
    return r.u32();
  }
  async readlink(fh: Fh): Promise<string> {
    const r = await this.#nfs(5, "READLINK", (w) => w.opaque(fh));
    post(r);
    return r.text(8192);
  }
  async read(
    fh: Fh,
    offset: number,
    count: number,
  ): Promise<{ data: Uint8Array; eof: boolean; attributes: Fattr | undefined }> {
    const r = await this.#nfs(6, "READ", (w) => w.opaque(fh).u64(offset).u32(count));
    const attributes = post(r);
    r.u32();
    const eof = r.bool();
    return { data: r.opaque(2 ** 31).slice(), eof, attributes };
  }
  /** `stable`: 0 unstable, 1 data, 2 file. */
  async write(
    fh: Fh,
    offset: number,
    data: Uint8Array,
    stable = 2,
  ): Promise<{ wcc: Wcc; count: number; committed: number; verifier: string }> {
    const r = await this.#nfs(7, "WRITE", (w) =>
      w.opaque(fh).u64(offset).u32(data.length).u32(stable).opaque(data),
    );
    return { wcc: wcc(r), count: r.u32(), committed: r.u32(), verifier: hex(r.fixed(8)) };
  }
  async create(directory: Fh, name: string, how: How = { how: "guarded" }): Promise<Made> {
    const r = await this.#nfs(8, "CREATE", (w) => {
      w.opaque(directory).text(name);
      if (how.how === "exclusive") w.u32(2).fixed(how.verifier);
      else sattr(w.u32(how.how === "guarded" ? 1 : 0), how.set ?? {});
    });
    return made(r);
  }
  async mkdir(directory: Fh, name: string, set: SetAttributes = {}): Promise<Made> {
    return made(await this.#nfs(9, "MKDIR", (w) => sattr(w.opaque(directory).text(name), set)));
  }
  async symlink(directory: Fh, name: string, target: string, set: SetAttributes = {}): Promise<Made> {
    const r = await this.#nfs(10, "SYMLINK", (w) => {
      sattr(w.opaque(directory).text(name), set);
      w.text(target);
    });
    return made(r);
  }
  async mknod(
    directory: Fh,
    name: string,
    node: { kind: FileKind; set?: SetAttributes; major?: number; minor?: number },
  ): Promise<Made> {
    const r = await this.#nfs(11, "MKNOD", (w) => {
      sattr(w.opaque(directory).text(name).u32(node.kind), node.set ?? {});
      if (node.kind === 3 || node.kind === 4) w.u32(node.major ?? 0).u32(node.minor ?? 0);
    });
    return made(r);
  }
  async remove(directory: Fh, name: string): Promise<Wcc> {
    return wcc(await this.#nfs(12, "REMOVE", (w) => w.opaque(directory).text(name)));
  }
  async rmdir(directory: Fh, name: string): Promise<Wcc> {
    return wcc(await this.#nfs(13, "RMDIR", (w) => w.opaque(directory).text(name)));
  }
  async rename(from: Fh, name: string, to: Fh, toName: string): Promise<{ from: Wcc; to: Wcc }> {
    const r = await this.#nfs(14, "RENAME", (w) => w.opaque(from).text(name).opaque(to).text(toName));
    return { from: wcc(r), to: wcc(r) };
  }
  async link(fh: Fh, directory: Fh, name: string): Promise<{ attributes: Fattr | undefined; wcc: Wcc }> {
    const r = await this.#nfs(15, "LINK", (w) => w.opaque(fh).opaque(directory).text(name));
    return { attributes: post(r), wcc: wcc(r) };
  }
  async readdir(
    directory: Fh,
    cookie = 0,
    count = 65_536,
  ): Promise<{ entries: Entry[]; eof: boolean; attributes: Fattr | undefined }> {
    const r = await this.#nfs(16, "READDIR", (w) => w.opaque(directory).u64(cookie).u64(0).u32(count));
    return listed(r, false);
  }
  async readdirplus(
    directory: Fh,
    cookie = 0,
    count = 65_536,
    names = count,
  ): Promise<{ entries: Entry[]; eof: boolean; attributes: Fattr | undefined }> {
    const r = await this.#nfs(17, "READDIRPLUS", (w) =>
      w.opaque(directory).u64(cookie).u64(0).u32(names).u32(count),
    );
    return listed(r, true);
  }
  /** All entries, by as many calls as it takes. */
  async list(directory: Fh): Promise<Entry[]> {
    const all: Entry[] = [];
    for (;;) {
      const { entries, eof } = await this.readdirplus(directory, all.at(-1)?.cookie ?? 0);
      all.push(...entries);
      if (eof) return all;
    }
  }
  async fsstat(
    fh: Fh,
  ): Promise<{ totalBytes: number; freeBytes: number; totalFiles: number; freeFiles: number }> {
    const r = await this.#nfs(18, "FSSTAT", (w) => w.opaque(fh));
    post(r);
    const [totalBytes, freeBytes, , totalFiles, freeFiles] = Array.from({ length: 6 }, () => r.u64());
    return { totalBytes, freeBytes, totalFiles, freeFiles } as Awaited<ReturnType<NfsTestClient["fsstat"]>>;
  }
  async fsinfo(
    fh: Fh,
  ): Promise<{ rtmax: number; wtmax: number; dtpref: number; maxFile: number; properties: number }> {
    const r = await this.#nfs(19, "FSINFO", (w) => w.opaque(fh));
    post(r);
    const [rtmax = 0, , , wtmax = 0, , , dtpref = 0] = Array.from({ length: 7 }, () => r.u32());
    const maxFile = r.u64();
    r.skip(8);
    return { rtmax, wtmax, dtpref, maxFile, properties: r.u32() };
  }
  async pathconf(fh: Fh): Promise<{ links: number; name: number; flags: boolean[] }> {
    const r = await this.#nfs(20, "PATHCONF", (w) => w.opaque(fh));
    post(r);
    return { links: r.u32(), name: r.u32(), flags: Array.from({ length: 4 }, () => r.bool()) };
  }
  async commit(fh: Fh, offset = 0, count = 0): Promise<{ wcc: Wcc; verifier: string }> {
    const r = await this.#nfs(21, "COMMIT", (w) => w.opaque(fh).u64(offset).u32(count));
    return { wcc: wcc(r), verifier: hex(r.fixed(8)) };
  }

  /** The handle at the end of a path below `from`, symlinks not followed. */
  async walk(from: Fh, path: string): Promise<Fh> {
    let at = from;
    for (const name of path.split("/").filter((part) => part !== "")) at = (await this.lookup(at, name)).fh;
    return at;
  }
  /** The whole content. */
  async readAll(fh: Fh): Promise<Buffer> {
    const parts: Uint8Array[] = [];
    for (let offset = 0; ; ) {
      const { data, eof } = await this.read(fh, offset, 1 << 20);
      parts.push(data);
      offset += data.length;
      if (eof || data.length === 0) return Buffer.concat(parts);
    }
  }
}

/** Arguments in XDR. */
export function args(write: (w: XdrWriter) => void): Uint8Array {
  const w = new XdrWriter().into(scratch);
  write(w);
  return scratch.slice(0, w.at);
}
const scratch = Buffer.alloc((1 << 20) + 8192);
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");

/** sattr3. */
export function sattr(w: XdrWriter, set: SetAttributes): void {
  const maybe = (value: number | undefined) => (value === undefined ? w.u32(0) : w.u32(1).u32(value));
  maybe(set.mode);
  maybe(set.uid);
  maybe(set.gid);
  if (set.size === undefined) w.u32(0);
  else w.u32(1).u64(set.size);
  for (const time of [set.atime, set.mtime]) {
    if (time === undefined) w.u32(0);
    else if (time === "server") w.u32(1);
    else w.u32(2).u32(time.s).u32(time.ns);
  }
}
const time = (r: XdrReader): Time => ({ s: r.u32(), ns: r.u32() });
function fattr(r: XdrReader): Fattr {
  const [kind = 0, mode = 0, nlink = 0, uid = 0, gid = 0] = Array.from({ length: 5 }, () => r.u32());
  const sizes = { size: r.u64(), used: r.u64(), major: r.u32(), minor: r.u32(), fsid: r.u64(), ino: r.u64() };
  const times = { atime: time(r), mtime: time(r), ctime: time(r) };
  return { kind: kind as FileKind, mode, nlink, uid, gid, ...sizes, ...times };
}
const post = (r: XdrReader): Fattr | undefined => (r.bool() ? fattr(r) : undefined);
function wcc(r: XdrReader): Wcc {
  const told: Wcc = {};
  if (r.bool()) told.before = { size: r.u64(), mtime: time(r), ctime: time(r) };
  const after = post(r);
  if (after) told.after = after;
  return told;
}
function made(r: XdrReader): Made {
  const fh = r.bool() ? r.opaque(64).slice() : new Uint8Array(0);
  const attributes = post(r);
  return { fh, ...(attributes && { attributes }), wcc: wcc(r) };
}
function listed(
  r: XdrReader,
  plus: boolean,
): { entries: Entry[]; eof: boolean; attributes: Fattr | undefined } {
  const attributes = post(r);
  r.skip(8);
  const entries: Entry[] = [];
  while (r.bool()) {
    const entry: Entry = { ino: r.u64(), name: r.text(1024), cookie: r.u64() };
    if (plus) {
      const found = post(r);
      if (found) entry.attributes = found;
      if (r.bool()) entry.fh = r.opaque(64).slice();
    }
    entries.push(entry);
  }
  return { entries, eof: r.bool(), attributes };
}
