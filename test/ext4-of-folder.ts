// What the ext4 tests share: file systems made by mke2fs of a folder, and the comparison with that folder.
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { readAll } from "../src/base/tree.ts";
import type { Ext4Tree } from "../src/formats/ext4.ts";
import { scratch } from "./readers.ts";
import { needs, run } from "./tools.ts";

export const tools = (t: TestContext) => needs(t, "mke2fs", "e2fsprogs") && needs(t, "debugfs", "e2fsprogs");

/** Makes a file system of a folder, without root. `size` as mke2fs takes it: "64M". */
export function make(t: TestContext, folder: string, size: string, options: readonly string[]): string {
  const path = join(scratch(t), "ext4.img");
  run("mke2fs", ["-q", "-F", "-L", "rootfs", "-U", "0a1b2c3d-0000-4000-8000-00000000abcd", "-E", "root_owner=0:0", ...options, "-d", folder, path, size]); // biome-ignore format: one command
  return path;
}

/** Every path below, one character per byte. */
function names(root: string, below = ""): string[] {
  const folder = Buffer.from(`${root}/${below}`, "latin1");
  return fs.readdirSync(folder, { encoding: "latin1", withFileTypes: true }).flatMap((entry) => {
    const name = below + entry.name;
    return entry.isDirectory() ? [name, ...names(root, `${name}/`)] : [name];
  });
}

/** Every byte and attribute that mke2fs copies (it drops the nanoseconds), against the folder itself; gives the count of entries. */
export async function compare(tree: Ext4Tree, root: string): Promise<number> {
  let entries = 0;
  const found = new Set<string>();
  for await (const { path, pathBytes, inode } of tree.walk()) {
    if (path.startsWith("lost+found")) continue;
    entries += 1;
    found.add(Buffer.from(pathBytes).toString("latin1"));
    const there = Buffer.concat([Buffer.from(`${root}/`), pathBytes]);
    const stat = fs.lstatSync(there, { bigint: true });
    assert.deepEqual(
      [inode.mode, inode.uid, inode.gid, inode.mtimeNs / 1_000_000_000n],
      [Number(stat.mode & 0o7777n), Number(stat.uid), Number(stat.gid), stat.mtimeNs / 1_000_000_000n],
      path,
    );
    assert.equal(inode.kind === "directory", stat.isDirectory(), path);
    if (inode.kind !== "directory")
      assert.deepEqual([inode.nlink, inode.size], [Number(stat.nlink), Number(stat.size)], path);
    if (inode.kind === "symlink") assert.equal(await tree.readlink(inode), fs.readlinkSync(there), path);
    if (inode.kind === "file") {
      const file = await tree.open(inode);
      assert.ok(file && fs.readFileSync(there).equals(await readAll(file)), path);
    }
  }
  assert.deepEqual([...found].sort(), names(root).sort());
  return entries;
}
