// CREATE, MKDIR, SYMLINK, MKNOD, LINK (RFC 1813 3.3.8 to 3.3.11, 3.3.15).
import { latin1 } from "../../base/text.ts";
import { STATUS, type StatusCode } from "../../wire/nfs/status.ts";
import {
  type Answer,
  type Change,
  type CreateHow,
  type Credentials,
  FILE_KIND,
  type FileKind,
  type Ino,
  type Made,
  type SetAttributes,
  type Time,
} from "../../wire/nfs/tree.ts";
import { BLOCK, copyOf, type Inode } from "./changes.ts";
import { attributesOfNew, setattr } from "./ops-attributes.ts";
import { MAX_SIZE } from "./ops-data.ts";
import { type Ground, MAX_LINKS, MAX_OWN_INODES } from "./ops-ground.ts";
import * as posix from "./posix.ts";

/** PATH_MAX less its NUL. */
const MAX_TARGET = 4095;

/** A directory in which `name` is looked for in order to make it. */
export function enter(ground: Ground, who: Credentials, ino: Ino, name: string): Answer<Inode> {
  const directory = ground.inode(ino);
  if (!directory) return STATUS.STALE;
  if (directory.kind !== FILE_KIND.directory) return STATUS.NOTDIR;
  const fault = posix.nameFault(name);
  if (fault) return fault;
  return posix.may(who, directory, posix.EXECUTE) ? directory : STATUS.ACCES;
}

/** As enter(), where nothing of that name may be yet. */
function vacant(ground: Ground, who: Credentials, ino: Ino, name: string): Answer<Inode> {
  const directory = enter(ground, who, ino, name);
  if (typeof directory === "number") return directory;
  if (posix.isDots(name) || ground.find(ino, name)) return STATUS.EXIST;
  return posix.may(who, directory, posix.WRITE) ? directory : STATUS.ACCES;
}

/** Folders in a directory are counted by its links, as far as that goes: 1 says that they are not. */
function folders(directory: Inode, more: number): number {
  const count = directory.nlink === 1 ? 1 : directory.nlink + more;
  return count > MAX_LINKS ? 1 : count;
}

/** A directory after names in it have changed. */
export function touched(directory: Inode, now: Time, moreFolders = 0): Inode {
  const after = copyOf(directory);
  if (moreFolders !== 0) after.nlink = folders(directory, moreFolders);
  after.mtime = after.ctime = now;
  return after;
}

interface New {
  kind: FileKind;
  set: SetAttributes;
  target?: string;
  verifier?: string;
  major?: number;
  minor?: number;
}

function make(ground: Ground, who: Credentials, directory: Inode, name: string, what: New): Answer<Made> {
  const { upper } = ground;
  if (upper.inodes.size >= MAX_OWN_INODES) return STATUS.DQUOT;
  const { kind, set, target = "" } = what;
  const folder = kind === FILE_KIND.directory;
  const size = kind === FILE_KIND.file ? (set.size ?? 0) : folder ? BLOCK : target.length;
  if (size > MAX_SIZE) return STATUS.FBIG;
  ground.keep.ready();
  const now = ground.now();
  const { mode, uid, gid } = attributesOfNew(who, directory, set, kind);
  const made = ground.put({
    ino: upper.nextIno++,
    kind,
    mode: kind === FILE_KIND.symlink ? 0o777 : mode,
    nlink: folder ? 2 : 1,
    uid,
    gid,
    size,
    used: 0,
    major: what.major ?? 0,
    minor: what.minor ?? 0,
    atime: typeof set.atime === "object" ? set.atime : now,
    mtime: typeof set.mtime === "object" ? set.mtime : now,
    ctime: now,
    parent: folder ? directory.ino : 0,
    target,
    verifier: what.verifier ?? "",
    limit: 0,
    imageUsed: 0,
    blocks: 0,
  });
  ground.name(directory.ino, name, made.ino);
  const after = ground.put(touched(directory, now, folder ? 1 : 0));
  return { made, directory: { before: directory, after } };
}

export function create(
  ground: Ground,
  who: Credentials,
  ino: Ino,
  name: string,
  how: CreateHow,
): Answer<Made> {
  const directory = enter(ground, who, ino, name);
  if (typeof directory === "number") return directory;
  if (posix.isDots(name)) return STATUS.EXIST;
  const verifier = how.how === "exclusive" ? latin1(how.verifier) : "";
  const found = ground.find(ino, name);
  const existing = found ? ground.inode(found) : undefined;
  if (existing) return createOver(ground, who, directory, existing, how, verifier);
  if (!posix.may(who, directory, posix.WRITE)) return STATUS.ACCES;
  // What an exclusive one will be is told by the SETATTR that follows.
  const set = how.how === "exclusive" ? { mode: 0o600 } : how.set;
  return make(ground, who, directory, name, { kind: FILE_KIND.file, set, verifier });
}

/** The same exclusive create again is answered like the first one; an unchecked one takes what is there, and cuts it if told so. */
function createOver(
  ground: Ground,
  who: Credentials,
  directory: Inode,
  existing: Inode,
  how: CreateHow,
  verifier: string,
): Answer<Made> {
  const unchanged: Change = { before: directory, after: directory };
  if (existing.kind !== FILE_KIND.file || how.how === "guarded") return STATUS.EXIST;
  if (how.how === "exclusive")
    return existing.verifier === verifier ? { made: existing, directory: unchanged } : STATUS.EXIST;
  const { size } = how.set;
  if (size === undefined) return { made: existing, directory: unchanged };
  const cut = setattr(ground, who, existing.ino, { size });
  if (typeof cut === "number") return cut;
  return { made: cut.after as Inode, directory: unchanged };
}

export function mkdir(
  ground: Ground,
  who: Credentials,
  ino: Ino,
  name: string,
  set: SetAttributes,
): Answer<Made> {
  const directory = vacant(ground, who, ino, name);
  if (typeof directory === "number") return directory;
  return make(ground, who, directory, name, { kind: FILE_KIND.directory, set });
}

export function symlink(
  ground: Ground,
  who: Credentials,
  ino: Ino,
  name: string,
  target: string,
  set: SetAttributes,
): Answer<Made> {
  const directory = vacant(ground, who, ino, name);
  if (typeof directory === "number") return directory;
  const fault = targetFault(target);
  return fault || make(ground, who, directory, name, { kind: FILE_KIND.symlink, set, target });
}

function targetFault(target: string): StatusCode | 0 {
  if (target.length > MAX_TARGET) return STATUS.NAMETOOLONG;
  return target.length === 0 || target.includes("\0") ? STATUS.INVAL : 0;
}

const NODES: ReadonlySet<FileKind> = new Set([
  FILE_KIND.block,
  FILE_KIND.character,
  FILE_KIND.socket,
  FILE_KIND.fifo,
]);

export function mknod(
  ground: Ground,
  who: Credentials,
  ino: Ino,
  name: string,
  node: { kind: FileKind; major: number; minor: number; set: SetAttributes },
): Answer<Made> {
  if (!NODES.has(node.kind)) return STATUS.BADTYPE;
  const directory = vacant(ground, who, ino, name);
  if (typeof directory === "number") return directory;
  const device = node.kind === FILE_KIND.block || node.kind === FILE_KIND.character;
  if (device && who.uid !== 0) return STATUS.PERM;
  const { kind, set } = node;
  const numbers = device ? { major: node.major, minor: node.minor } : {};
  return make(ground, who, directory, name, { kind, set, ...numbers });
}

export function link(
  ground: Ground,
  who: Credentials,
  ino: Ino,
  to: Ino,
  name: string,
): Answer<{ attributes: Inode; directory: Change }> {
  const inode = ground.inode(ino);
  if (!inode) return STATUS.STALE;
  const directory = vacant(ground, who, to, name);
  if (typeof directory === "number") return directory;
  if (inode.kind === FILE_KIND.directory) return STATUS.PERM;
  if (inode.nlink >= MAX_LINKS) return STATUS.MLINK;
  ground.keep.ready();
  const now = ground.now();
  const attributes = copyOf(inode);
  attributes.nlink += 1;
  attributes.ctime = now;
  ground.put(attributes);
  ground.name(to, name, ino);
  return { attributes, directory: { before: directory, after: ground.put(touched(directory, now)) } };
}
