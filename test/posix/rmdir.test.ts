import assert from "node:assert/strict";
import { removes } from "./common.ts";
import { directory, EACH, file, KINDS } from "./given.ts";
import { refuses, type User } from "./user.ts";
import { group } from "./world.ts";

group("rmdir", [
  ...removes("rmdir()", ["directory"], (user, path) => user.rmdir(path)),
  ...KINDS.map((kind) => ({
    promises: `rmdir() of a folder that holds a ${kind} says NOTEMPTY, and both stay`,
    given: { folder: directory(), "folder/it": EACH[kind]() },
    check: async ({ root }: { root: User }) => {
      await refuses(["NOTEMPTY", "EXIST"], root.rmdir("folder"));
      assert.deepEqual(await root.list("folder"), ["it"]);
    },
  })),
  ...KINDS.filter((kind) => kind !== "directory").map((kind) => ({
    promises: `rmdir() of a ${kind} says NOTDIR, and it stays`,
    given: { it: EACH[kind]() },
    check: async ({ root }: { root: User }) => {
      await refuses("NOTDIR", root.rmdir("it"));
      assert.equal(await root.isThere("it"), true);
    },
  })),
  {
    promises: "rmdir() works once everything in the folder was removed",
    given: { folder: directory(), "folder/a": file(), "folder/b": directory(), "folder/b/c": file() },
    check: async ({ root }) => {
      await root.unlink("folder/a");
      await root.unlink("folder/b/c");
      await root.rmdir("folder/b");
      await root.rmdir("folder");
      assert.equal(await root.isThere("folder"), false);
    },
  },
  {
    promises: "rmdir() works once everything in the folder was moved away",
    given: { folder: directory(), "folder/a": file("here") },
    check: async ({ root }) => {
      await root.rename("folder/a", "a");
      await root.rmdir("folder");
      assert.equal(await root.text("a"), "here");
    },
  },
  {
    promises: "rmdir() takes a link from the folder that it was in",
    given: { folder: directory(), "folder/one": directory(), "folder/two": directory() },
    check: async ({ root }) => {
      assert.equal((await root.lstat("folder")).nlink, 4);
      await root.rmdir("folder/one");
      assert.equal((await root.lstat("folder")).nlink, 3);
    },
  },
  {
    promises: 'rmdir() of "." says INVAL',
    given: { folder: directory() },
    check: ({ root }) => refuses("INVAL", root.rmdir("folder/.")),
  },
  {
    promises: 'rmdir() of ".." is refused',
    given: { folder: directory(), "folder/in": directory() },
    check: ({ root }) => refuses(["EXIST", "NOTEMPTY", "INVAL"], root.rmdir("folder/in/..")),
  },
  {
    promises: "what still holds a removed folder is told STALE",
    given: { folder: directory() },
    check: async ({ root, tree }) => {
      const { ino } = await root.lstat("folder");
      await root.rmdir("folder");
      assert.equal(await tree.getattr(ino), 70);
      assert.equal(await tree.mkdir(root.who, ino, "name", {}), 70);
      assert.equal(await tree.readdir(root.who, ino, 0, () => true), 70);
    },
  },
]);
