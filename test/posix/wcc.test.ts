// What a client's cache stands on (RFC 1813 2.6, wcc_data): what every change tells of before and after.
import assert from "node:assert/strict";
import type { Attributes, Change } from "../../src/wire/nfs/tree.ts";
import { directory, file, type Given } from "./given.ts";
import { good, type User } from "./user.ts";
import { type Case, group } from "./world.ts";

const GIVEN: Given = {
  folder: directory(),
  "folder/file": file("text"),
  "folder/empty": directory(),
  other: directory(),
};
const before = ({ size, mtime, ctime }: Attributes) => ({ size, mtime, ctime });

/** The change that it tells is of what lies at `path`. */
const tells = (what: string, path: string, act: (user: User) => Promise<Change>): Case => ({
  promises: `${what} tells of ${path} what was before and is after`,
  given: GIVEN,
  check: async ({ root }) => {
    const was = before(await root.lstat(path));
    const change = await act(root);
    assert.deepEqual(before(change.before as Attributes), was);
    assert.deepEqual(change.after, await root.lstat(path));
  },
});

group("wcc", [
  tells("CREATE", "folder", async (user) => (await user.make("file", "folder/new")).directory),
  tells("MKDIR", "folder", async (user) => (await user.mkdir("folder/new")).directory),
  tells("SYMLINK", "folder", async (user) => (await user.symlink("x", "folder/new")).directory),
  tells("MKNOD", "folder", async (user) => (await user.mknod("folder/new", "fifo")).directory),
  tells("REMOVE", "folder", (user) => user.unlink("folder/file")),
  tells("RMDIR", "folder", (user) => user.rmdir("folder/empty")),
  tells("LINK", "other", async (user) => (await user.link("folder/file", "other/new")).directory),
  tells("RENAME", "folder", async (user) => (await user.rename("folder/file", "other/new")).from),
  tells("RENAME", "other", async (user) => (await user.rename("folder/file", "other/new")).to),
  tells("SETATTR", "folder/file", (user) => user.chmod("folder/file", 0o600)),
  tells("SETATTR of a size", "folder/file", (user) => user.truncate("folder/file", 1)),
  tells("WRITE", "folder/file", async (user) => (await user.write("folder/file", "more than it was")).change),
  tells("COMMIT", "folder/file", async (user) =>
    good(user.tree.commit((await user.lstat("folder/file")).ino, 0, 0)),
  ),
  {
    promises: "LINK tells of the file as it is afterwards",
    given: GIVEN,
    check: async ({ root }) => {
      const { attributes } = await root.link("folder/file", "other/new");
      assert.deepEqual(attributes, await root.lstat("folder/file"));
    },
  },
  {
    promises: "LOOKUP, ACCESS, READ and READLINK tell of what they were asked for as it is",
    given: { ...GIVEN, way: { is: "symlink", target: "x", mode: 0o777, uid: 0, gid: 0 } },
    check: async ({ root }) => {
      const { tree, who } = root;
      const { ino } = await root.lstat("folder/file");
      const now = await good(tree.getattr(ino));
      const folder = await root.lstat("folder");
      assert.deepEqual(await good(tree.lookup(who, folder.ino, "file")), { found: now, directory: folder });
      assert.deepEqual((await good(tree.access(who, ino, 1))).attributes, now);
      assert.deepEqual((await good(tree.read(who, ino, 0, new Uint8Array(2)))).attributes, now);
      const way = await root.lstat("way");
      assert.deepEqual((await good(tree.readlink(who, way.ino))).attributes, way);
    },
  },
  {
    promises: "FSSTAT tells of more room than is free, and free room that is less after a write",
    given: GIVEN,
    check: async ({ root, tree }) => {
      const first = await good(tree.fsstat());
      assert.ok(first.totalBytes >= first.freeBytes && first.freeBytes > 0);
      assert.ok(first.totalFiles >= first.freeFiles && first.freeFiles > 0);
      for (let at = 0; at < 4; at++)
        await root.write("folder/file", new Uint8Array(1 << 20).fill(1), at << 20);
      const then = await good(tree.fsstat());
      assert.ok(then.freeBytes <= first.freeBytes, "not more than before");
    },
  },
]);
