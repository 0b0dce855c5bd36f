import { close, fsync, linkSync, open, readdirSync, renameSync, rmSync, statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { hostError } from "./host-file.ts";

/**
 * Names of the host's files. The only thing of the clones that changes a folder: power cuts are tested by standing in for
 * it. A name is durable once sync() of its folder has ended; before that a power cut leaves the old one or the new one.
 */
export interface HostFolder {
  /** A second name for a file. */
  link(from: string, to: string): void;
  /** `to` is the one or the other at any moment, never absent. */
  rename(from: string, to: string): void;
  /** No error where there is none. */
  remove(path: string): void;
  /** Tells files apart, whatever they are called; undefined where there is none. */
  identity(path: string): string | undefined;
  /** The names in the folder that a file lies in. */
  beside(path: string): string[];
  /** Makes the names in the folder that a file lies in durable. */
  sync(path: string): Promise<void>;
}

const guard = <T>(what: string, act: () => T): T => {
  try {
    return act();
  } catch (error) {
    throw hostError(error, what);
  }
};

const folderOf = (path: string) => dirname(resolve(path));

export const hostFolder: HostFolder = {
  link: (from, to) => guard(`link ${to}`, () => linkSync(from, to)),
  rename: (from, to) => guard(`rename ${to}`, () => renameSync(from, to)),
  remove: (path) => guard(`remove ${path}`, () => rmSync(path, { force: true })),
  identity: (path) =>
    guard(`stat ${path}`, () => {
      const stat = statSync(path, { throwIfNoEntry: false, bigint: true });
      return stat && `${stat.dev}:${stat.ino}`;
    }),
  beside: (path) => guard(`list ${folderOf(path)}`, () => readdirSync(folderOf(path))),
  sync: (path) =>
    new Promise((done, fail) =>
      open(folderOf(path), "r", (error, fd) => {
        if (error) return fail(hostError(error, `open ${folderOf(path)}`));
        fsync(fd, (problem) =>
          close(fd, () => (problem ? fail(hostError(problem, `fsync ${folderOf(path)}`)) : done())),
        );
      }),
    ),
};
