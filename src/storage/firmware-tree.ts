import { closeSync, openSync, readSync, type Stats } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { BrambleError } from "../base/errors.ts";
import type { Entry, FileBytes, Tree } from "../base/tree.ts";
import { errorCode } from "./images/durable.ts";

/** A folder of the host as a tree. It holds files and folders only (a published firmware set): links are not there. */
export class FolderTree implements Tree {
  readonly #root: string;

  constructor(root: string) {
    this.#root = root;
  }

  async lookup(path: string): Promise<Entry | undefined> {
    const host = this.#host(path);
    const found = host === undefined ? undefined : await this.#stat(host);
    return found && entryOf(path.split("/").at(-1) ?? "", found);
  }

  async list(path: string): Promise<Entry[]> {
    const host = this.#host(path);
    if (host === undefined || !(await this.#stat(host))?.isDirectory()) {
      throw new BrambleError("FILE_UNKNOWN", `there is no folder ${path}`);
    }
    const entries: Entry[] = [];
    for (const name of (await readdir(host)).sort()) {
      const found = await this.#stat(join(host, name));
      if (found) entries.push(entryOf(name, found));
    }
    return entries;
  }

  async open(path: string): Promise<FileBytes | undefined> {
    const host = this.#host(path);
    const found = host === undefined ? undefined : await this.#stat(host);
    return host !== undefined && found?.isFile() ? new HostFile(host, found.size) : undefined;
  }

  /** Undefined for a path that would leave the tree. */
  #host(path: string): string | undefined {
    const parts = path.split("/").filter((part) => part !== "");
    return parts.some((part) => part === ".." || part === "." || part.includes("\0"))
      ? undefined
      : join(this.#root, ...parts);
  }

  async #stat(host: string): Promise<Stats | undefined> {
    try {
      return await stat(host);
    } catch (error) {
      if (["ENOENT", "ENOTDIR", "ENAMETOOLONG"].includes(errorCode(error) ?? "")) return undefined;
      throw error;
    }
  }
}

const entryOf = (name: string, found: Stats): Entry => ({
  name,
  kind: found.isDirectory() ? "directory" : "file",
  size: found.isFile() ? found.size : 0,
  mode: found.mode & 0o7777,
  uid: found.uid,
  gid: found.gid,
  mtimeMs: found.mtimeMs,
});

/** Opened for each read: a FileBytes has no end at which it could be closed. */
class HostFile implements FileBytes {
  readonly size: number;
  readonly #path: string;

  constructor(path: string, size: number) {
    this.#path = path;
    this.size = size;
  }

  read(into: Uint8Array, offset: number): void {
    const fd = openSync(this.#path, "r");
    try {
      for (let at = 0; at < into.length; ) {
        const got = readSync(fd, into, at, into.length - at, offset + at);
        if (got === 0)
          throw new BrambleError("DISK_RANGE", `${this.#path} ends before byte ${offset + into.length}`);
        at += got;
      }
    } finally {
      closeSync(fd);
    }
  }
}
