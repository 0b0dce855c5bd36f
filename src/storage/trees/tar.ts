// A node's tree as a tar file: owners, modes, hard links, devices, extended attributes.
import { encodeTarHeader, TAR_END, type TarKind, tarPadding } from "../../formats/tar.ts";
import { FILE_KIND, type FileKind, type Ino } from "../../wire/nfs/tree.ts";
import type { Inside } from "./inside.ts";

const CHUNK = 1 << 20;
/** Of program files; the kernel takes it from a file that is written to (security/commoncap.c). */
const CAPABILITY = "security.capability";

const KINDS: Partial<Record<FileKind, TarKind>> = {
  [FILE_KIND.file]: "file",
  [FILE_KIND.directory]: "directory",
  [FILE_KIND.symlink]: "symlink",
  [FILE_KIND.block]: "block",
  [FILE_KIND.character]: "character",
  [FILE_KIND.fifo]: "fifo",
}; // tar has no sockets: who listens makes its own

/**
 * The bytes, in the order of the tree; each chunk is the caller's. Of a tree that is in use each file is as it is when its turn comes: what is written
 * meanwhile may be in it or not, a file that is cut ends in zeros.
 */
export async function* tarOf(inside: Inside): AsyncGenerator<Uint8Array> {
  const first = new Map<Ino, string>();
  const top = await inside.look("");
  if (top) yield* entry("", top);
  for await (const { path, inode } of inside.walk()) yield* entry(path, inode);
  yield TAR_END;

  async function* entry(
    path: string,
    inode: NonNullable<Awaited<ReturnType<Inside["look"]>>>,
  ): AsyncGenerator<Uint8Array> {
    const kind = KINDS[inode.kind];
    if (!kind) return;
    const { mode, uid, gid, mtime, major, minor } = inode;
    const common = { path, mode, uid, gid, mtime, major, minor, target: inode.target, size: 0 };
    const linked = kind === "directory" || inode.nlink < 2 ? undefined : first.get(inode.ino);
    if (linked !== undefined) {
      yield encodeTarHeader({ ...common, kind: "link", target: linked, xattrs: new Map() });
      return;
    }
    if (inode.nlink > 1 && kind !== "directory") first.set(inode.ino, path);
    const file = kind === "file" ? await inside.open(inode.ino) : undefined;
    const xattrs = await inside.xattrs(inode.ino);
    if (file && !file.untouched) xattrs.delete(CAPABILITY);
    const size = file?.size ?? 0;
    yield encodeTarHeader({ ...common, kind, size, xattrs });
    for (let at = 0; file && at < size; at += CHUNK) {
      const bytes = new Uint8Array(Math.min(CHUNK, size - at));
      // shorter by now: zeros, so that what follows stays in its place
      try {
        await file.read(bytes, at);
      } catch (error) {
        if ((error as { code?: string }).code !== "DISK_RANGE") throw error;
        bytes.fill(0);
      }
      yield bytes;
    }
    yield tarPadding(size);
  }
}
