import assert from "node:assert/strict";
import { makes, owns } from "./common.ts";
import { directory, EACH, file, KINDS, symlink } from "./given.ts";
import { refuses, type User } from "./user.ts";
import { ANN, group, moves } from "./world.ts";

const TARGETS: Record<string, string> = {
  "a name": "elsewhere",
  "an absolute path": "/usr/lib/x",
  "a path of dots": "../.././x",
  "a byte": "x",
  "59 bytes, the most that ext4 keeps in an inode": "s".repeat(59),
  "60 bytes": "s".repeat(60),
  "1000 bytes": `${"d/".repeat(499)}xx`,
  "4000 bytes": `${"d/".repeat(1999)}xx`,
  "bytes that are no UTF-8": "\xff\xfe\x80 \xc3",
  "words with spaces and a new line": "a b\nc",
};

group("symlink", [
  ...makes("symlink()", (user, path) => user.symlink("elsewhere", path)),
  ...owns("symlink()", (user, path) => user.symlink("elsewhere", path)),
  ...Object.entries(TARGETS).flatMap(([what, target]) => [
    {
      promises: `symlink() of ${what}: readlink() gives it back, its length is the size`,
      check: async ({ ann }: { ann: User }) => {
        await ann.symlink(target, "way");
        const { kind, size } = await ann.lstat("way");
        assert.deepEqual([kind, size, await ann.readlink("way")], [5, target.length, target]);
      },
    },
    ...(what.includes("line") || target.length > 4000
      ? []
      : [
          {
            promises: `readlink() of a symlink that was there, of ${what}`,
            given: { way: symlink(target) },
            check: async ({ eve }: { eve: User }) => {
              assert.equal(await eve.readlink("way"), target);
              assert.equal((await eve.lstat("way")).size, target.length);
            },
          },
        ]),
  ]),
  ...KINDS.filter((kind) => kind !== "symlink").map((kind) => ({
    promises: `readlink() of a ${kind} says INVAL`,
    given: { it: EACH[kind]() },
    check: ({ root }: { root: User }) => refuses("INVAL", root.readlink("it")),
  })),
  {
    promises: "a symlink leads to its file, through folders and other symlinks",
    given: { a: directory(), "a/file": file("found"), "a/up": symlink("../a"), way: symlink("a/up/up/file") },
    check: async ({ eve }) => assert.equal(await eve.text("way"), "found"),
  },
  {
    promises: "a symlink to nothing can be made, read and removed, and what it should lead to is not there",
    check: async ({ ann }) => {
      await ann.symlink("nothing", "way");
      await refuses("NOENT", ann.stat("way"));
      await ann.unlink("way");
      assert.equal(await ann.isThere("way"), false);
    },
  },
  {
    promises: "a read of a symlink as if it were a file is refused, a write too",
    given: { way: symlink("x", { ...ANN }) },
    check: async ({ ann, tree }) => {
      const { ino } = await ann.lstat("way");
      assert.equal(await tree.read(ann.who, ino, 0, new Uint8Array(4)), 22);
      assert.equal(await tree.write(ann.who, ino, 0, new Uint8Array(4), 2), 22);
    },
  },
  {
    promises: "chown() of a symlink changes the symlink, not what it leads to",
    given: { file: file(), way: symlink("file") },
    check: async ({ root }) => {
      await moves(root, "way", ["ctime"], () => root.lset("way", { uid: 1001, gid: 1100 }));
      const [way, led] = [await root.lstat("way"), await root.lstat("file")];
      assert.deepEqual([way.uid, way.gid, led.uid, led.gid], [1001, 1100, 0, 0]);
    },
  },
]);
