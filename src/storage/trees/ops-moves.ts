// REMOVE, RMDIR, RENAME (RFC 1813 3.3.12 to 3.3.14).
import { STATUS, type StatusCode } from "../../wire/nfs/status.ts";
import { type Answer, type Change, type Credentials, FILE_KIND, type Ino } from "../../wire/nfs/tree.ts";
import { copyOf, type Inode } from "./changes.ts";
import type { Ground } from "./ops-ground.ts";
import { enter, touched } from "./ops-names.ts";
import * as posix from "./posix.ts";

interface Found {
  directory: Inode;
  inode: Inode;
}

/** What is about to lose its name. */
function leaving(ground: Ground, who: Credentials, ino: Ino, name: string): Answer<Found> {
  const directory = enter(ground, who, ino, name);
  if (typeof directory === "number") return directory;
  const number = ground.find(ino, name);
  const inode = number ? ground.inode(number) : undefined;
  if (!inode) return STATUS.NOENT;
  if (!posix.may(who, directory, posix.WRITE)) return STATUS.ACCES;
  return posix.stuck(who, directory, inode) ? STATUS.PERM : { directory, inode };
}

export function remove(ground: Ground, who: Credentials, ino: Ino, name: string): Answer<Change> {
  if (posix.isDots(name)) return STATUS.INVAL;
  const found = leaving(ground, who, ino, name);
  if (typeof found === "number") return found;
  const { directory, inode } = found;
  if (inode.kind === FILE_KIND.directory) return STATUS.ISDIR;
  ground.keep.ready({ frees: true });
  const now = ground.now();
  ground.name(ino, name, 0);
  ground.unlink(inode, now);
  return { before: directory, after: ground.put(touched(directory, now)) };
}

export function rmdir(ground: Ground, who: Credentials, ino: Ino, name: string): Answer<Change> {
  if (posix.isDots(name)) return name === "." ? STATUS.INVAL : STATUS.NOTEMPTY;
  const found = leaving(ground, who, ino, name);
  if (typeof found === "number") return found;
  const { directory, inode } = found;
  if (inode.kind !== FILE_KIND.directory) return STATUS.NOTDIR;
  if (!ground.empty(inode.ino)) return STATUS.NOTEMPTY;
  ground.keep.ready({ frees: true });
  const now = ground.now();
  ground.name(ino, name, 0);
  ground.drop(inode);
  return { before: directory, after: ground.put(touched(directory, now, -1)) };
}

interface Place {
  directory: Ino;
  name: string;
}

export function rename(
  ground: Ground,
  who: Credentials,
  from: Place,
  to: Place,
): Answer<{ from: Change; to: Change }> {
  if (posix.isDots(from.name) || posix.isDots(to.name)) return STATUS.INVAL;
  const target = enter(ground, who, to.directory, to.name);
  const found = leaving(ground, who, from.directory, from.name);
  if (typeof found === "number") return found;
  if (typeof target === "number") return target;
  const { directory: source, inode } = found;
  if (!posix.may(who, target, posix.WRITE)) return STATUS.ACCES;
  const over = ground.find(to.directory, to.name);
  // Two names of one file: nothing happens, and that is success (POSIX rename()).
  if (over === inode.ino)
    return { from: { before: source, after: source }, to: { before: target, after: target } };
  const old = over ? ground.inode(over) : undefined;
  const fault = moveFault(ground, who, inode, source, target, old);
  if (fault) return fault;
  ground.keep.ready();
  return move(ground, { source, target, inode, old }, from.name, to.name);
}

function moveFault(
  ground: Ground,
  who: Credentials,
  inode: Inode,
  source: Inode,
  target: Inode,
  old: Inode | undefined,
): StatusCode | 0 {
  const folder = inode.kind === FILE_KIND.directory;
  if (folder && source.ino !== target.ino) {
    if (within(ground, target, inode.ino)) return STATUS.INVAL;
    // Its ".." changes: that is a write to itself.
    if (!posix.may(who, inode, posix.WRITE)) return STATUS.ACCES;
  }
  if (!old) return 0;
  if (posix.stuck(who, target, old)) return STATUS.PERM;
  if (folder !== (old.kind === FILE_KIND.directory)) return folder ? STATUS.NOTDIR : STATUS.ISDIR;
  return folder && !ground.empty(old.ino) ? STATUS.NOTEMPTY : 0;
}

/** Is a directory the one numbered `above`, or below it? */
function within(ground: Ground, directory: Inode, above: Ino): boolean {
  for (let here = directory; ; ) {
    if (here.ino === above) return true;
    const up = ground.parent(here);
    if (up === here.ino) return false;
    const next = ground.inode(up);
    // Only a damaged image has a directory that leads nowhere.
    if (!next) return true;
    here = next;
  }
}

function move(
  ground: Ground,
  { source, target, inode, old }: { source: Inode; target: Inode; inode: Inode; old: Inode | undefined },
  from: string,
  to: string,
): { from: Change; to: Change } {
  const now = ground.now();
  const folder = inode.kind === FILE_KIND.directory;
  const same = source.ino === target.ino;
  ground.name(source.ino, from, 0);
  ground.name(target.ino, to, inode.ino);
  const moved = copyOf(inode);
  moved.ctime = now;
  if (folder && !same) moved.parent = target.ino;
  ground.put(moved);
  if (old && folder) ground.drop(old);
  else if (old) ground.unlink(old, now);
  const replaced = old && folder ? 1 : 0;
  if (same) {
    const change = { before: source, after: ground.put(touched(source, now, -replaced)) };
    return { from: change, to: change };
  }
  return {
    from: { before: source, after: ground.put(touched(source, now, folder ? -1 : 0)) },
    to: { before: target, after: ground.put(touched(target, now, folder ? 1 - replaced : 0)) },
  };
}
