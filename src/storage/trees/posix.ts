// Who may do what: permissions as Linux has them, with what NFS changes about them (RFC 1813 4.4).
import { STATUS, type StatusCode } from "../../wire/nfs/status.ts";
import { type Attributes, type Credentials, FILE_KIND } from "../../wire/nfs/tree.ts";

export const READ = 4;
export const WRITE = 2;
export const EXECUTE = 1;

const SETUID = 0o4000;
export const SETGID = 0o2000;
export const SETID = SETUID | SETGID;
const STICKY = 0o1000;
const GROUP_EXECUTE = 0o010;

/** NAME_MAX, in bytes. */
const MAX_NAME = 255;

/** What permissions are decided by. */
type Facts = Readonly<Pick<Attributes, "kind" | "mode" | "uid" | "gid">>;

export const inGroup = (who: Credentials, gid: number): boolean => who.gid === gid || who.gids.includes(gid);

/** `bits`: READ, WRITE, EXECUTE. Uid 0 may all, but execute only what somebody may execute. */
export function may(who: Credentials, { kind, mode, uid, gid }: Facts, bits: number): boolean {
  if (who.uid === 0) return !(bits & EXECUTE) || kind === FILE_KIND.directory || (mode & 0o111) !== 0;
  const own = who.uid === uid ? mode >> 6 : inGroup(who, gid) ? mode >> 3 : mode;
  return (own & bits) === bits;
}

export const owns = (who: Credentials, { uid }: Facts): boolean => who.uid === 0 || who.uid === uid;

/**
 * A file that is open stays readable and writable when its mode changes; the server cannot see what is open, so owners always may. A program
 * that may be executed may be read: the client must load it (RFC 1813 4.4).
 */
export const mayReadData = (who: Credentials, inode: Facts): boolean =>
  owns(who, inode) || may(who, inode, READ) || may(who, inode, EXECUTE);
export const mayWriteData = (who: Credentials, inode: Facts): boolean =>
  owns(who, inode) || may(who, inode, WRITE);

/** In a sticky directory only the owner of a thing, or of the directory, removes or renames it. */
export const stuck = (who: Credentials, directory: Facts, inode: Facts): boolean =>
  (directory.mode & STICKY) !== 0 && !owns(who, directory) && !owns(who, inode);

/** Without set-user-id, and without set-group-id where it means that: without group execution it does not. */
export const withoutSetid = (mode: number): number => mode & ~SETUID & (mode & GROUP_EXECUTE ? ~SETGID : ~0);

/** The mode after somebody other than uid 0 has changed the contents. */
export const modeAfterWrite = (who: Credentials, mode: number): number =>
  who.uid === 0 || !(mode & SETID) ? mode : withoutSetid(mode);

/** Nobody makes a program run as a group that they are not in. */
export const modeAllowed = (who: Credentials, mode: number, gid: number): number =>
  who.uid === 0 || !(mode & SETGID) || inGroup(who, gid) ? mode : mode & ~SETGID;

/** 0: a name that can be. "." and ".." are the caller's to refuse. */
export function nameFault(name: string): StatusCode | 0 {
  if (name.length > MAX_NAME) return STATUS.NAMETOOLONG;
  return name.length === 0 || name.includes("/") || name.includes("\0") ? STATUS.INVAL : 0;
}

export const isDots = (name: string): boolean => name === "." || name === "..";
