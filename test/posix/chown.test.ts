import assert from "node:assert/strict";
import { walks } from "./common.ts";
import { directory, EACH, file, KINDS, symlink } from "./given.ts";
import { refuses, type User } from "./user.ts";
import { ANN, BOB, type Case, CREW, group, moves } from "./world.ts";

group("chown", [
  ...walks("chown()", (user, path) => user.chown(path, 0, 0)),
  {
    promises: "chown() of a name that is not there says NOENT",
    check: ({ root }) => refuses("NOENT", root.chown("name", 1, 1)),
  },
  ...KINDS.flatMap((kind): Case[] => [
    ...(
      [
        [7, 8],
        [7, undefined],
        [undefined, 8],
        [4_294_967_294, 4_294_967_294],
      ] as const
    ).map(([uid, gid]) => ({
      promises: `chown() of a ${kind} by root sets ${uid ?? "no"} owner, ${gid ?? "no"} group`,
      given: { it: EACH[kind]({ ...ANN }) },
      check: async ({ root }: { root: User }) => {
        await root.lset("it", { ...(uid !== undefined && { uid }), ...(gid !== undefined && { gid }) });
        const after = await root.lstat("it");
        assert.deepEqual([after.uid, after.gid], [uid ?? ANN.uid, gid ?? ANN.gid]);
      },
    })),
    {
      promises: `chown() of a ${kind} moves its ctime alone`,
      given: { it: EACH[kind]() },
      check: ({ root }) => moves(root, "it", ["ctime"], () => root.lset("it", ANN)),
    },
    {
      promises: `chown() of one's own ${kind} to a group that one is in`,
      given: { it: EACH[kind]({ ...ANN }) },
      check: async ({ ann }) => {
        await ann.lset("it", { gid: CREW });
        assert.equal((await ann.lstat("it")).gid, CREW);
        await ann.lset("it", { uid: ANN.uid, gid: ANN.gid });
        assert.equal((await ann.lstat("it")).gid, ANN.gid);
      },
    },
    ...(
      [
        ["gives it away", "ann", { uid: 1003 }],
        ["takes it", "bob", { uid: 1003 }],
        ["gives it to a group that its owner is not in", "ann", { gid: 1003 }],
        ["gives another's to a group of both", "bob", { gid: CREW }],
        ["gives it away with a group that would do", "ann", { uid: 1003, gid: CREW }],
      ] as const
    ).map(([what, name, set]) => ({
      promises: `chown() that ${what} says PERM to ${name}, of a ${kind}, and changes nothing`,
      given: { it: EACH[kind]({ ...ANN, mode: 0o777 }) },
      check: async (scene: Record<"ann" | "bob", User>) => {
        const before = await scene.ann.lstat("it");
        await refuses("PERM", scene[name].lset("it", set));
        assert.deepEqual(await scene.ann.lstat("it"), before);
      },
    })),
  ]),
  ...(
    [
      [
        "chown() to another group by the owner takes set-user-id and set-group-id from a program",
        0o6755,
        0o755,
      ],
      ["chown() leaves set-group-id where the group may not execute, or takes it too", 0o2644, undefined],
      ["chown() leaves a mode without them", 0o1755, 0o1755],
    ] as const
  ).map(([promises, mode, left]) => ({
    promises,
    given: { file: file("", { ...ANN, mode }) },
    check: async ({ ann }: { ann: User }) => {
      await ann.chown("file", undefined, CREW);
      const got = (await ann.lstat("file")).mode;
      assert.ok(left === undefined ? [0o2644, 0o644].includes(got) : got === left, got.toString(8));
    },
  })),
  {
    promises: "chown() of a folder leaves its set-group-id",
    given: { folder: directory({ ...ANN, mode: 0o2755 }) },
    check: async ({ ann }) => {
      await ann.chown("folder", undefined, CREW);
      assert.equal((await ann.lstat("folder")).mode, 0o2755);
    },
  },
  {
    promises: "chown() by a symlink's name changes what it leads to",
    given: { file: file(), way: symlink("file") },
    check: async ({ root }) => {
      await root.chown("way", 7, 8);
      const [led, way] = [await root.lstat("file"), await root.lstat("way")];
      assert.deepEqual([led.uid, led.gid, way.uid, way.gid], [7, 8, 0, 0]);
    },
  },
  {
    promises: "chown() and what the new owner may: all changes at once",
    given: { file: file("text", { ...ANN, mode: 0o600 }) },
    check: async ({ root, ann, bob }) => {
      await refuses("ACCES", bob.text("file"));
      await root.chown("file", BOB.uid, BOB.gid);
      assert.equal(await bob.text("file"), "text");
      await refuses("ACCES", ann.text("file"));
      await refuses("PERM", ann.chmod("file", 0o644));
    },
  },
  {
    promises: "chown() with a mode in one call: the mode is the one that was asked for",
    given: { file: file("", { ...ANN, mode: 0o6755 }) },
    check: async ({ root }) => {
      await root.set("file", { uid: 7, mode: 0o711 });
      const { uid, mode } = await root.lstat("file");
      assert.deepEqual([uid, mode], [7, 0o711]);
    },
  },
]);
