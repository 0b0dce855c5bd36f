import assert from "node:assert/strict";
import { LONGEST, sticky, walks } from "./common.ts";
import { directory, EACH, file, KINDS, type Kind, linkTo } from "./given.ts";
import { good, refuses, type User } from "./user.ts";
import { ANN, annsFolder, type Case, group, moves } from "./world.ts";

type R = { root: User };
const isFolder = (kind: Kind) => kind === "directory";

/** What there is of a kind over what is at the other name. */
const over = (from: Kind, to: Kind): Case => {
  const given = { from: EACH[from](), to: EACH[to]() };
  if (isFolder(from) !== isFolder(to))
    return {
      promises: `rename() of a ${from} over a ${to} says ${isFolder(from) ? "NOTDIR" : "ISDIR"}, and both stay`,
      given,
      check: async ({ root }) => {
        const before = [await root.lstat("from"), await root.lstat("to")];
        await refuses(isFolder(from) ? ["NOTDIR", "EXIST"] : ["ISDIR", "EXIST"], root.rename("from", "to"));
        assert.deepEqual([await root.lstat("from"), await root.lstat("to")], before);
      },
    };
  return {
    promises: `rename() of a ${from} over a ${to} puts it in its place`,
    given,
    check: async ({ root, tree }) => {
      const [one, other] = [await root.lstat("from"), await root.lstat("to")];
      await root.rename("from", "to");
      const now = await root.lstat("to");
      assert.deepEqual([now.ino, now.kind, now.nlink, now.size], [one.ino, one.kind, one.nlink, one.size]);
      assert.equal(await root.isThere("from"), false);
      assert.equal(await tree.getattr(other.ino), 70, "what was there has gone");
    },
  };
};

group("rename", [
  ...walks("rename() from a path", (user, path) => user.rename(path, "to")),
  ...walks("rename() to a path", (user, path) =>
    user.make("file", "from").then(() => user.rename("from", path)),
  ),
  ...KINDS.flatMap((from) => KINDS.map((to) => over(from, to))),
  ...KINDS.flatMap((kind): Case[] => [
    {
      promises: `rename() of a ${kind} keeps everything of it but its name and its ctime`,
      given: { from: EACH[kind]({ uid: 1001, gid: 1100, mode: 0o640 }) },
      check: async ({ root }) => {
        const { ctime: _, ...before } = await root.lstat("from");
        await root.rename("from", "to");
        const { ctime: __, ...after } = await root.lstat("to");
        assert.deepEqual(after, before);
        assert.deepEqual(await root.list(""), ["to"]);
      },
    },
    {
      promises: `rename() of a ${kind} to another folder moves mtime and ctime of both folders`,
      given: { a: directory(), "a/it": EACH[kind](), b: directory() },
      check: async ({ root }) => {
        await moves(root, "b", ["mtime", "ctime"], () =>
          moves(root, "a", ["mtime", "ctime"], () => root.rename("a/it", "b/it")),
        );
        assert.deepEqual([await root.list("a"), await root.list("b")], [[], ["it"]]);
      },
    },
    {
      promises: `rename() of a ${kind} and back leaves it as it was`,
      given: { folder: directory(), "folder/it": EACH[kind]() },
      check: async ({ root }) => {
        const { ino } = await root.lstat("folder/it");
        await root.rename("folder/it", "it");
        await root.rename("it", "folder/it");
        assert.equal((await root.lstat("folder/it")).ino, ino);
        assert.deepEqual(await root.list(""), ["folder"]);
      },
    },
    {
      promises: `rename() of a ${kind} out of a folder that may not be written says ACCES`,
      given: { folder: directory(), "folder/it": EACH[kind]({ ...ANN, mode: 0o777 }) },
      check: ({ ann }) => refuses("ACCES", ann.rename("folder/it", "it")),
    },
    {
      promises: `rename() of a ${kind} into a folder that may not be written says ACCES`,
      given: { it: EACH[kind]({ ...ANN, mode: 0o777 }), folder: directory() },
      check: ({ ann }) => refuses("ACCES", ann.rename("it", "folder/it")),
    },
    ...sticky("rename() away", kind, (user, path) => user.rename(path, "moved")),
    ...(isFolder(kind)
      ? []
      : [
          {
            promises: `rename() of one name of a ${kind} over another name of it does nothing`,
            given: { one: EACH[kind](), other: linkTo("one") },
            check: async ({ root }: R) => {
              const before = await root.lstat("one");
              await root.rename("one", "other");
              assert.deepEqual(await root.list(""), ["one", "other"]);
              assert.equal((await root.lstat("one")).nlink, before.nlink);
            },
          },
          {
            promises: `rename() over one of two names of a ${kind}: the other name stays, with one link`,
            given: { from: file("new"), to: EACH[kind](), other: linkTo("to") },
            check: async ({ root }: R) => {
              await root.rename("from", "to");
              assert.equal(await root.text("to"), "new");
              assert.equal((await root.lstat("other")).nlink, 1);
            },
          },
          ...sticky(`rename() over`, kind, (user, path) =>
            user.make("file", "mine").then(() => user.rename("mine", path)),
          ),
        ]),
  ]),
  {
    promises: "rename() of a name that is not there says NOENT, and what is at the other name stays",
    given: { to: file("kept") },
    check: async ({ root }) => {
      await refuses("NOENT", root.rename("from", "to"));
      assert.equal(await root.text("to"), "kept");
    },
  },
  {
    promises: "rename() of a name to itself does nothing",
    given: { it: file("same") },
    check: async ({ root }) => {
      const { ino, nlink } = await root.lstat("it");
      await root.rename("it", "it");
      const after = await root.lstat("it");
      assert.deepEqual([after.ino, after.nlink], [ino, nlink]);
    },
  },
  ...KINDS.map((kind) => ({
    promises: `rename() of a folder over one that holds a ${kind} says NOTEMPTY`,
    given: { from: directory(), to: directory(), "to/it": EACH[kind]() },
    check: async ({ root }: R) => {
      await refuses(["NOTEMPTY", "EXIST"], root.rename("from", "to"));
      assert.deepEqual(await root.list(""), ["from", "to"]);
    },
  })),
  {
    promises: "rename() of a folder takes everything below it along",
    given: { a: directory(), "a/b": directory(), "a/b/c": file("deep"), to: directory() },
    check: async ({ root }) => {
      await root.rename("a", "to/x");
      assert.equal(await root.text("to/x/b/c"), "deep");
      assert.deepEqual(await root.list("to/x"), ["b"]);
      assert.equal(await root.isThere("a"), false);
    },
  },
  {
    promises: "what is made in a folder after it was renamed is there by its new name only",
    given: { a: directory(), "a/old": file() },
    check: async ({ root }) => {
      await root.rename("a", "b");
      await root.make("file", "b/new");
      await root.mkdir("a");
      assert.deepEqual([await root.list("a"), await root.list("b")], [[], ["new", "old"]]);
    },
  },
  ...[
    ["itself", "a/x"],
    ["a folder below it", "a/b/x"],
    ["a folder far below it", "a/b/c/x"],
  ].map(([where, to = ""]) => ({
    promises: `rename() of a folder into ${where} says INVAL`,
    given: { a: directory(), "a/b": directory(), "a/b/c": directory() },
    check: ({ root }: R) => refuses("INVAL", root.rename("a", to)),
  })),
  {
    promises: "rename() of a folder below itself by way of a folder that was moved before says INVAL",
    given: { a: directory(), b: directory(), "b/c": directory() },
    check: async ({ root }) => {
      await root.rename("b", "a/b");
      await refuses("INVAL", root.rename("a", "a/b/c/a"));
      await root.rename("a/b/c", "c");
      await root.rename("a", "c/a");
      assert.deepEqual(await root.list("c/a"), ["b"]);
    },
  },
  {
    promises: "rename() of a folder over one that it lies in says NOTEMPTY",
    given: { a: directory(), "a/b": directory() },
    check: ({ root }) => refuses(["NOTEMPTY", "EXIST"], root.rename("a/b", "a")),
  },
  ...[".", ".."].flatMap((name) => [
    {
      promises: `rename() of "${name}" says INVAL`,
      given: { folder: directory() },
      check: ({ root }: R) => refuses("INVAL", root.rename(`folder/${name}`, "to")),
    },
    {
      promises: `rename() to "${name}" says INVAL`,
      given: { folder: directory(), from: directory() },
      check: ({ root }: R) => refuses(["INVAL", "EXIST", "NOTEMPTY"], root.rename("from", `folder/${name}`)),
    },
  ]),
  {
    promises:
      'a folder that was moved has another "..", and a link more in its new folder, one less in its old',
    given: { a: directory(), "a/it": directory(), b: directory() },
    check: async ({ root, tree }) => {
      await root.rename("a/it", "b/it");
      const { ino } = await root.lstat("b/it");
      const b = await root.lstat("b");
      assert.equal((await good(tree.lookup(root.who, ino, ".."))).found.ino, b.ino);
      assert.equal((await root.entries("b/it"))[1]?.ino, b.ino);
      assert.deepEqual([(await root.lstat("a")).nlink, b.nlink], [2, 3]);
    },
  },
  {
    promises: "rename() of a folder over an empty one takes a link from the folder that both are in",
    given: { folder: directory(), "folder/a": directory(), "folder/b": directory() },
    check: async ({ root }) => {
      await root.rename("folder/a", "folder/b");
      assert.equal((await root.lstat("folder")).nlink, 3);
    },
  },
  {
    promises: "rename() of a folder to another folder asks for the right to write it: its .. changes",
    given: { from: annsFolder(), "from/it": directory({ uid: 1003, mode: 0o755 }), to: annsFolder() },
    check: async ({ ann }) => {
      await refuses("ACCES", ann.rename("from/it", "to/it"));
      await ann.rename("from/it", "from/other");
    },
  },
  {
    promises: "rename() of another's file, which may not be read, works for who may write both folders",
    given: { from: annsFolder(), "from/it": file("", { mode: 0 }), to: annsFolder() },
    check: ({ ann }) => ann.rename("from/it", "to/it"),
  },
  {
    promises: "rename() to a name of 255 bytes works",
    given: { from: file("x") },
    check: async ({ root }) => {
      await root.rename("from", LONGEST);
      assert.deepEqual(await root.list(""), [LONGEST]);
    },
  },
  {
    promises: "a file can be written and read on through a rename, by who holds it open",
    given: { from: file("0123456789") },
    check: async ({ root }) => {
      const open = await root.open("from", "read", "modify");
      await root.rename("from", "to");
      await open.write("ab", 4);
      assert.equal(await root.text("to"), "0123ab6789");
    },
  },
]);
