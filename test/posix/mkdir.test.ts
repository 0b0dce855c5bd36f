import assert from "node:assert/strict";
import { makes, owns } from "./common.ts";
import { directory } from "./given.ts";
import { good, type User } from "./user.ts";
import { group } from "./world.ts";

group("mkdir", [
  ...makes("mkdir()", (user, path) => user.mkdir(path, 0o755)),
  ...owns("mkdir()", (user, path) => user.mkdir(path, 0o755)),
  ...[0o755, 0o700, 0o151, 0o070, 0o000, 0o1777].map((mode) => ({
    promises: `mkdir() with mode ${mode.toString(8)} makes a folder of that mode: the mask is the client's`,
    check: async ({ ann }: { ann: User }) => {
      await ann.mkdir("folder", mode);
      const { kind, mode: got, nlink } = await ann.lstat("folder");
      assert.deepEqual([kind, got, nlink], [2, mode, 2]);
    },
  })),
  {
    promises: "mkdir() in a set-group-id folder: the new folder is set-group-id too",
    given: { folder: directory({ mode: 0o2777, gid: 1100 }) },
    check: async ({ eve }) => {
      await eve.mkdir("folder/new", 0o755);
      assert.equal((await eve.lstat("folder/new")).mode, 0o2755);
    },
  },
  {
    promises: "mkdir() adds a link to its folder, and a file does not",
    given: { folder: directory() },
    check: async ({ root }) => {
      await root.mkdir("folder/one");
      await root.mkdir("folder/two");
      await root.make("file", "folder/file");
      assert.equal((await root.lstat("folder")).nlink, 4);
    },
  },
  {
    promises: 'a new folder is empty; its "." is itself and its ".." the folder that it is in',
    given: { folder: directory() },
    check: async ({ root, tree }) => {
      const { made } = await root.mkdir("folder/new");
      assert.deepEqual(
        (await root.entries("folder/new")).map(({ name, ino }) => [name, ino]),
        [
          [".", made.ino],
          ["..", (await root.lstat("folder")).ino],
        ],
      );
      const up = await good(tree.lookup(root.who, made.ino, ".."));
      assert.equal(up.found.ino, (await root.lstat("folder")).ino);
    },
  },
  {
    promises: "mkdir() tells what lookup tells",
    check: async ({ ann }) =>
      assert.deepEqual((await ann.mkdir("folder", 0o755)).made, await ann.lstat("folder")),
  },
  {
    promises: "a hundred folders within each other, and the way back",
    check: async ({ ann, tree }) => {
      let path = "d";
      for (let depth = 0; depth < 100; depth++) {
        await ann.mkdir(path, 0o755);
        path += "/d";
      }
      let at = (await ann.lstat(path.slice(0, -2))).ino;
      for (let depth = 0; depth < 100; depth++) at = (await good(tree.lookup(ann.who, at, ".."))).found.ino;
      assert.equal(at, (await ann.lstat("")).ino);
    },
  },
]);
