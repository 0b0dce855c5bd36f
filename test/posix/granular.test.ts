import assert from "node:assert/strict";
import { directory, EACH, file, KINDS } from "./given.ts";
import { type MAY, refuses, type User } from "./user.ts";
import { ANN, type Case, group } from "./world.ts";

const BITS = [0, 1, 2, 3, 4, 5, 6, 7];
const CLASSES = [
  ["the owner", "ann", 6],
  ["the group", "kim", 3],
  ["the others", "eve", 0],
] as const;
type Word = keyof typeof MAY;
type Actors = Record<"ann" | "kim" | "eve", User>;

/** What ACCESS grants for these bits of a mode (RFC 1813 3.3.4, as Linux' server maps them). */
const ofFile = (bits: number): string => {
  const words: Word[] = [];
  if (bits & 4) words.push("read");
  if (bits & 2) words.push("modify", "extend");
  if (bits & 1) words.push("execute");
  return words.join(" ");
};
/** A folder's entries can be changed by who may write and search it. */
const ofFolder = (bits: number): string[] => {
  const words: Word[] = [];
  if (bits & 4) words.push("read");
  if (bits & 1) words.push("lookup");
  if (bits & 2) words.push("modify", "extend", "delete");
  const strict = words.filter((word) => (bits & 3) === 3 || !["modify", "extend", "delete"].includes(word));
  return [words.join(" "), strict.join(" ")];
};

/** Calls on a folder of mode `bits` for one: which of its bits each needs. */
const ON_FOLDER: [what: string, needs: number, act: (user: User) => Promise<unknown>][] = [
  ["list it", 4, (user) => user.list("folder")],
  ["look up in it", 1, (user) => user.lstat("folder/file")],
  ["read a file in it", 1, (user) => user.text("folder/file")],
  ["make a file in it", 3, (user) => user.make("file", "folder/new")],
  ["make a folder in it", 3, (user) => user.mkdir("folder/new")],
  ["make a symlink in it", 3, (user) => user.symlink("x", "folder/new")],
  ["make a pipe in it", 3, (user) => user.mknod("folder/new", "fifo")],
  ["remove from it", 3, (user) => user.unlink("folder/file")],
  ["remove a folder from it", 3, (user) => user.rmdir("folder/empty")],
  ["rename in it", 3, (user) => user.rename("folder/file", "folder/other")],
  ["move out of it", 3, (user) => user.rename("folder/file", "out")],
  ["move into it", 3, (user) => user.make("file", "in").then(() => user.rename("in", "folder/new"))],
  ["link in it", 3, (user) => user.link("outside", "folder/new")],
];

group("granular", [
  ...CLASSES.flatMap(([whose, name, shift]) =>
    BITS.flatMap((bits): Case[] => [
      {
        promises: `ACCESS of a file: ${bits} for ${whose} grants ${ofFile(bits) || "nothing"}`,
        given: { file: file("x", { ...ANN, mode: bits << shift }) },
        check: async (scene: Actors) => assert.equal(await scene[name].may("file"), ofFile(bits)),
      },
      {
        promises: `ACCESS of a folder: ${bits} for ${whose} grants ${ofFolder(bits)[1] || "nothing"}`,
        given: { folder: directory({ ...ANN, mode: bits << shift }) },
        check: async (scene: Actors) => {
          const may = await scene[name].may("folder");
          assert.ok(ofFolder(bits).includes(may), may);
        },
      },
      ...ON_FOLDER.map(([what, needs, act]) => ({
        promises: `a folder of ${bits} for ${whose} lets ${name} ${what}: ${(bits & needs) === needs ? "yes" : "no"}`,
        given: {
          folder: directory({ ...ANN, mode: bits << shift }),
          "folder/file": file("x"),
          "folder/empty": directory({ mode: 0o777, ...ANN }),
          outside: file("x", ANN),
        },
        check: async (scene: Actors) => {
          const done = act(scene[name]);
          if ((bits & needs) === needs) await done;
          else await refuses("ACCES", done);
        },
      })),
    ]),
  ),
  ...KINDS.map((kind) => ({
    promises: `ACCESS of a ${kind} of mode 0 grants root all but to execute it`,
    given: { it: EACH[kind]({ ...ANN, mode: 0 }) },
    check: async ({ root }: { root: User }) => {
      const may = await root.may("it");
      if (kind === "directory") assert.equal(may, "read lookup modify extend delete");
      else if (kind !== "symlink") assert.match(may, /^read modify extend( delete)?$/);
    },
  })),
  {
    promises: "ACCESS grants nothing that was not asked for",
    given: { file: file("x", { ...ANN, mode: 0o777 }) },
    check: async ({ ann, tree }) => {
      const { ino } = await ann.lstat("file");
      for (const asked of [0, 1, 4, 32, 36]) {
        const answer = await tree.access(ann.who, ino, asked);
        assert.ok(typeof answer === "object" && answer.granted === asked, String(asked));
      }
    },
  },
  {
    promises: "sixteen further groups all count, and a seventeenth is nobody's",
    given: Object.fromEntries(
      Array.from({ length: 17 }, (_, i) => [`file-${i}`, file("x", { uid: 0, gid: 2000 + i, mode: 0o040 })]),
    ),
    check: async ({ eve, tree }) => {
      const who = { ...eve.who, gids: Array.from({ length: 16 }, (_, i) => 2000 + i) };
      for (let i = 0; i < 17; i++) {
        const answer = await tree.access(who, (await eve.lstat(`file-${i}`)).ino, 1);
        assert.ok(typeof answer === "object" && answer.granted === (i < 16 ? 1 : 0), String(i));
      }
    },
  },
]);
