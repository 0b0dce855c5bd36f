import { spawn } from "node:child_process";
import {
  closeSync,
  constants,
  fdatasync,
  fstatSync,
  ftruncateSync,
  openSync,
  read,
  readSync,
  unlinkSync,
  writeSync,
  writev,
} from "node:fs";
import { BrambleError } from "../../base/errors.ts";
import { PutQueue } from "./put-queue.ts";

const MODES = {
  read: constants.O_RDONLY,
  write: constants.O_RDWR,
  create: constants.O_RDWR | constants.O_CREAT,
} as const;
export type HostMode = keyof typeof MODES;
export type OpenHostFile = (path: string, mode: HostMode) => HostFile;

/** What the host's file system answered, in our codes: ENOSPC is DISK_FULL, the rest is DISK_IO. */
export function hostError(cause: unknown, what: string): BrambleError {
  if (cause instanceof BrambleError) return cause;
  const code = (cause as NodeJS.ErrnoException | undefined)?.code;
  if (code === undefined) return new BrambleError("INTERNAL", `${what}: ${cause}`, { cause });
  if (code === "ENOSPC" || code === "EDQUOT")
    return new BrambleError("DISK_FULL", `${what}: the host's disk is full (${code})`, {
      cause,
      hint: "free space where the data folder lies: writes work again at once",
    });
  if (code === "ENOENT") return new BrambleError("FILE_UNKNOWN", `${what}: there is no such file`, { cause });
  if (code === "EROFS" || code === "EACCES" || code === "EPERM")
    return new BrambleError("DISK_READ_ONLY", `${what}: the host allows no access (${code})`, { cause });
  return new BrambleError("DISK_IO", `${what}: ${code}`, { cause });
}

/**
 * A file of the host. The only class of the clones that touches a file system: power cuts, full and broken
 * disks are tested by standing in for it. Reads past the end give zeros. Errors are BrambleErrors.
 */
export class HostFile {
  readonly path: string;
  readonly #fd: number;
  readonly #puts = new PutQueue((from, offset) => this.#writeAll(from, offset));

  constructor(path: string, mode: HostMode) {
    this.path = path;
    this.#fd = guard(`open ${path}`, () => openSync(path, MODES[mode], 0o644));
  }

  size(): number {
    return guard(`stat ${this.path}`, () => fstatSync(this.#fd).size);
  }
  /** Bytes that it takes on the host's disk; holes take none. */
  allocated(): number {
    return guard(`stat ${this.path}`, () => fstatSync(this.#fd).blocks * 512);
  }
  /** Names that lead to it. */
  links(): number {
    return guard(`stat ${this.path}`, () => fstatSync(this.#fd).nlink);
  }
  /** When and where it was last changed: a cache key. */
  stamp(): string {
    const { dev, ino, size, mtimeMs } = guard(`stat ${this.path}`, () => fstatSync(this.#fd));
    return `${dev}:${ino}:${size}:${mtimeMs}`;
  }

  read(into: Uint8Array, offset: number): void {
    try {
      let done = 0;
      while (done < into.length) {
        const n = readSync(this.#fd, into, done, into.length - done, offset + done);
        if (n === 0) {
          into.fill(0, done);
          return;
        }
        done += n;
      }
    } catch (error) {
      throw hostError(error, `read ${this.path}`);
    }
  }

  /** Brings a range into the host's page cache without holding up this thread; what it read is thrown away. */
  warm(scratch: Uint8Array, offset: number): Promise<void> {
    return new Promise((resolve, reject) =>
      read(this.#fd, scratch, 0, scratch.length, offset, (error) =>
        error ? reject(hostError(error, `read ${this.path}`)) : resolve(),
      ),
    );
  }

  /** As read(), and not on this thread. `into` must stay untouched until it ends. */
  async fetch(into: Uint8Array, offset: number): Promise<void> {
    let done = 0;
    while (done < into.length) {
      const n = await new Promise<number>((resolve, reject) =>
        read(this.#fd, into, done, into.length - done, offset + done, (error, count) =>
          error ? reject(hostError(error, `read ${this.path}`)) : resolve(count),
        ),
      );
      if (n === 0) break;
      done += n;
    }
    into.fill(0, done);
  }

  write(from: Uint8Array, offset: number): void {
    try {
      let done = 0;
      while (done < from.length) done += writeSync(this.#fd, from, done, from.length - done, offset + done);
    } catch (error) {
      throw hostError(error, `write ${this.path}`);
    }
  }

  /** As write(), and not on this thread; calls that come meanwhile wait. `from` must stay untouched until it ends. */
  writeApart(from: Uint8Array, offset: number): Promise<void> {
    return this.#puts.put(from, offset);
  }

  async #writeAll(from: Uint8Array[], offset: number): Promise<void> {
    for (let at = offset; from.length > 0; ) {
      const count = await new Promise<number>((resolve, reject) =>
        writev(this.#fd, from, at, (error, written) =>
          error ? reject(hostError(error, `write ${this.path}`)) : resolve(written),
        ),
      );
      at += count;
      from = rest(from, count);
    }
  }

  /** fdatasync, never on this thread. `what` says what it makes durable: stand-ins for this class look at it. */
  sync(_what: "contents" | "mapping"): Promise<void> {
    return new Promise((resolve, reject) =>
      fdatasync(this.#fd, (error) =>
        error ? reject(hostError(error, `fdatasync ${this.path}`)) : resolve(),
      ),
    );
  }

  truncate(size: number): void {
    guard(`truncate ${this.path}`, () => ftruncateSync(this.#fd, size));
  }

  /** Gives the space of a range back to the host by util-linux's fallocate; false where that cannot be. */
  punch(offset: number, length: number): Promise<boolean> {
    return new Promise((resolve) => {
      const args = [
        "--punch-hole",
        "--offset",
        String(offset),
        "--length",
        String(length),
        "/proc/self/fd/3",
      ];
      const child = spawn("fallocate", args, { stdio: ["ignore", "ignore", "ignore", this.#fd] });
      child.once("error", () => resolve(false));
      child.once("exit", (status) => resolve(status === 0));
    });
  }

  close(): void {
    closeSync(this.#fd);
  }
  remove(): void {
    guard(`remove ${this.path}`, () => unlinkSync(this.path));
  }
}

/** What is left of these buffers behind so many bytes. */
function rest(buffers: Uint8Array[], count: number): Uint8Array[] {
  let skip = count;
  for (const [i, buffer] of buffers.entries()) {
    if (skip < buffer.length) return [buffer.subarray(skip), ...buffers.slice(i + 1)];
    skip -= buffer.length;
  }
  return [];
}

function guard<T>(what: string, act: () => T): T {
  try {
    return act();
  } catch (error) {
    throw hostError(error, what);
  }
}

export const openHostFile: OpenHostFile = (path, mode) => new HostFile(path, mode);
