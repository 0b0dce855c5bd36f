// GETATTR, SETATTR, LOOKUP, ACCESS, READLINK, FSSTAT (RFC 1813 3.3.1 to 3.3.5, 3.3.18).
import { STATUS, type StatusCode } from "../../wire/nfs/status.ts";
import {
  type Answer,
  type Attributes,
  type Change,
  type Credentials,
  FILE_KIND,
  type Ino,
  type SetAttributes,
  type Time,
} from "../../wire/nfs/tree.ts";
import { copyOf, type Inode } from "./changes.ts";
import { MAX_SIZE, resize } from "./ops-data.ts";
import { type Ground, MAX_OWN_INODES } from "./ops-ground.ts";
import * as posix from "./posix.ts";

export const getattr = (ground: Ground, ino: Ino): Answer<Inode> => ground.inode(ino) ?? STATUS.STALE;

export function lookup(
  ground: Ground,
  who: Credentials,
  ino: Ino,
  name: string,
): Answer<{ found: Inode; directory: Inode }> {
  const directory = ground.inode(ino);
  if (!directory) return STATUS.STALE;
  if (directory.kind !== FILE_KIND.directory) return STATUS.NOTDIR;
  const fault = posix.nameFault(name);
  if (fault) return fault;
  if (!posix.may(who, directory, posix.EXECUTE)) return STATUS.ACCES;
  const number = name === "." ? ino : name === ".." ? ground.parent(directory) : ground.find(ino, name);
  const found = number ? ground.inode(number) : undefined;
  return found ? { found, directory } : STATUS.NOENT;
}

/** ACCESS3_* (RFC 1813 3.3.4). */
const ACCESS = { READ: 1, LOOKUP: 2, MODIFY: 4, EXTEND: 8, DELETE: 16, EXECUTE: 32 };

export function access(
  ground: Ground,
  who: Credentials,
  ino: Ino,
  wanted: number,
): Answer<{ granted: number; attributes: Inode }> {
  const inode = ground.inode(ino);
  if (!inode) return STATUS.STALE;
  const directory = inode.kind === FILE_KIND.directory;
  let granted = 0;
  if (posix.may(who, inode, posix.READ)) granted |= ACCESS.READ;
  if (posix.may(who, inode, posix.EXECUTE)) granted |= directory ? ACCESS.LOOKUP : ACCESS.EXECUTE;
  if (posix.may(who, inode, posix.WRITE))
    granted |= ACCESS.MODIFY | ACCESS.EXTEND | (directory ? ACCESS.DELETE : 0);
  return { granted: granted & wanted, attributes: inode };
}

export function readlink(ground: Ground, ino: Ino): Answer<{ target: string; attributes: Inode }> {
  const inode = ground.inode(ino);
  if (!inode) return STATUS.STALE;
  return inode.kind === FILE_KIND.symlink ? { target: inode.target, attributes: inode } : STATUS.INVAL;
}

export function fsstat({ upper, lower, keep }: Ground): {
  totalBytes: number;
  freeBytes: number;
  totalFiles: number;
  freeFiles: number;
} {
  const { total, free } = keep.quota.space(upper.ownBytes);
  return {
    totalBytes: lower.usedBytes + total,
    freeBytes: free,
    totalFiles: lower.inodes + MAX_OWN_INODES,
    freeFiles: Math.max(0, MAX_OWN_INODES - upper.inodes.size),
  };
}

export function setattr(
  ground: Ground,
  who: Credentials,
  ino: Ino,
  set: SetAttributes,
  guard?: Time,
): Answer<Change> {
  const inode = ground.inode(ino);
  if (!inode) return STATUS.STALE;
  if (guard && (guard.s !== inode.ctime.s || guard.ns !== inode.ctime.ns)) return STATUS.NOT_SYNC;
  const fault = setFault(who, inode, set);
  if (fault) return fault;
  const { mode, uid, gid, size, atime, mtime } = set;
  if ((mode ?? uid ?? gid ?? size ?? atime ?? mtime) === undefined) return { before: inode, after: inode };
  ground.keep.ready(size === undefined ? undefined : { writes: ino, frees: size < inode.size });
  const now = ground.now();
  const after = copyOf(inode);
  if (size !== undefined) resize(ground, inode, size, after);
  after.mode = modeAfter(who, inode, set);
  after.uid = uid ?? inode.uid;
  after.gid = gid ?? inode.gid;
  after.atime = pick(atime, now, inode.atime);
  after.mtime = pick(mtime, now, size === undefined ? inode.mtime : now);
  after.ctime = now;
  // The client is past its exclusive create: it has got the answer.
  after.verifier = "";
  return { before: inode, after: ground.put(after) };
}

const pick = (wanted: Time | "server" | undefined, now: Time, old: Time): Time =>
  wanted === undefined ? old : wanted === "server" ? now : wanted;

/** Whoever may not, and what cannot be. */
function setFault(who: Credentials, inode: Inode, set: SetAttributes): StatusCode | 0 {
  const owner = posix.owns(who, inode);
  const { mode, uid, gid, size, atime, mtime } = set;
  if (mode !== undefined && !owner) return STATUS.PERM;
  // Only uid 0 gives files away; owners give them to groups that they are in (POSIX chown(), _POSIX_CHOWN_RESTRICTED).
  if (uid !== undefined && who.uid !== 0 && (!owner || uid !== inode.uid)) return STATUS.PERM;
  if (gid !== undefined && who.uid !== 0 && (!owner || (gid !== inode.gid && !posix.inGroup(who, gid))))
    return STATUS.PERM;
  if (mode !== undefined && inode.kind === FILE_KIND.symlink) return STATUS.NOTSUPP;
  if (size !== undefined) {
    if (inode.kind === FILE_KIND.directory) return STATUS.ISDIR;
    if (inode.kind !== FILE_KIND.file) return STATUS.INVAL;
    if (!posix.mayWriteData(who, inode)) return STATUS.ACCES;
    if (size > MAX_SIZE) return STATUS.FBIG;
  }
  // Any time: the owner. The present: whoever may write (POSIX utimensat()).
  const given = (time: Time | "server" | undefined) => time !== undefined && time !== "server";
  if ((given(atime) || given(mtime)) && !owner) return STATUS.PERM;
  if ((atime ?? mtime) !== undefined && !owner && !posix.may(who, inode, posix.WRITE)) return STATUS.ACCES;
  return 0;
}

function modeAfter(who: Credentials, inode: Inode, { mode, uid, gid, size }: SetAttributes): number {
  let next = mode ?? inode.mode;
  if (mode !== undefined) next = posix.modeAllowed(who, next, gid ?? inode.gid);
  // A new owner means nothing by the old one's set-user-id; directories keep theirs.
  if ((uid ?? gid) !== undefined && inode.kind !== FILE_KIND.directory) next = posix.withoutSetid(next);
  return size === undefined || mode !== undefined ? next : posix.modeAfterWrite(who, next);
}

/** Attributes that a new thing gets: who made it, where, and what was asked for. */
export function attributesOfNew(
  who: Credentials,
  directory: Readonly<Attributes>,
  set: SetAttributes,
  kind: Attributes["kind"],
): { mode: number; uid: number; gid: number } {
  const inherits = (directory.mode & posix.SETGID) !== 0;
  // Only uid 0 makes things for others; what cannot be is not an error here (Linux: nfsd_create_setattr()).
  const uid = who.uid === 0 ? (set.uid ?? 0) : who.uid;
  const asked = set.gid !== undefined && (who.uid === 0 || posix.inGroup(who, set.gid)) ? set.gid : undefined;
  const gid = asked ?? (inherits ? directory.gid : who.gid);
  const folder = kind === FILE_KIND.directory;
  const mode = set.mode ?? (folder ? 0o755 : 0o644);
  if (folder && inherits) return { mode: mode | posix.SETGID, uid, gid };
  return { mode: posix.modeAllowed(who, mode, gid), uid, gid };
}
