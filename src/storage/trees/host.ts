// The host's file system, as the trees use it: the one seam at which power cuts, kills, full and broken disks are tested.
import {
  constants,
  copyFile,
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  statfsSync,
} from "node:fs";
import { type HostFile, hostError, openHostFile } from "../clones/host-file.ts";
import { hostFolder } from "../clones/host-folder.ts";

/** Reads past the end give zeros. */
export type TreeFile = Pick<
  HostFile,
  "read" | "fetch" | "write" | "truncate" | "sync" | "size" | "allocated" | "links" | "close"
>;

/** Errors are BrambleErrors. A name is durable once syncNames() of its folder has ended. */
export interface Host {
  open(path: string, mode: "read" | "write" | "create"): TreeFile;
  /** No error where it is there. */
  makeFolder(path: string): void;
  /** Names, unordered; none where there is no such folder. */
  list(folder: string): string[];
  exists(path: string): boolean;
  /** A second name for a file. */
  link(from: string, to: string): void;
  /** `to` is the one or the other at any moment. Of folders: `to` must not be there. */
  rename(from: string, to: string): void;
  /** A file. No error where there is none. */
  remove(path: string): void;
  /** A folder and what is in it. No error where there is none. */
  removeFolder(path: string): void;
  syncNames(folder: string): Promise<void>;
  /** A copy that shares its blocks; false where the file system cannot do that, then nothing has happened. */
  clone(from: string, to: string): Promise<boolean>;
  /** Bytes of the file system. */
  space(folder: string): { total: number; free: number };
}

/** A file's bytes: for those that fit into memory. */
export function readWhole(host: Host, path: string): Uint8Array {
  const file = host.open(path, "read");
  try {
    const bytes = new Uint8Array(file.size());
    file.read(bytes, 0);
    return bytes;
  } finally {
    file.close();
  }
}

const guard = <T>(what: string, act: () => T): T => {
  try {
    return act();
  } catch (error) {
    throw hostError(error, what);
  }
};

export const theHost: Host = {
  open: openHostFile,
  makeFolder: (path) => guard(`make ${path}`, () => void mkdirSync(path, { recursive: true })),
  list: (folder) =>
    guard(`list ${folder}`, () => {
      try {
        return readdirSync(folder);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
        throw error;
      }
    }),
  exists: existsSync,
  link: hostFolder.link,
  rename: (from, to) => guard(`rename ${to}`, () => renameSync(from, to)),
  remove: hostFolder.remove,
  removeFolder: (path) => guard(`remove ${path}`, () => rmSync(path, { recursive: true, force: true })),
  syncNames: (folder) => hostFolder.sync(`${folder}/.`),
  clone: (from, to) =>
    new Promise((resolve, reject) =>
      copyFile(from, to, constants.COPYFILE_FICLONE_FORCE, (error) => {
        if (!error) return resolve(true);
        if (["ENOTSUP", "EOPNOTSUPP", "EXDEV", "EINVAL", "ENOSYS", "ENOTTY"].includes(error.code ?? ""))
          return resolve(false);
        reject(hostError(error, `copy ${from}`));
      }),
    ),
  space: (folder) =>
    guard(`statfs ${folder}`, () => {
      const { bsize, blocks, bavail } = statfsSync(folder);
      return { total: bsize * blocks, free: bsize * bavail };
    }),
};
