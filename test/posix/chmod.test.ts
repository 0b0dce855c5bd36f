import assert from "node:assert/strict";
import { walks } from "./common.ts";
import { directory, EACH, file, KINDS, symlink } from "./given.ts";
import { refuses, type User } from "./user.ts";
import { ANN, type Case, CREW, group, moves } from "./world.ts";

const CHANGEABLE = KINDS.filter((kind) => kind !== "symlink");
const MODES = [0o000, 0o111, 0o222, 0o444, 0o644, 0o755, 0o777, 0o1777, 0o4711, 0o6755];

group("chmod", [
  ...walks("chmod()", (user, path) => user.chmod(path, 0o644)),
  {
    promises: "chmod() of a name that is not there says NOENT",
    check: ({ root }) => refuses("NOENT", root.chmod("name", 0o644)),
  },
  ...CHANGEABLE.flatMap((kind): Case[] => [
    {
      promises: `chmod() sets every mode of a ${kind}, by its owner`,
      given: { it: EACH[kind]({ ...ANN, mode: 0o600 }) },
      check: async ({ ann }) => {
        for (const mode of MODES) {
          await ann.chmod("it", mode);
          assert.equal((await ann.lstat("it")).mode, mode, mode.toString(8));
        }
      },
    },
    {
      promises: `chmod() of a ${kind} moves its ctime alone`,
      given: { it: EACH[kind]({ ...ANN }) },
      check: ({ ann }) => moves(ann, "it", ["ctime"], () => ann.chmod("it", 0o711)),
    },
    {
      promises: `chmod() of a ${kind} leaves all else of it`,
      given: { it: EACH[kind]({ uid: 1001, gid: CREW }) },
      check: async ({ root }) => {
        const before = await root.lstat("it");
        await root.chmod("it", 0o711);
        const after = await root.lstat("it");
        assert.deepEqual(after, { ...before, mode: 0o711, ctime: after.ctime });
      },
    },
    ...(["kim", "bob", "eve"] as const).map((name) => ({
      promises: `chmod() of another's ${kind} says PERM to ${name}, whatever its mode lets ${name} do`,
      given: { it: EACH[kind]({ uid: 1001, gid: 1001, mode: 0o777 }) },
      check: async (scene: Record<"kim" | "bob" | "eve", User>) => {
        await refuses("PERM", scene[name].chmod("it", 0o600));
        assert.equal((await scene[name].lstat("it")).mode, 0o777);
      },
    })),
    {
      promises: `chmod() of another's ${kind} works for root`,
      given: { it: EACH[kind]({ ...ANN, mode: 0 }) },
      check: async ({ root }) => {
        await root.chmod("it", 0o644);
        assert.equal((await root.lstat("it")).mode, 0o644);
      },
    },
  ]),
  {
    promises: "chmod() by a symlink's name changes what it leads to",
    given: { file: file("", ANN), way: symlink("file") },
    check: async ({ ann }) => {
      await ann.chmod("way", 0o600);
      assert.equal((await ann.lstat("file")).mode, 0o600);
    },
  },
  {
    promises: "chmod() to set-group-id by an owner who is not of the file's group leaves that bit out",
    given: { file: file("", { uid: 1001, gid: 1003, mode: 0o755 }) },
    check: async ({ ann }) => {
      await ann.chmod("file", 0o2755);
      assert.equal((await ann.lstat("file")).mode, 0o755);
    },
  },
  ...(["ann", "root"] as const).map((name) => ({
    promises: `chmod() to set-group-id of a file of ann's further group keeps the bit for ${name}`,
    given: { file: file("", { uid: 1001, gid: CREW, mode: 0o755 }) },
    check: async (scene: Record<"ann" | "root", User>) => {
      await scene[name].chmod("file", 0o2755);
      assert.equal((await scene.root.lstat("file")).mode, 0o2755);
    },
  })),
  ...(
    [
      ["write() by another takes set-user-id and set-group-id away", "kim", 0o6777, 0o777],
      ["write() by its owner takes them away as well", "ann", 0o6755, 0o755],
      ["write() by root leaves them", "root", 0o6755, 0o6755],
      ["write() leaves set-group-id where the group may not execute", "ann", 0o2644, 0o2644],
      ["write() leaves a mode without them", "kim", 0o1777, 0o1777],
    ] as const
  ).map(([promises, name, mode, left]) => ({
    promises,
    given: { file: file("text", { ...ANN, mode }) },
    check: async (scene: Record<"kim" | "ann" | "root", User>) => {
      await scene[name].write("file", "x");
      assert.equal((await scene.root.lstat("file")).mode.toString(8), left.toString(8));
    },
  })),
  {
    promises:
      "a folder that its owner has shut is shut to the owner too, and open again after the next chmod()",
    given: { folder: directory({ ...ANN }), "folder/file": file("in", ANN) },
    check: async ({ ann }) => {
      await ann.chmod("folder", 0);
      await refuses("ACCES", ann.text("folder/file"));
      await ann.chmod("folder", 0o700);
      assert.equal(await ann.text("folder/file"), "in");
    },
  },
]);
