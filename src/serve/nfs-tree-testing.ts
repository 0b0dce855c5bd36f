// A file tree in memory, for tests of what speaks NFS. It knows no permissions: those are the real tree's.
import { STATUS, type StatusCode } from "../wire/nfs/status.ts";
import {
  type Attributes,
  type Change,
  FILE_KIND,
  type FileKind,
  type Ino,
  type Made,
  type NfsTree,
  type SetAttributes,
  type Soon,
  type Time,
} from "../wire/nfs/tree.ts";

interface Node {
  a: Attributes;
  entries: Map<string, { ino: Ino; cookie: number }>;
  parent: Ino;
  data: Buffer;
  target: string;
  verifier: string;
}
export interface TestTree extends NfsTree {
  /** Calls of settled(), and replies that were remembered. */
  readonly settles: { count: number };
  readonly remembered: Map<string, Uint8Array>;
}
/** What tests may put in its way. */
export interface Hooks {
  /** Before each call: a promise makes it cold. */
  before?(what: string): void | Promise<void>;
  settled?(): void | Promise<void>;
}

const ROOT = 2;

export function testTree(hooks: Hooks = {}): TestTree {
  const nodes = new Map<Ino, Node>();
  const settles = { count: 0 };
  const remembered = new Map<string, Uint8Array>();
  let nextIno = 2 ** 32;
  let nextCookie = 3;
  let clock = 0;
  const now = (): Time => ({ s: 1_700_000_000, ns: ++clock });

  const node = (kind: FileKind, mode: number, parent: Ino): Node => {
    const ino = nodes.size === 0 ? ROOT : nextIno++;
    const time = now();
    const nlink = kind === FILE_KIND.directory ? 2 : 1;
    const a = { ino, kind, mode, nlink, uid: 0, gid: 0, size: 0, used: 0, major: 0, minor: 0 };
    const made: Node = {
      a: { ...a, atime: time, mtime: time, ctime: time },
      entries: new Map(),
      parent,
      data: Buffer.alloc(0),
      target: "",
      verifier: "",
    };
    nodes.set(ino, made);
    return made;
  };
  node(FILE_KIND.directory, 0o755, ROOT);

  /** Runs it at once, or when the hook's promise has ended. */
  const op = <T>(what: string, work: () => T | StatusCode): Soon<T> => {
    const wait = hooks.before?.(what);
    return wait ? wait.then(work) : work();
  };
  const before = ({ a }: Node) => ({ size: a.size, mtime: a.mtime, ctime: a.ctime });
  /** Changes a node and tells how it was and is. */
  const change = (n: Node, work: () => void): Change => {
    const was = before(n);
    work();
    const time = now();
    n.a = { ...n.a, mtime: time, ctime: time };
    return { before: was, after: n.a };
  };
  const bad = (name: string) =>
    name.length > 255 ? STATUS.NAMETOOLONG : name === "" || /[/\0]/.test(name) ? STATUS.INVAL : undefined;
  const directory = (ino: Ino): Node | StatusCode => {
    const n = nodes.get(ino);
    return !n ? STATUS.STALE : n.a.kind === FILE_KIND.directory ? n : STATUS.NOTDIR;
  };
  const resize = (n: Node, size: number) => {
    const data = Buffer.alloc(size);
    n.data.copy(data, 0, 0, size);
    n.data = data;
    n.a = { ...n.a, size, used: size };
  };
  const apply = (n: Node, set: SetAttributes) => {
    if (set.size !== undefined) resize(n, set.size);
    const { mode = n.a.mode, uid = n.a.uid, gid = n.a.gid } = set;
    n.a = { ...n.a, mode, uid, gid };
    const times = (key: "atime" | "mtime") => {
      const time = set[key];
      if (time !== undefined) n.a = { ...n.a, [key]: time === "server" ? now() : time };
    };
    times("atime");
    times("mtime");
  };
  const make = (
    into: Ino,
    name: string,
    kind: FileKind,
    set: SetAttributes,
    more: (n: Node) => void = () => {},
  ): Made | StatusCode => {
    const d = directory(into);
    const wrong = bad(name);
    if (wrong) return wrong;
    if (typeof d === "number") return d;
    if (d.entries.has(name) || name === "." || name === "..") return STATUS.EXIST;
    const n = node(kind, 0o644, into);
    apply(n, set);
    more(n);
    if (kind === FILE_KIND.directory) d.a = { ...d.a, nlink: d.a.nlink + 1 };
    const told = change(d, () => d.entries.set(name, { ino: n.a.ino, cookie: nextCookie++ }));
    return { made: n.a, directory: told };
  };
  const take = (from: Ino, name: string, kind: "file" | "directory"): Change | StatusCode => {
    const d = directory(from);
    if (typeof d === "number") return d;
    const entry = d.entries.get(name);
    const n = entry && nodes.get(entry.ino);
    if (!n) return STATUS.NOENT;
    const isDirectory = n.a.kind === FILE_KIND.directory;
    if (kind === "file" && isDirectory) return STATUS.ISDIR;
    if (kind === "directory" && !isDirectory) return STATUS.NOTDIR;
    if (n.entries.size > 0) return STATUS.NOTEMPTY;
    n.a = { ...n.a, nlink: n.a.nlink - 1 };
    if (isDirectory || n.a.nlink === 0) nodes.delete(n.a.ino);
    if (isDirectory) d.a = { ...d.a, nlink: d.a.nlink - 1 };
    return change(d, () => d.entries.delete(name));
  };

  return {
    settles,
    remembered,
    root: ROOT,
    getattr: (ino) => op("getattr", () => nodes.get(ino)?.a ?? STATUS.STALE),
    setattr: (_who, ino, set, guard) =>
      op("setattr", () => {
        const n = nodes.get(ino);
        if (!n) return STATUS.STALE;
        if (guard && (guard.s !== n.a.ctime.s || guard.ns !== n.a.ctime.ns)) return STATUS.NOT_SYNC;
        const was = before(n);
        n.a = { ...n.a, ctime: now() };
        apply(n, set);
        return { before: was, after: n.a };
      }),
    lookup: (_who, ino, name) =>
      op("lookup", () => {
        const d = directory(ino);
        if (typeof d === "number") return d;
        const wrong = bad(name);
        if (wrong) return wrong;
        const there = name === "." ? ino : name === ".." ? d.parent : d.entries.get(name)?.ino;
        const found = there === undefined ? undefined : nodes.get(there)?.a;
        return found ? { found, directory: d.a } : STATUS.NOENT;
      }),
    access: (_who, ino, wanted) =>
      op("access", () => {
        const attributes = nodes.get(ino)?.a;
        return attributes ? { granted: wanted & 0x3f, attributes } : STATUS.STALE;
      }),
    readlink: (_who, ino) =>
      op("readlink", () => {
        const n = nodes.get(ino);
        if (!n) return STATUS.STALE;
        return n.a.kind === FILE_KIND.symlink ? { target: n.target, attributes: n.a } : STATUS.INVAL;
      }),
    read: (_who, ino, offset, into) =>
      op("read", () => {
        const n = nodes.get(ino);
        if (!n) return STATUS.STALE;
        if (n.a.kind !== FILE_KIND.file) return STATUS.ISDIR;
        const count = n.data.copy(into, 0, Math.min(offset, n.data.length));
        return { count, eof: offset + count >= n.data.length, attributes: n.a };
      }),
    write(_who, ino, offset, data, stable) {
      const kept = hooks.before ? data.slice() : data;
      return op("write", () => {
        const n = nodes.get(ino);
        if (!n) return STATUS.STALE;
        if (offset + kept.length > 1 << 26) return STATUS.FBIG;
        const told = change(n, () => {
          if (offset + kept.length > n.data.length) resize(n, offset + kept.length);
          n.data.set(kept, offset);
        });
        return { count: kept.length, committed: stable, change: told };
      });
    },
    create: (_who, ino, name, how) =>
      op("create", () => {
        const d = directory(ino);
        const there = typeof d === "number" ? undefined : d.entries.get(name);
        const old = there && nodes.get(there.ino);
        const verifier = how.how === "exclusive" ? Buffer.from(how.verifier).toString("hex") : "";
        const again = how.how === "unchecked" || (how.how === "exclusive" && old?.verifier === verifier);
        if (old && typeof d !== "number" && again) {
          if (how.how === "unchecked") apply(old, how.set);
          return { made: old.a, directory: change(d, () => {}) };
        }
        const set = how.how === "exclusive" ? {} : how.set;
        return make(ino, name, FILE_KIND.file, set, (n) => {
          n.verifier = verifier;
        });
      }),
    mkdir: (_who, ino, name, set) => op("mkdir", () => make(ino, name, FILE_KIND.directory, set)),
    symlink: (_who, ino, name, target, set) =>
      op("symlink", () =>
        make(ino, name, FILE_KIND.symlink, set, (n) => {
          n.target = target;
          n.a = { ...n.a, size: target.length };
        }),
      ),
    mknod: (_who, ino, name, { kind, major, minor, set }) =>
      op("mknod", () =>
        make(ino, name, kind, set, (n) => {
          n.a = { ...n.a, major, minor };
        }),
      ),
    remove: (_who, ino, name) => op("remove", () => take(ino, name, "file")),
    rmdir: (_who, ino, name) => op("rmdir", () => take(ino, name, "directory")),
    rename: (_who, from, to) =>
      op("rename", () => {
        const d = directory(from.directory);
        const e = directory(to.directory);
        if (typeof d === "number") return d;
        if (typeof e === "number") return e;
        const moved = d.entries.get(from.name);
        if (!moved) return STATUS.NOENT;
        const told = change(d, () => d.entries.delete(from.name));
        return {
          from: told,
          to: change(e, () => e.entries.set(to.name, { ino: moved.ino, cookie: nextCookie++ })),
        };
      }),
    link: (_who, ino, into, name) =>
      op("link", () => {
        const n = nodes.get(ino);
        const d = directory(into);
        if (!n) return STATUS.STALE;
        if (typeof d === "number") return d;
        if (d.entries.has(name)) return STATUS.EXIST;
        n.a = { ...n.a, nlink: n.a.nlink + 1 };
        const told = change(d, () => d.entries.set(name, { ino, cookie: nextCookie++ }));
        return { attributes: n.a, directory: told };
      }),
    readdir: (_who, ino, cookie, fits) =>
      op("readdir", () => {
        const d = directory(ino);
        if (typeof d === "number") return d;
        const all = [
          { name: ".", ino, cookie: 1 },
          { name: "..", ino: d.parent, cookie: 2 },
          ...[...d.entries].map(([name, entry]) => ({ name, ...entry })).sort((a, b) => a.cookie - b.cookie),
        ].filter((entry) => entry.cookie > cookie);
        const stopped = all.some((e) => !fits({ ...e, attributes: (nodes.get(e.ino) as Node).a }));
        return { eof: !stopped, attributes: d.a };
      }),
    fsstat: () =>
      op("fsstat", () => ({ totalBytes: 2 ** 40, freeBytes: 2 ** 39, totalFiles: 1e6, freeFiles: 5e5 })),
    commit: (ino) =>
      op("commit", () => {
        const n = nodes.get(ino);
        return n ? { before: before(n), after: n.a } : STATUS.STALE;
      }),
    remember: (key, reply) => void remembered.set(key, reply.slice()),
    recall: (key) => remembered.get(key),
    settled() {
      settles.count += 1;
      return hooks.settled?.();
    },
  };
}
