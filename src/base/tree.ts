/** Bytes of one file, read where they lie. Reads must lie inside `size`. */
export interface FileBytes {
  readonly size: number;
  /** Same identity, same bytes, in whichever tree; absent: not known. */
  readonly identity?: string;
  read(into: Uint8Array, offset: number): void | Promise<void>;
}

export type EntryKind = "file" | "directory" | "symlink" | "block" | "character" | "fifo" | "socket";

export interface Entry {
  name: string;
  kind: EntryKind;
  size: number;
  /** Permission bits, 0o7777. FAT: 0o755. */
  mode: number;
  uid: number;
  gid: number;
  mtimeMs: number;
}

/** A read-only tree of files. Paths are `a/b/c` without a leading slash; "" is the root. */
export interface Tree {
  /** Undefined where there is no such path. Follows no symlink in the last part. */
  lookup(path: string): Promise<Entry | undefined>;
  /** Throws FILE_UNKNOWN where `path` is no directory. */
  list(path: string): Promise<Entry[]>;
  /** Undefined where there is no such regular file (symlinks are followed inside the tree). */
  open(path: string): Promise<FileBytes | undefined>;
}

/** A whole file in memory: for small ones (config.txt, manifests). */
export async function readAll(file: FileBytes, limit = 64 * 1024 * 1024): Promise<Uint8Array<ArrayBuffer>> {
  if (file.size > limit) throw new RangeError(`a file of ${file.size} bytes, limit ${limit}`);
  const bytes = new Uint8Array(file.size);
  await file.read(bytes, 0);
  return bytes;
}
