import assert from "node:assert/strict";
import { directory, file } from "./given.ts";
import { good, refuses, type User } from "./user.ts";
import { ANN, type Case, group } from "./world.ts";

const ODD: Record<string, string> = {
  "bytes that are no UTF-8": "\xff\xfe\x80",
  "a new line": "a\nb",
  "every byte below a space but NUL": Array.from({ length: 31 }, (_, i) => String.fromCharCode(i + 1)).join(
    "",
  ),
  "every byte from 128 on": Array.from({ length: 128 }, (_, i) => String.fromCharCode(i + 128)).join(""),
  "a backslash": "a\\b",
  "three dots": "...",
  "a dot and a name": ".hidden",
  "spaces around": "  a  ",
  "what looks like a silly rename": ".nfs000000000000000100000001",
  "what looks like a whiteout": ".wh.file",
  "letters that differ in case only": "FILE",
  __proto__: "__proto__",
  constructor: "constructor",
};
/** Not to be told to debugfs, which makes the image. */
const UNTYPED = ["a new line", "every byte below a space but NUL", "a backslash", "spaces around"];
const NO_NAMES: Record<string, string> = {
  "a slash": "a/b",
  NUL: "a\0b",
  "no bytes at all": "",
  "a slash alone": "/",
};
const MAKERS: Record<string, (user: User, directory: number, name: string) => Promise<unknown>> = {
  lookup: (user, at, name) => good(user.tree.lookup(user.who, at, name)),
  create: (user, at, name) => good(user.tree.create(user.who, at, name, { how: "guarded", set: {} })),
  mkdir: (user, at, name) => good(user.tree.mkdir(user.who, at, name, {})),
  symlink: (user, at, name) => good(user.tree.symlink(user.who, at, name, "x", {})),
  mknod: (user, at, name) =>
    good(user.tree.mknod(user.who, at, name, { kind: 7, major: 0, minor: 0, set: {} })),
  remove: (user, at, name) => good(user.tree.remove(user.who, at, name)),
  rmdir: (user, at, name) => good(user.tree.rmdir(user.who, at, name)),
  "rename from": (user, at, name) =>
    good(user.tree.rename(user.who, { directory: at, name }, { directory: at, name: "new" })),
  "rename to": (user, at, name) =>
    good(user.tree.rename(user.who, { directory: at, name: "file" }, { directory: at, name })),
  link: async (user, at, name) => good(user.tree.link(user.who, (await user.lstat("file")).ino, at, name)),
};

group("names", [
  ...Object.entries(ODD).flatMap(([what, name]): Case[] => [
    {
      promises: `a name of ${what} can be made, listed, renamed and removed`,
      given: { file: file("another") },
      check: async ({ ann }) => {
        await ann.make("file", name);
        await ann.write(name, "its bytes");
        assert.deepEqual(await ann.list(""), ["file", name].sort());
        await ann.rename(name, `${name}2`);
        assert.equal(await ann.text(`${name}2`), "its bytes");
        await ann.rename(`${name}2`, name);
        await ann.unlink(name);
        assert.deepEqual(await ann.list(""), ["file"]);
        assert.equal(await ann.text("file"), "another");
      },
    },
    ...(UNTYPED.includes(what)
      ? []
      : [
          {
            promises: `a name of ${what} that was there is found and listed`,
            given: { [name]: file("its bytes") } as Record<string, ReturnType<typeof file>>,
            check: async ({ eve }: { eve: User }) => {
              assert.deepEqual(await eve.list(""), [name]);
              assert.equal(await eve.text(name), "its bytes");
            },
          },
        ]),
  ]),
  ...Object.entries(NO_NAMES).flatMap(([what, name]) =>
    Object.entries(MAKERS).map(([verb, act]) => ({
      promises: `${verb} of a name with ${what} is refused, and nothing changes`,
      given: { file: file("kept") },
      check: async ({ root, home }: { root: User; home: number }) => {
        await refuses(["INVAL", "ACCES", "NOENT"], act(root, home, name));
        assert.deepEqual(await root.list(""), ["file"]);
      },
    })),
  ),
  ...Object.entries(MAKERS).map(([verb, act]) => ({
    promises: `${verb} with a name of a megabyte says NAMETOOLONG`,
    given: { file: file("kept") },
    check: ({ root, home }: { root: User; home: number }) =>
      refuses("NAMETOOLONG", act(root, home, "n".repeat(1 << 20))),
  })),
  ...Object.entries(MAKERS).map(([verb, act]) => ({
    promises: `${verb} in what is a file says NOTDIR`,
    given: { file: file("kept") },
    check: async ({ root }: { root: User }) =>
      refuses("NOTDIR", act(root, (await root.lstat("file")).ino, "x")),
  })),
  ...[2 ** 32 + 1_000_000, 7_000_000, 2 ** 53 - 1, 0].map((ino) => ({
    promises: `everything that is asked of inode ${ino}, which never was, says STALE`,
    given: { file: file("", ANN) },
    check: async ({ root }: { root: User }) => {
      for (const act of Object.values(MAKERS)) await refuses(["STALE", "BADHANDLE"], act(root, ino, "x"));
      const { tree, who } = root;
      const answers = [
        await tree.getattr(ino),
        await tree.setattr(who, ino, { mode: 0 }),
        await tree.access(who, ino, 1),
        await tree.readlink(who, ino),
        await tree.read(who, ino, 0, new Uint8Array(1)),
        await tree.write(who, ino, 0, new Uint8Array(1), 2),
        await tree.readdir(who, ino, 0, () => true),
        await tree.commit(ino, 0, 0),
        await tree.link(who, ino, (await root.lstat("")).ino, "x"),
      ];
      for (const answer of answers) assert.ok(answer === 70 || answer === 10_001, JSON.stringify(answer));
    },
  })),
  {
    promises: "names that differ in one byte, or in its case, are two",
    given: { a: file("1"), A: file("2"), "a ": file("3"), aa: directory() },
    check: async ({ eve }) => {
      assert.deepEqual([await eve.text("a"), await eve.text("A"), await eve.text("a ")], ["1", "2", "3"]);
      assert.deepEqual(await eve.list(""), ["A", "a", "a ", "aa"]);
    },
  },
]);
