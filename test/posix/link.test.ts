import assert from "node:assert/strict";
import { makes, walks } from "./common.ts";
import { directory, EACH, file, KINDS, linkTo, symlink } from "./given.ts";
import { refuses, type User } from "./user.ts";
import { ANN, annsFolder, type Case, group, moves } from "./world.ts";

const FILES = KINDS.filter((kind) => kind !== "directory");
type R = { root: User };
/** A first name, so that there is something to link. */
const linkNew = async (user: User, path: string): Promise<unknown> => {
  if (!(await user.isThere("first"))) await user.make("file", "first");
  return user.link("first", path);
};

group("link", [
  ...makes("link()", linkNew).filter(({ promises }) => !promises.includes("another thing")),
  ...walks("link() from a path", (user, path) => user.link(path, "to")),
  ...FILES.flatMap((kind): Case[] => [
    {
      promises: `link() gives a ${kind} a second name: one inode, two links`,
      given: { one: EACH[kind]({ uid: 1001, gid: 1100, mode: 0o640 }) },
      check: async ({ root }) => {
        const before = await root.lstat("one");
        const { attributes } = await root.link("one", "other");
        const after = await root.lstat("other");
        assert.deepEqual(attributes, after);
        assert.deepEqual(after, await root.lstat("one"));
        assert.deepEqual(after, { ...before, nlink: before.nlink + 1, ctime: after.ctime });
      },
    },
    {
      promises: `link() moves the ctime of a ${kind} and none of its other times`,
      given: { one: EACH[kind]() },
      check: ({ root }) => moves(root, "one", ["ctime"], () => root.link("one", "other")),
    },
    {
      promises: `names of a ${kind} can go one after the other in any order`,
      given: { a: EACH[kind](), b: linkTo("a") },
      check: async ({ root }) => {
        await root.link("b", "c");
        for (const [name, left] of [
          ["a", 2],
          ["c", 1],
        ] as const) {
          await root.unlink(name);
          assert.equal((await root.lstat("b")).nlink, left);
        }
        await root.unlink("b");
        assert.deepEqual(await root.list(""), []);
      },
    },
    {
      promises: `a chmod by one name of a ${kind} is seen by the other`,
      given: { one: EACH[kind](), other: linkTo("one") },
      check: async ({ root }: R) => {
        await root.lset("one", kind === "symlink" ? { uid: 1001 } : { mode: 0o601 });
        assert.deepEqual(await root.lstat("one"), await root.lstat("other"));
      },
    },
  ]),
  {
    promises: "link() of a folder is refused",
    given: { folder: directory() },
    check: async ({ root }) => {
      await refuses(["PERM", "ISDIR", "INVAL"], root.link("folder", "other"));
      assert.deepEqual([await root.list(""), (await root.lstat("folder")).nlink], [["folder"], 2]);
    },
  },
  {
    promises: "link() of a name that is not there says NOENT",
    check: ({ root }) => refuses("NOENT", root.link("one", "other")),
  },
  {
    promises: "link() that is refused leaves the count of links",
    given: { one: file(), there: file() },
    check: async ({ root }) => {
      await refuses("EXIST", root.link("one", "there"));
      assert.equal((await root.lstat("one")).nlink, 1);
    },
  },
  {
    promises: "what is written by one name is read by the other, in another folder too",
    given: { one: file("one text"), folder: directory(), "folder/other": linkTo("one") },
    check: async ({ root }) => {
      await root.write("one", "the");
      assert.equal(await root.text("folder/other"), "the text");
      await root.truncate("folder/other", 3);
      assert.equal(await root.text("one"), "the");
    },
  },
  {
    promises: "link() to a symlink names the symlink itself",
    given: { way: symlink("file"), file: file() },
    check: async ({ root }) => {
      await root.link("way", "other");
      assert.equal(await root.readlink("other"), "file");
      assert.equal((await root.lstat("file")).nlink, 1);
    },
  },
  {
    promises: "link() in another's folder that may not be written says ACCES, of one's own file too",
    given: { folder: directory(), one: file("", ANN) },
    check: ({ ann }) => refuses("ACCES", ann.link("one", "folder/other")),
  },
  {
    promises: "link() of a file that may not be read works where the folder may be written",
    given: { folder: annsFolder(), one: file("", { ...ANN, mode: 0 }) },
    check: ({ ann }) => ann.link("one", "folder/other"),
  },
  {
    promises: "a thousand names of one file",
    given: { one: file() },
    check: async ({ root }) => {
      for (let n = 0; n < 1000; n++) await root.link("one", `name-${n}`);
      assert.equal((await root.lstat("one")).nlink, 1001);
      assert.equal((await root.list("", 100)).length, 1001);
    },
  },
]);
