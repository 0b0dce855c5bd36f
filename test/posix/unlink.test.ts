import assert from "node:assert/strict";
import { removes } from "./common.ts";
import { directory, EACH, file, KINDS, linkTo, symlink } from "./given.ts";
import { refuses, type User } from "./user.ts";
import { ANN, group, moves } from "./world.ts";

const FILES = KINDS.filter((kind) => kind !== "directory");

group("unlink", [
  ...removes("unlink()", FILES, (user, path) => user.unlink(path)),
  ...FILES.flatMap((kind) => [
    {
      promises: `unlink() of one of two names of a ${kind}: the other one stays, with a link less and a later ctime`,
      given: { one: EACH[kind](), other: linkTo("one") },
      check: async ({ root }: { root: User }) => {
        const before = await root.lstat("one");
        assert.equal(before.nlink, 2);
        await moves(root, "other", ["ctime"], () => root.unlink("one"));
        const after = await root.lstat("other");
        assert.deepEqual([after.ino, after.nlink, after.kind], [before.ino, 1, before.kind]);
      },
    },
    {
      promises: `what still holds a ${kind} whose last name went is told STALE`,
      given: { it: EACH[kind]() },
      check: async ({ root, tree }: { root: User; tree: User["tree"] }) => {
        const { ino } = await root.lstat("it");
        await root.unlink("it");
        assert.equal(await tree.getattr(ino), 70);
        assert.equal(await tree.setattr(root.who, ino, { mode: 0o600 }), 70);
        assert.equal(await tree.link(root.who, ino, (await root.lstat("")).ino, "again"), 70);
      },
    },
  ]),
  {
    promises: "unlink() of a folder is refused, and it stays",
    given: { folder: directory() },
    check: async ({ root }) => {
      await refuses(["ISDIR", "PERM"], root.unlink("folder"));
      assert.equal(await root.isThere("folder"), true);
    },
  },
  ...[".", ".."].map((name) => ({
    promises: `unlink() of "${name}" is refused`,
    given: { folder: directory() },
    check: ({ root }: { root: User }) =>
      refuses(["ISDIR", "PERM", "INVAL", "EXIST"], root.unlink(`folder/${name}`)),
  })),
  {
    promises: "unlink() of a symlink takes the symlink, not what it points to",
    given: { file: file("kept"), way: symlink("file") },
    check: async ({ root }) => {
      await root.unlink("way");
      assert.equal(await root.text("file"), "kept");
    },
  },
  {
    promises: "unlink() of a file that is read-only works for who may write its folder",
    given: { file: file("x", { ...ANN, mode: 0o444 }) },
    check: ({ ann }) => ann.unlink("file"),
  },
  {
    promises: "the other name of a file reads the same bytes after unlink() of the first",
    given: { one: file("the same bytes"), other: linkTo("one") },
    check: async ({ root }) => {
      await root.unlink("one");
      assert.equal(await root.text("other"), "the same bytes");
      await root.write("other", "THE");
      assert.equal(await root.text("other"), "THE same bytes");
    },
  },
  {
    promises: "a file under a name that was removed has nothing of the file of before",
    given: { file: file("old bytes") },
    check: async ({ root }) => {
      await root.unlink("file");
      await root.make("file", "file");
      assert.equal(await root.text("file"), "");
      await root.truncate("file", 9);
      assert.equal(await root.text("file"), "\0".repeat(9));
    },
  },
  {
    promises: "all of two hundred files can be removed while they are listed, a few with each call",
    given: Object.fromEntries([
      ["folder", directory()],
      ...Array.from({ length: 200 }, (_, i) => [`folder/f${i}`, file()]),
    ]),
    check: async ({ root, tree }) => {
      const { ino } = await root.lstat("folder");
      let removed = 0;
      for (let cookie = 0, eof = false; !eof; ) {
        const names: string[] = [];
        let left = 7;
        const answer = await tree.readdir(root.who, ino, cookie, (entry) => {
          if (left-- <= 0) return false;
          names.push(entry.name);
          cookie = entry.cookie;
          return true;
        });
        assert.ok(typeof answer === "object");
        eof = answer.eof;
        for (const name of names.filter((one) => one.startsWith("f"))) {
          await root.unlink(`folder/${name}`);
          removed += 1;
        }
      }
      assert.equal(removed, 200);
      assert.deepEqual(await root.list("folder"), []);
    },
  },
]);
