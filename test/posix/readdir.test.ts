import assert from "node:assert/strict";
import type { Listed } from "../../src/wire/nfs/tree.ts";
import { directory, EACH, file, type Given, KIND_NUMBER, KINDS } from "./given.ts";
import { refuses, type User } from "./user.ts";
import { group } from "./world.ts";

const many = (count: number): Given =>
  Object.fromEntries([
    ["folder", directory()],
    ...Array.from({ length: count }, (_, i) => [`folder/f${i}`, file()]),
  ]);
const names = (count: number) => Array.from({ length: count }, (_, i) => `f${i}`).sort();
type R = { root: User };

/** A turn of the list: up to `count` entries after `cookie`. */
async function turn({ root }: R, path: string, cookie: number, count: number) {
  const entries: Listed[] = [];
  const answer = await root.tree.readdir(
    root.who,
    (await root.lstat(path)).ino,
    cookie,
    (entry) => entries.length < count && entries.push(entry) > 0,
  );
  assert.ok(typeof answer === "object");
  return { entries, eof: answer.eof };
}

group("readdir", [
  {
    promises: "each kind of entry is listed with its inode and what lookup tells of it",
    given: Object.fromEntries([
      ["folder", directory()],
      ...KINDS.map((kind) => [`folder/${kind}`, EACH[kind]()]),
    ]),
    check: async ({ root }) => {
      const entries = (await root.entries("folder")).slice(2);
      assert.deepEqual(entries.map(({ name }) => name).sort(), [...KINDS].sort());
      for (const { name, ino, attributes } of entries) {
        const looked = await root.lstat(`folder/${name}`);
        assert.equal(ino, looked.ino);
        assert.deepEqual(attributes, looked);
        assert.equal(attributes.kind, KIND_NUMBER[name as keyof typeof KIND_NUMBER]);
      }
    },
  },
  ...[1, 2, 3, 7, 100, 1000].map((count) => ({
    promises: `300 entries, ${count} with each call: each once, none missing`,
    given: many(300),
    check: async ({ root }: R) => assert.deepEqual(await root.list("folder", count), names(300)),
  })),
  {
    promises: "cookies are never 0, and no two are the same",
    given: many(50),
    check: async ({ root }) => {
      const cookies = (await root.entries("folder")).map(({ cookie }) => cookie);
      assert.ok(cookies.every((cookie) => cookie > 0 && Number.isSafeInteger(cookie)));
      assert.equal(new Set(cookies).size, 52);
    },
  },
  {
    promises: "the list goes on behind a cookie whose entry was removed, renamed or put back",
    given: many(20),
    check: async (at) => {
      const { entries } = await turn(at, "folder", 0, 10);
      const last = entries.at(-1) as Listed;
      await at.root.unlink(`folder/${last.name}`);
      const rest = await turn(at, "folder", last.cookie, 100);
      await at.root.make("file", `folder/${last.name}`);
      const again = await turn(at, "folder", last.cookie, 100);
      const seen = new Set(entries.map(({ name }) => name));
      const left = names(20).filter((name) => !seen.has(name));
      assert.deepEqual(rest.entries.map(({ name }) => name).sort(), left);
      for (const name of left) assert.ok(again.entries.some((entry) => entry.name === name));
    },
  },
  {
    promises: "entries that stay are listed once, whatever is made and removed between two calls",
    given: many(60),
    check: async (at) => {
      const seen: string[] = [];
      let made = 0;
      for (let cookie = 0, eof = false; !eof; ) {
        const told = await turn(at, "folder", cookie, 5);
        seen.push(...told.entries.map(({ name }) => name));
        cookie = told.entries.at(-1)?.cookie ?? cookie;
        eof = told.eof;
        if (made < 20) await at.root.make("file", `folder/new${made}`);
        if (made > 0 && made < 20) await at.root.unlink(`folder/new${made - 1}`);
        made += 1;
      }
      const stayed = seen.filter((name) => /^f\d/.test(name));
      assert.deepEqual([...stayed].sort(), names(60));
    },
  },
  ...[1, 7, 100].map((count) => ({
    promises: `who gives each name that is read a new one comes to an end, ${count} with each call`,
    given: many(30),
    check: async (at: R) => {
      let told = 0;
      for (let cookie = 0, eof = false; !eof; ) {
        const part = await turn(at, "folder", cookie, count);
        for (const { name } of part.entries.filter((entry) => !/^\.+$/.test(entry.name)))
          await at.root.rename(`folder/${name}`, `folder/${name}.old`);
        cookie = part.entries.at(-1)?.cookie ?? cookie;
        eof = part.eof;
        told += part.entries.length;
        assert.ok(told <= 62, "each of 30 names twice at the most, and the dots");
      }
      assert.equal((await at.root.list("folder", 100)).length, 30);
      assert.ok(told >= 32);
    },
  })),
  ...[1, 2, 3, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 40, 2 ** 53 - 1].map((cookie) => ({
    promises: `a list from the invented cookie ${cookie} ends, or is refused as BAD_COOKIE`,
    given: many(10),
    check: async ({ root }: R) => {
      const { ino } = await root.lstat("folder");
      let count = 0;
      const answer = await root.tree.readdir(root.who, ino, cookie, () => count++ < 100);
      assert.ok(
        answer === 10_003 || (typeof answer === "object" && answer.eof && count <= 12),
        JSON.stringify(answer),
      );
    },
  })),
  {
    promises: "a list for which nothing fits is empty and not at its end",
    given: many(3),
    check: async (at) => assert.deepEqual(await turn(at, "folder", 0, 0), { entries: [], eof: false }),
  },
  ...KINDS.filter((kind) => kind !== "directory").map((kind) => ({
    promises: `a list of a ${kind} says NOTDIR`,
    given: { it: EACH[kind]() },
    check: async ({ root }: R) =>
      assert.equal(await root.tree.readdir(root.who, (await root.lstat("it")).ino, 0, () => true), 20),
  })),
  {
    promises: "a folder that may not be read says ACCES",
    given: { folder: directory({ mode: 0o711 }) },
    check: ({ eve }) => refuses("ACCES", eve.list("folder")),
  },
  {
    promises: "a list moves no times",
    given: many(3),
    check: async ({ root }) => {
      const before = await root.lstat("folder");
      await root.list("folder");
      assert.deepEqual(await root.lstat("folder"), before);
    },
  },
]);
