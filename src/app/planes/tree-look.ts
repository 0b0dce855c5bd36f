// A node's tree as the control side sees it: entries by path, and settlements done in it.
import { toLatin1, toUtf8, utf8 } from "../../base/text.ts";
import type { Entry, EntryKind } from "../../base/tree.ts";
import type { SettleStep } from "../../fleet/settle.ts";
import type { Inode } from "../../storage/trees/changes.ts";
import type { Inside } from "../../storage/trees/inside.ts";
import { FILE_KIND, type FileKind } from "../../wire/nfs/tree.ts";

const KINDS = new Map<FileKind, EntryKind>(
  Object.entries(FILE_KIND).map(([name, kind]) => [kind, name as EntryKind]),
);

export function entryOf(name: string, { kind, size, mode, uid, gid, mtime }: Inode): Entry {
  const mtimeMs = mtime.s * 1000 + Math.floor(mtime.ns / 1e6);
  return { name, kind: KINDS.get(kind) ?? "file", size, mode, uid, gid, mtimeMs };
}

/** `a/b/c` → `c`. */
const lastOf = (path: string): string => path.split("/").filter(Boolean).at(-1) ?? "";

export async function lookupIn(inside: Inside, path: string): Promise<Entry | undefined> {
  const inode = await inside.look(path);
  return inode && entryOf(lastOf(path), inode);
}

/** Throws FILE_UNKNOWN. */
export const listIn = async (inside: Inside, path: string): Promise<Entry[]> =>
  (await inside.list(path)).map(({ name, inode }) => entryOf(utf8(toLatin1(name)), inode));

/** In this order. It lasts when the tree's settled() has ended. */
export async function settleIn(inside: Inside, steps: readonly SettleStep[]): Promise<void> {
  for (const step of steps) {
    const { path } = step;
    if (step.do === "remove") await inside.remove(path);
    else if (step.do === "link") await inside.symlink(path, step.target);
    else if (step.do === "folder") {
      const { mode, uid, gid } = step;
      await inside.folder(path, { mode, uid, gid });
    } else {
      const { text, mode, uid = 0, gid = 0 } = step;
      await inside.put(path, toUtf8(text), { mode, uid, gid });
    }
  }
}
