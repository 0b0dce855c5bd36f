// What every call that makes, removes or looks for a name has in common.
import assert from "node:assert/strict";
import { directory, EACH, file, KINDS } from "./given.ts";
import { refuses, type User } from "./user.ts";
import { ANN, annsFolder, type Case, moves } from "./world.ts";

export const LONGEST = "n".repeat(255);
const TOO_LONG = "n".repeat(256);

/** `act` on a path whose folders are wrong. */
export function walks(verb: string, act: (user: User, path: string) => Promise<unknown>): Case[] {
  return [
    {
      promises: `${verb} in a folder that is not there says NOENT`,
      check: ({ root }) => refuses("NOENT", act(root, "nowhere/name")),
    },
    ...KINDS.filter((kind) => kind !== "directory" && kind !== "symlink").map((kind) => ({
      promises: `${verb} below a ${kind} says NOTDIR`,
      given: { there: EACH[kind]() },
      check: ({ root }: { root: User }) => refuses("NOTDIR", act(root, "there/name")),
    })),
    {
      promises: `${verb} with a name of 256 bytes says NAMETOOLONG`,
      check: ({ root }) => refuses("NAMETOOLONG", act(root, TOO_LONG)),
    },
    {
      promises: `${verb} with a folder's name of 256 bytes says NAMETOOLONG`,
      check: ({ root }) => refuses("NAMETOOLONG", act(root, `${TOO_LONG}/name`)),
    },
    {
      promises: `${verb} below a folder that may not be searched says ACCES`,
      given: { shut: annsFolder(0o600), "shut/name": file("", ANN) },
      check: ({ ann }) => refuses("ACCES", act(ann, "shut/name")),
    },
  ];
}

/** A call that makes a name that was not there. `anybody` may make one where they may write. */
export function makes(verb: string, make: (user: User, path: string) => Promise<unknown>): Case[] {
  return [
    ...walks(verb, make),
    ...KINDS.map((kind) => ({
      promises: `${verb} over a ${kind} says EXIST and leaves it as it is`,
      given: { there: EACH[kind]() },
      check: async ({ root }: { root: User }) => {
        const before = await root.lstat("there");
        await refuses("EXIST", make(root, "there"));
        assert.deepEqual(await root.lstat("there"), before);
      },
    })),
    ...[".", ".."].map((name) => ({
      promises: `${verb} of "${name}" is refused`,
      check: ({ root }: { root: User }) => refuses(["EXIST", "INVAL", "ISDIR", "ACCES"], make(root, name)),
    })),
    {
      promises: `${verb} with a name of 255 bytes works`,
      check: async ({ root }) => {
        await make(root, LONGEST);
        assert.deepEqual(
          (await root.list("")).filter((name) => name === LONGEST),
          [LONGEST],
        );
      },
    },
    {
      promises: `${verb} in a folder that may not be written says ACCES, and nothing is made`,
      given: { folder: directory({ mode: 0o755 }) },
      check: async ({ eve, root }) => {
        await refuses("ACCES", make(eve, "folder/name"));
        assert.deepEqual(await root.list("folder"), []);
      },
    },
    {
      promises: `${verb} in a folder that may be written and not searched says ACCES`,
      given: { folder: annsFolder(0o200) },
      check: ({ ann }) => refuses("ACCES", make(ann, "folder/name")),
    },
    {
      promises: `${verb} moves mtime and ctime of its folder`,
      given: { folder: annsFolder() },
      check: ({ root }) => moves(root, "folder", ["mtime", "ctime"], () => make(root, "folder/name")),
    },
    {
      promises: `${verb} that is refused moves no times of its folder`,
      given: { folder: annsFolder(), "folder/name": file() },
      check: ({ root }) => moves(root, "folder", [], () => refuses("EXIST", make(root, "folder/name"))),
    },
    {
      promises: `${verb} makes one entry more, found by lookup and in the list`,
      given: { folder: directory(), "folder/a": file(), "folder/b": file() },
      check: async ({ root }) => {
        await make(root, "folder/name");
        assert.deepEqual(await root.list("folder"), ["a", "b", "name"]);
        const listed = (await root.entries("folder")).find(({ name }) => name === "name");
        assert.equal(listed?.ino, (await root.lstat("folder/name")).ino);
      },
    },
    {
      promises: `${verb} under a name that was removed works, and is another thing`,
      given: { folder: directory(), "folder/name": file("old") },
      check: async ({ root }) => {
        const { ino } = await root.lstat("folder/name");
        await root.unlink("folder/name");
        await make(root, "folder/name");
        assert.notEqual((await root.lstat("folder/name")).ino, ino);
        assert.deepEqual(await root.list("folder"), ["name"]);
      },
    },
  ];
}

/** A call that makes a new inode: whose it is. `mode` that it is made with: 0o644 where the call has one. */
export function owns(verb: string, make: (user: User, path: string) => Promise<unknown>): Case[] {
  return [
    {
      promises: `${verb}: the new one is its maker's, of the maker's main group`,
      check: async ({ ann }) => {
        await make(ann, "name");
        const { uid, gid } = await ann.lstat("name");
        assert.deepEqual({ uid, gid }, ANN);
      },
    },
    {
      promises: `${verb} in a set-group-id folder: the new one is of the folder's group`,
      given: { folder: directory({ mode: 0o2777, gid: 1100 }) },
      check: async ({ eve }) => {
        await make(eve, "folder/name");
        const { uid, gid } = await eve.lstat("folder/name");
        assert.deepEqual([uid, gid], [eve.who.uid, 1100]);
      },
    },
    {
      promises: `${verb}: its times are of now, later than its folder's were`,
      check: async ({ ann }) => {
        const before = await ann.lstat("");
        await make(ann, "name");
        const { atime, mtime, ctime } = await ann.lstat("name");
        for (const time of [atime, mtime, ctime])
          assert.ok(time.s * 1e9 + time.ns >= before.mtime.s * 1e9 + before.mtime.ns);
      },
    },
    {
      promises: `${verb}: two new ones have inodes of their own`,
      check: async ({ ann }) => {
        await make(ann, "one");
        await make(ann, "other");
        assert.notEqual((await ann.lstat("one")).ino, (await ann.lstat("other")).ino);
      },
    },
  ];
}

/** A call that takes a name away (of a `kind` that it can take); `act` by path. */
export function removes(
  verb: string,
  kinds: readonly (typeof KINDS)[number][],
  act: (user: User, path: string) => Promise<unknown>,
): Case[] {
  return [
    ...walks(verb, act),
    {
      promises: `${verb} of a name that is not there says NOENT`,
      check: ({ root }) => refuses("NOENT", act(root, "name")),
    },
    ...kinds.flatMap((kind): Case[] => [
      {
        promises: `${verb} takes a ${kind} away, from lookup and from the list`,
        given: { folder: directory(), "folder/a": file(), "folder/it": EACH[kind](), "folder/z": file() },
        check: async ({ root }) => {
          await act(root, "folder/it");
          assert.equal(await root.isThere("folder/it"), false);
          assert.deepEqual(await root.list("folder"), ["a", "z"]);
        },
      },
      {
        promises: `${verb} of a ${kind}, once more says NOENT`,
        given: { it: EACH[kind]() },
        check: async ({ root }) => {
          await act(root, "it");
          await refuses("NOENT", act(root, "it"));
        },
      },
      {
        promises: `${verb} of a ${kind} moves mtime and ctime of its folder`,
        given: { folder: directory(), "folder/it": EACH[kind]() },
        check: ({ root }) => moves(root, "folder", ["mtime", "ctime"], () => act(root, "folder/it")),
      },
      {
        promises: `${verb} of a ${kind} in a folder that may not be written says ACCES, and it stays`,
        given: { folder: directory(), "folder/it": EACH[kind]({ ...ANN }) },
        check: async ({ ann, root }) => {
          await refuses("ACCES", act(ann, "folder/it"));
          assert.equal(await root.isThere("folder/it"), true);
        },
      },
      {
        promises: `${verb} of a ${kind} that may not be read or written works for who may write its folder`,
        given: { folder: annsFolder(), "folder/it": EACH[kind]({ mode: 0 }) },
        check: ({ ann }) => act(ann, "folder/it"),
      },
      ...sticky(verb, kind, act),
    ]),
  ];
}

/** POSIX, "Restricted deletion" of a directory's S_ISVTX. `act` takes the name away, by whatever call. */
export function sticky(
  verb: string,
  kind: (typeof KINDS)[number],
  act: (user: User, path: string) => Promise<unknown>,
): Case[] {
  const given = {
    sticky: directory({ ...ANN, mode: 0o1777 }),
    "sticky/it": EACH[kind]({ uid: 1003, gid: 1003, mode: 0o777 }),
  };
  return [
    ...(["ann", "bob", "root"] as const).map((name) => ({
      promises: `${verb} of a ${kind} in a sticky folder works for ${{ ann: "the folder's owner", bob: "its owner", root: "root" }[name]}`,
      given,
      check: (scene: Record<"ann" | "bob" | "root", User>) => act(scene[name], "sticky/it"),
    })),
    {
      promises: `${verb} of a ${kind} in a sticky folder is refused to everybody else`,
      given,
      check: async ({ eve }) => {
        const before = await eve.lstat("sticky/it");
        await refuses(["PERM", "ACCES"], act(eve, "sticky/it"));
        assert.deepEqual(await eve.lstat("sticky/it"), before);
      },
    },
  ];
}
