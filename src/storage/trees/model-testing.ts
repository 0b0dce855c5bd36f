// For tests: a file system of plain objects that says what POSIX and RFC 1813 make of each operation. Written apart from the tree, on purpose.
import { STATUS as S } from "../../wire/nfs/status.ts";
import {
  type Credentials,
  type FileKind,
  type Ino,
  FILE_KIND as K,
  type SetAttributes,
} from "../../wire/nfs/tree.ts";

export class ModelNode {
  ino: Ino = 0;
  kind: FileKind;
  mode: number;
  uid: number;
  gid: number;
  nlink = 1;
  bytes = new Uint8Array(0);
  /** As far as its writer may rely on it: a kill leaves these, or newer ones. */
  kept = new Uint8Array(0);
  target = "";
  verifier = "";
  names = new Map<string, ModelNode>();
  parent: ModelNode | undefined;
  dead = false;

  constructor(kind: FileKind, mode: number, uid: number, gid: number) {
    this.kind = kind;
    this.mode = mode;
    this.uid = uid;
    this.gid = gid;
  }
  get isDir(): boolean {
    return this.kind === K.directory;
  }
}

type Status = number;

/** A copy. */
function resized(bytes: Uint8Array, size: number): Uint8Array<ArrayBuffer> {
  const next = new Uint8Array(size);
  next.set(bytes.subarray(0, size));
  return next;
}

export class Model {
  readonly root: ModelNode;
  /** All that ever were. */
  readonly nodes: ModelNode[] = [];

  constructor(root: ModelNode) {
    this.root = root;
    this.nodes.push(root);
  }

  bits(who: Credentials, node: ModelNode): number {
    if (who.uid === 0) return node.isDir || node.mode & 0o111 ? 7 : 6;
    if (who.uid === node.uid) return (node.mode & 0o700) >> 6;
    if ([who.gid, ...who.gids].includes(node.gid)) return (node.mode & 0o070) >> 3;
    return node.mode & 7;
  }
  #can(who: Credentials, node: ModelNode, wanted: string): boolean {
    const bits = this.bits(who, node);
    return [..."rwx"].every((letter, i) => !wanted.includes(letter) || bits & (4 >> i));
  }
  #isOwner = (who: Credentials, node: ModelNode) => who.uid === 0 || who.uid === node.uid;
  #inGroup = (who: Credentials, gid: number) => [who.gid, ...who.gids].includes(gid);

  #dirFault(who: Credentials, dir: ModelNode, name: string): Status {
    if (dir.dead) return S.STALE;
    if (!dir.isDir) return S.NOTDIR;
    if (name.length > 255) return S.NAMETOOLONG;
    if (/^$|[/\0]/.test(name)) return S.INVAL;
    return this.#can(who, dir, "x") ? 0 : S.ACCES;
  }

  lookup(who: Credentials, dir: ModelNode, name: string): Status | ModelNode {
    const fault = this.#dirFault(who, dir, name);
    if (fault) return fault;
    if (name === ".") return dir;
    if (name === "..") return dir.parent ?? dir;
    return dir.names.get(name) ?? S.NOENT;
  }

  make(
    who: Credentials,
    dir: ModelNode,
    name: string,
    what: { kind: FileKind; set: SetAttributes; how?: string; verifier?: string; target?: string },
  ): Status | ModelNode {
    const fault = this.#dirFault(who, dir, name);
    if (fault) return fault;
    const { kind, set, how } = what;
    if (name === "." || name === "..") return S.EXIST;
    const there = dir.names.get(name);
    if (there) {
      if (kind !== K.file || there.kind !== K.file || how === "guarded") return S.EXIST;
      if (how === "exclusive") return there.verifier === what.verifier ? there : S.EXIST;
      return set.size === undefined ? there : this.setattr(who, there, { size: set.size }) || there;
    }
    if (!this.#can(who, dir, "w")) return S.ACCES;
    if ((kind === K.block || kind === K.character) && who.uid !== 0) return S.PERM;
    if (kind === K.symlink && what.target === "") return S.INVAL;
    let mode = how === "exclusive" ? 0o600 : (set.mode ?? (kind === K.directory ? 0o755 : 0o644));
    let gid = dir.mode & 0o2000 ? dir.gid : who.gid;
    const asked = how === "exclusive" ? undefined : set.gid;
    if (asked !== undefined && (who.uid === 0 || this.#inGroup(who, asked))) gid = asked;
    const uid = who.uid === 0 && how !== "exclusive" ? (set.uid ?? 0) : who.uid;
    if (kind === K.directory && dir.mode & 0o2000) mode |= 0o2000;
    else if (who.uid !== 0 && !this.#inGroup(who, gid)) mode &= ~0o2000;
    if (kind === K.symlink) mode = 0o777;
    const node = new ModelNode(kind, mode, uid, gid);
    node.verifier = what.verifier ?? "";
    node.target = what.target ?? "";
    if (kind === K.file && how !== "exclusive") node.bytes = node.kept = new Uint8Array(set.size ?? 0);
    if (kind === K.directory) {
      node.nlink = 2;
      node.parent = dir;
      dir.nlink += 1;
    }
    dir.names.set(name, node);
    this.nodes.push(node);
    return node;
  }

  setattr(who: Credentials, node: ModelNode, set: SetAttributes): Status {
    if (node.dead) return S.STALE;
    const own = this.#isOwner(who, node);
    const root = who.uid === 0;
    if (set.mode !== undefined && !own) return S.PERM;
    if (set.uid !== undefined && !root && !(own && set.uid === node.uid)) return S.PERM;
    if (set.gid !== undefined && !root && !(own && (set.gid === node.gid || this.#inGroup(who, set.gid))))
      return S.PERM;
    if (set.mode !== undefined && node.kind === K.symlink) return S.NOTSUPP;
    if (set.size !== undefined) {
      if (node.isDir) return S.ISDIR;
      if (node.kind !== K.file) return S.INVAL;
      if (!own && !this.#can(who, node, "w")) return S.ACCES;
    }
    for (const time of [set.atime, set.mtime]) if (typeof time === "object" && !own) return S.PERM;
    if ((set.atime || set.mtime) && !own && !this.#can(who, node, "w")) return S.ACCES;
    if (Object.keys(set).length === 0) return 0;
    if (set.mode !== undefined) {
      node.mode = set.mode;
      if (!root && !this.#inGroup(who, set.gid ?? node.gid)) node.mode &= ~0o2000;
    }
    const chowns = set.uid !== undefined || set.gid !== undefined;
    const cuts = set.size !== undefined && !root && set.mode === undefined;
    if ((chowns && !node.isDir) || cuts) this.#killSetid(node);
    node.uid = set.uid ?? node.uid;
    node.gid = set.gid ?? node.gid;
    if (set.size !== undefined) {
      node.bytes = resized(node.bytes, set.size);
      node.kept = resized(node.kept, set.size);
    }
    node.verifier = "";
    return 0;
  }

  #killSetid(node: ModelNode): void {
    node.mode &= ~0o4000;
    if (node.mode & 0o010) node.mode &= ~0o2000;
  }

  read(who: Credentials, node: ModelNode, offset: number, count: number): Status | Uint8Array {
    if (node.dead) return S.STALE;
    if (node.kind !== K.file) return node.isDir ? S.ISDIR : S.INVAL;
    const may = this.#isOwner(who, node) || this.#can(who, node, "r") || this.#can(who, node, "x");
    return may ? node.bytes.subarray(offset, offset + count) : S.ACCES;
  }

  write(who: Credentials, node: ModelNode, offset: number, data: Uint8Array): Status {
    if (node.dead) return S.STALE;
    if (node.kind !== K.file) return node.isDir ? S.ISDIR : S.INVAL;
    if (!this.#isOwner(who, node) && !this.#can(who, node, "w")) return S.ACCES;
    if (data.length === 0) return 0;
    if (who.uid !== 0) this.#killSetid(node);
    node.bytes = resized(node.bytes, Math.max(node.bytes.length, offset + data.length));
    node.bytes.set(data, offset);
    return 0;
  }

  #leaves(who: Credentials, dir: ModelNode, name: string): Status | ModelNode {
    const fault = this.#dirFault(who, dir, name);
    if (fault) return fault;
    const node = dir.names.get(name);
    if (!node) return S.NOENT;
    if (!this.#can(who, dir, "w")) return S.ACCES;
    return this.#sticks(who, dir, node) ? S.PERM : node;
  }
  #sticks(who: Credentials, dir: ModelNode, node: ModelNode): boolean {
    return Boolean(dir.mode & 0o1000) && ![0, dir.uid, node.uid].includes(who.uid);
  }
  #unlink(node: ModelNode): void {
    node.nlink -= 1;
    if (node.isDir || node.nlink === 0) node.dead = true;
  }

  remove(who: Credentials, dir: ModelNode, name: string): Status {
    if (name === "." || name === "..") return S.INVAL;
    const node = this.#leaves(who, dir, name);
    if (typeof node === "number") return node;
    if (node.isDir) return S.ISDIR;
    dir.names.delete(name);
    this.#unlink(node);
    return 0;
  }

  rmdir(who: Credentials, dir: ModelNode, name: string): Status {
    if (name === ".") return S.INVAL;
    if (name === "..") return S.NOTEMPTY;
    const node = this.#leaves(who, dir, name);
    if (typeof node === "number") return node;
    if (!node.isDir) return S.NOTDIR;
    if (node.names.size > 0) return S.NOTEMPTY;
    dir.names.delete(name);
    dir.nlink -= 1;
    this.#unlink(node);
    return 0;
  }

  rename(who: Credentials, from: ModelNode, name: string, to: ModelNode, newName: string): Status {
    if ([name, newName].some((n) => n === "." || n === "..")) return S.INVAL;
    const node = this.#leaves(who, from, name);
    if (typeof node === "number") return node;
    const fault = this.#dirFault(who, to, newName) || (this.#can(who, to, "w") ? 0 : S.ACCES);
    if (fault) return fault;
    const old = to.names.get(newName);
    if (old === node) return 0;
    if (node.isDir && from !== to) {
      for (let up: ModelNode | undefined = to; up; up = up.parent) if (up === node) return S.INVAL;
      if (!this.#can(who, node, "w")) return S.ACCES;
    }
    if (old) {
      if (this.#sticks(who, to, old)) return S.PERM;
      if (node.isDir && !old.isDir) return S.NOTDIR;
      if (!node.isDir && old.isDir) return S.ISDIR;
      if (old.names.size > 0) return S.NOTEMPTY;
      this.#unlink(old);
      if (old.isDir) to.nlink -= 1;
    }
    from.names.delete(name);
    to.names.set(newName, node);
    if (node.isDir) {
      from.nlink -= 1;
      to.nlink += 1;
      node.parent = to;
    }
    return 0;
  }

  link(who: Credentials, node: ModelNode, dir: ModelNode, name: string): Status {
    if (node.dead) return S.STALE;
    const fault = this.#dirFault(who, dir, name);
    if (fault) return fault;
    if (name === "." || name === ".." || dir.names.has(name)) return S.EXIST;
    if (!this.#can(who, dir, "w")) return S.ACCES;
    if (node.isDir) return S.PERM;
    dir.names.set(name, node);
    node.nlink += 1;
    return 0;
  }

  readdir(who: Credentials, dir: ModelNode): Status | string[] {
    if (dir.dead) return S.STALE;
    if (!dir.isDir) return S.NOTDIR;
    return this.#can(who, dir, "r") ? [".", "..", ...dir.names.keys()].sort() : S.ACCES;
  }
}
