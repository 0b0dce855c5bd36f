import { PassThrough, type Readable } from "node:stream";
import { type Header, pack } from "tar-stream";
import type { Ext4Tree, Inode } from "../formats/ext4.ts";

const CHUNK = 1 << 20;
type EntryHeader = Partial<Header> & { name: string };

const TYPES: Record<Inode["kind"], Header["type"] | undefined> = {
  file: "file",
  directory: "directory",
  symlink: "symlink",
  block: "block-device",
  character: "character-device",
  fifo: "fifo",
  socket: undefined, // tar has no sockets, and a booting system makes its own
};

/**
 * A file system as a tar stream, read while it is sent: owners, modes, links and devices. Hard links come once, then as
 * links. Extended attributes are left out: busybox's tar, which unpacks it, knows none.
 */
export function tarOfTree(open: () => Promise<Ext4Tree>): Readable {
  const tar = pack();
  const out = new PassThrough();
  tar.pipe(out);
  tar.on("error", (error) => out.destroy(error));
  out.on("close", () => tar.destroy());
  fill(open, tar, out).catch((error: Error) => out.destroy(error));
  return out;
}

async function fill(
  open: () => Promise<Ext4Tree>,
  tar: ReturnType<typeof pack>,
  out: PassThrough,
): Promise<void> {
  const tree = await open();
  const linked = new Map<number, string>();
  for await (const { path, inode } of tree.walk()) {
    if (out.destroyed) return;
    const type = TYPES[inode.kind];
    if (!type) continue;
    const header: EntryHeader = {
      name: path,
      type,
      mode: inode.mode,
      uid: inode.uid,
      gid: inode.gid,
      mtime: new Date(Number(inode.mtimeNs / 1_000_000n)),
      ...(inode.rdev && { devmajor: inode.rdev.major, devminor: inode.rdev.minor }),
    };
    const first = inode.nlink > 1 && inode.kind !== "directory" ? linked.get(inode.number) : undefined;
    if (first !== undefined) {
      tar.entry({ ...header, type: "link", linkname: first, size: 0 }, "");
      continue;
    }
    if (inode.nlink > 1) linked.set(inode.number, path);
    if (inode.kind === "symlink") tar.entry({ ...header, linkname: await tree.readlink(inode), size: 0 }, "");
    else if (inode.kind === "file" && inode.size > 0)
      await addFile(tree, inode, { ...header, size: inode.size }, tar);
    else tar.entry({ ...header, size: 0 }, "");
  }
  tar.finalize();
}

async function addFile(
  tree: Ext4Tree,
  inode: Inode,
  header: EntryHeader,
  tar: ReturnType<typeof pack>,
): Promise<void> {
  const file = await tree.open(inode);
  const entry = tar.entry(header);
  const ended = new Promise<void>((resolve, reject) => {
    entry.on("close", resolve);
    entry.on("error", reject);
  });
  for (let at = 0; at < inode.size; at += CHUNK) {
    const chunk = Buffer.alloc(Math.min(CHUNK, inode.size - at));
    await file?.read(chunk, at);
    if (!entry.write(chunk))
      await Promise.race([new Promise<void>((resolve) => entry.once("drain", () => resolve())), ended]);
    if (entry.destroyed) return;
  }
  entry.end(null);
  await ended;
}
