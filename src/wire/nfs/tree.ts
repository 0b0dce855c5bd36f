// What an NFSv3 server asks of a node's file tree: one method for each procedure of RFC 1813 that is not a constant.
import type { StatusCode } from "./status.ts";

/** AUTH_SYS (RFC 5531 8.2, appendix A); nobody (65534) for AUTH_NONE. */
export interface Credentials {
  uid: number;
  gid: number;
  /** Up to 16. */
  gids: readonly number[];
}

/** File id: below 2^32 an inode of the image, from 2^32 on one of the node's own. Never used twice in one tree. */
export type Ino = number;

/** ftype3 (RFC 1813 2.5.5). */
export const FILE_KIND = {
  file: 1,
  directory: 2,
  block: 3,
  character: 4,
  symlink: 5,
  socket: 6,
  fifo: 7,
} as const;
export type FileKind = (typeof FILE_KIND)[keyof typeof FILE_KIND];

/** Seconds (may be negative) and nanoseconds since 1970. */
export interface Time {
  s: number;
  ns: number;
}

/** fattr3 (RFC 1813 2.5.5), without the file system's id. */
export interface Attributes {
  ino: Ino;
  kind: FileKind;
  /** 0o7777. */
  mode: number;
  nlink: number;
  uid: number;
  gid: number;
  /** Bytes. */
  size: number;
  /** Bytes on disk, of image and node together. */
  used: number;
  /** Of devices. */
  major: number;
  minor: number;
  atime: Time;
  mtime: Time;
  ctime: Time;
}

/** wcc_attr: what the client compares with what it holds. */
export type Before = Pick<Attributes, "size" | "mtime" | "ctime">;

/** wcc_data: a thing before and after a change. `after` is missing where it has gone. */
export interface Change {
  before: Before;
  after?: Attributes;
}

/** sattr3: what is absent stays; "server": the server's own time. */
export interface SetAttributes {
  mode?: number;
  uid?: number;
  gid?: number;
  size?: number;
  atime?: Time | "server";
  mtime?: Time | "server";
}

/** createhow3. `verifier`: 8 bytes, kept with the file. */
export type CreateHow =
  | { how: "unchecked" | "guarded"; set: SetAttributes }
  | { how: "exclusive"; verifier: Uint8Array };

/** stable_how. */
export const STABLE = { unstable: 0, dataSync: 1, fileSync: 2 } as const;
export type Stable = (typeof STABLE)[keyof typeof STABLE];

export interface Listed {
  ino: Ino;
  name: string;
  cookie: number;
  attributes: Attributes;
}

/** A refusal is the bare status (never 0); everything else went well. */
export type Answer<T> = T | StatusCode;
/** A promise only where something must come from a cold disk; the change itself is then still made in one go. */
export type Soon<T> = Answer<T> | Promise<Answer<T>>;

/**
 * Names are strings with one character for each byte (latin1): any byte but "/" and NUL, 1 to 255 of them; the tree checks. "." and ".." are looked up
 * like any name. What an answer says has happened in memory; it outlives what its mode promises once settled() has ended. Numbers from the wire are
 * in range of their XDR types; nothing else was checked.
 */
export interface NfsTree {
  /** Its root. */
  readonly root: Ino;
  getattr(ino: Ino): Soon<Attributes>;
  /** `guard`: refused with NOT_SYNC unless that is its ctime. */
  setattr(who: Credentials, ino: Ino, set: SetAttributes, guard?: Time): Soon<Change>;
  lookup(who: Credentials, directory: Ino, name: string): Soon<{ found: Attributes; directory: Attributes }>;
  /** `wanted`, `granted`: ACCESS3_* bits. */
  access(who: Credentials, ino: Ino, wanted: number): Soon<{ granted: number; attributes: Attributes }>;
  readlink(who: Credentials, ino: Ino): Soon<{ target: string; attributes: Attributes }>;
  /** Fills `into` from its start. */
  read(
    who: Credentials,
    ino: Ino,
    offset: number,
    into: Uint8Array,
  ): Soon<{ count: number; eof: boolean; attributes: Attributes }>;
  /**
   * `data` is the caller's again as soon as write() returns, be it with a promise: it lies in the buffer that the next request comes into.
   * Whoever must wait copies it first. `committed`: at least as stable as asked.
   */
  write(
    who: Credentials,
    ino: Ino,
    offset: number,
    data: Uint8Array,
    stable: Stable,
  ): Soon<{ count: number; committed: Stable; change: Change }>;
  create(who: Credentials, directory: Ino, name: string, how: CreateHow): Soon<Made>;
  mkdir(who: Credentials, directory: Ino, name: string, set: SetAttributes): Soon<Made>;
  symlink(who: Credentials, directory: Ino, name: string, target: string, set: SetAttributes): Soon<Made>;
  mknod(
    who: Credentials,
    directory: Ino,
    name: string,
    node: { kind: FileKind; major: number; minor: number; set: SetAttributes },
  ): Soon<Made>;
  remove(who: Credentials, directory: Ino, name: string): Soon<Change>;
  rmdir(who: Credentials, directory: Ino, name: string): Soon<Change>;
  rename(
    who: Credentials,
    from: { directory: Ino; name: string },
    to: { directory: Ino; name: string },
  ): Soon<{ from: Change; to: Change }>;
  link(
    who: Credentials,
    ino: Ino,
    directory: Ino,
    name: string,
  ): Soon<{ attributes: Attributes; directory: Change }>;
  /**
   * Entries after `cookie` (0: from the start, "." and ".." first), for as long as `fits` says so of the next. Their cookies grow; whoever had to wait
   * for something cold may begin anew with the first of them.
   */
  readdir(
    who: Credentials,
    directory: Ino,
    cookie: number,
    fits: (entry: Listed) => boolean,
  ): Soon<{ eof: boolean; attributes: Attributes }>;
  fsstat(): Soon<{ totalBytes: number; freeBytes: number; totalFiles: number; freeFiles: number }>;
  /** COMMIT: the file's unstable writes go to the disk. The answer may leave when settled() has ended. */
  commit(ino: Ino, offset: number, count: number): Soon<Change>;
  /** The answer to a request that must not be done twice, kept in the journal with the change that it belongs to (before settled()). */
  remember(key: string, reply: Uint8Array): void;
  /** The answer of before to the same request, also after a restart. */
  recall(key: string): Uint8Array | undefined;
  /** Everything that was answered so far is as lasting as promised; void: it is so already. Rejects when the disk failed: then no answer of this batch may leave. */
  settled(): void | Promise<void>;
}

/** What CREATE and its like tell. */
export interface Made {
  made: Attributes;
  directory: Change;
}
