import assert from "node:assert/strict";
import { walks } from "./common.ts";
import { directory, file, symlink } from "./given.ts";
import { cuts } from "./sizes.ts";
import { refuses } from "./user.ts";
import { ANN, group } from "./world.ts";

group("truncate", [
  ...walks("truncate()", (user, path) => user.truncate(path, 0)),
  ...cuts("truncate()", (user, path, size) => user.truncate(path, size)),
  {
    promises: "truncate() of a name that is not there says NOENT",
    check: ({ root }) => refuses("NOENT", root.truncate("name", 0)),
  },
  {
    promises: "truncate() of a file that may not be written says ACCES, and the bytes stay",
    given: { file: file("text", { ...ANN, mode: 0o644 }) },
    check: async ({ eve, tree }) => {
      await refuses("ACCES", eve.truncate("file", 0));
      const { ino } = await eve.lstat("file");
      assert.equal(
        await tree.setattr(eve.who, ino, { size: 0 }),
        13,
        "nor for a client that does not ask first",
      );
      assert.equal(await eve.text("file"), "text");
    },
  },
  {
    promises: "truncate() of one's own file that may not be written says ACCES",
    given: { file: file("text", { ...ANN, mode: 0o444 }) },
    check: ({ ann }) => refuses("ACCES", ann.truncate("file", 0)),
  },
  {
    promises: "truncate() by a symlink's name cuts what it leads to",
    given: { file: file("text", ANN), way: symlink("file") },
    check: async ({ ann }) => {
      await ann.truncate("way", 2);
      assert.equal(await ann.text("file"), "te");
    },
  },
  {
    promises:
      "truncate() with a guard that is not the file's ctime says NOT_SYNC, with the right one it works",
    given: { file: file("text", ANN), folder: directory() },
    check: async ({ ann, tree }) => {
      const { ino, ctime } = await ann.lstat("file");
      const other = { s: ctime.s, ns: (ctime.ns + 1) % 1_000_000_000 };
      assert.equal(await tree.setattr(ann.who, ino, { size: 0 }, other), 10_002);
      assert.equal(await ann.text("file"), "text");
      assert.equal(typeof (await tree.setattr(ann.who, ino, { size: 0 }, ctime)), "object");
      assert.equal(await ann.text("file"), "");
    },
  },
]);
