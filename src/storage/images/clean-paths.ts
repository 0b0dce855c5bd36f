import type { Ext4Entry, Ext4Tree } from "../../formats/ext4.ts";

/** Folders deeper than this are a loop, or nothing that a policy means. */
const MOST_DEEP = 64;

/**
 * Inodes of everything that the patterns mean, each folder before what it holds. Symlinks are not followed: a link in a log folder
 * takes nothing else along.
 */
export async function inodesOf(tree: Ext4Tree, patterns: readonly string[]): Promise<number[]> {
  const found = new Set<number>();
  async function below(folder: string, depth: number): Promise<void> {
    if (depth > MOST_DEEP) return;
    for (const entry of await entries(tree, folder)) {
      found.add(entry.inode);
      if (entry.kind === "directory") await below(`${folder}/${entry.name}`, depth + 1);
    }
  }
  async function walk(folder: string, parts: readonly string[]): Promise<void> {
    const [part = "", ...rest] = parts;
    if (part === "**") return below(folder, 0);
    const wanted = pattern(part);
    for (const entry of await entries(tree, folder)) {
      if (!wanted.test(entry.name)) continue;
      const path = folder === "" ? entry.name : `${folder}/${entry.name}`;
      if (rest.length > 0) {
        if (entry.kind === "directory") await walk(path, rest);
        continue;
      }
      found.add(entry.inode);
      if (entry.kind === "directory") await below(path, 0);
    }
  }
  for (const one of patterns) await walk("", one.split("/"));
  return [...found];
}

const pattern = (part: string): RegExp =>
  new RegExp(`^${part.replace(/[.+^${}()|[\]\\]/g, "\\$&").replaceAll("*", ".*")}$`, "s");

const entries = async (tree: Ext4Tree, folder: string): Promise<Ext4Entry[]> =>
  (await tree.list(folder)).filter(({ name }) => name !== "." && name !== "..");
