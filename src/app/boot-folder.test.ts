import assert from "node:assert/strict";
import { test } from "node:test";
import type { Entry, Tree } from "../base/tree.ts";
import { bootFolder } from "./boot-folder.ts";

const FILES: Record<string, string> = {
  "boot/firmware/config.txt": "c",
  "boot/firmware/Overlays/Disable-BT.dtbo": "d",
  "boot/firmware/kernel8.img": "k",
  "etc/passwd": "p",
};
/** Case matters in it, as in a node's tree. */
const tree: Tree = {
  async lookup(path) {
    const inside = Object.keys(FILES).some((name) => name.startsWith(`${path}/`));
    if (FILES[path] === undefined && !inside) return undefined;
    const kind = inside ? ("directory" as const) : ("file" as const);
    return { name: path, kind, size: 1, mode: 0o755, uid: 0, gid: 0, mtimeMs: 0 };
  },
  async list(path) {
    const names = Object.keys(FILES).flatMap((name) =>
      name.startsWith(`${path}/`) ? [name.slice(path.length + 1).split("/")[0] ?? ""] : [],
    );
    const entries = await Promise.all(
      [...new Set(names)].map(async (name) => ({
        ...((await tree.lookup(`${path}/${name}`)) as Entry),
        name,
      })),
    );
    return entries;
  },
  async open(path) {
    return FILES[path] === undefined ? undefined : { size: 1, read() {} };
  },
};

test("a boot folder is found by exact names and by FAT's, and nothing above it is", async () => {
  const boot = bootFolder(tree, "boot/firmware");
  assert.ok(await boot.open("config.txt"));
  assert.ok(await boot.open("CONFIG.TXT"));
  assert.ok(await boot.open("overlays/disable-bt.dtbo"));
  assert.equal((await boot.lookup("OVERLAYS"))?.kind, "directory");
  assert.deepEqual(
    (await boot.list("overlays")).map(({ name }) => name),
    ["Disable-BT.dtbo"],
  );
  assert.equal(await boot.open("absent"), undefined);
  assert.equal(await boot.open("absent/config.txt"), undefined);
  assert.equal(await boot.open("config.txt/x"), undefined);
  assert.equal(await boot.open("etc/passwd"), undefined);
});
