import assert from "node:assert/strict";
import { STABLE } from "../../src/wire/nfs/tree.ts";
import { directory, file } from "./given.ts";
import { good } from "./user.ts";
import { ANN, group, moves } from "./world.ts";

group("read and write", [
  {
    promises: "a read of a folder as if it were a file is refused, a write too",
    given: { it: directory() },
    check: async ({ root, tree }) => {
      const { ino } = await root.lstat("it");
      for (const answer of [
        await tree.read(root.who, ino, 0, new Uint8Array(4)),
        await tree.write(root.who, ino, 0, new Uint8Array(4), STABLE.fileSync),
      ])
        assert.ok(answer === 21 || answer === 22, String(answer));
    },
  },
  {
    promises: "a write moves mtime and ctime, a read nothing",
    given: { file: file("text", ANN) },
    check: async ({ ann }) => {
      await moves(ann, "file", ["mtime", "ctime"], () => ann.write("file", "TEXT"));
      await moves(ann, "file", [], () => ann.text("file"));
    },
  },
  {
    promises: "each write moves the times, however fast one comes after the other",
    given: { file: file("text", ANN) },
    check: async ({ ann }) => {
      const open = await ann.open("file", "modify");
      for (let n = 0; n < 50; n++) await moves(ann, "file", ["mtime", "ctime"], () => open.write(String(n)));
    },
  },
  {
    promises: "a read behind the end is of no bytes, and the end is told",
    given: { file: file("0123456789") },
    check: async ({ root, tree }) => {
      const { ino } = await root.lstat("file");
      const read = async (offset: number, length: number) => {
        const { count, eof } = await good(tree.read(root.who, ino, offset, new Uint8Array(length)));
        return [count, eof];
      };
      assert.deepEqual(
        [
          await read(0, 10),
          await read(0, 9),
          await read(8, 10),
          await read(10, 5),
          await read(1e12, 5),
          await read(0, 0),
        ],
        [
          [10, true],
          [9, false],
          [2, true],
          [0, true],
          [0, true],
          [0, false],
        ],
      );
    },
  },
  {
    promises: "a write behind the end leaves zeros in between",
    given: { file: file("abc") },
    check: async ({ root }) => {
      await root.write("file", "z", 5000);
      assert.equal(await root.text("file"), `abc${"\0".repeat(4997)}z`);
    },
  },
  {
    promises: "a write across the end of what was there, at every edge of a block",
    given: { file: file("x".repeat(8192)) },
    check: async ({ root }) => {
      let expected = "x".repeat(8192);
      for (const [at, length] of [
        [4095, 2],
        [4096, 1],
        [0, 4096],
        [8191, 1],
        [8191, 3],
        [4000, 5000],
        [12_288, 4096],
      ] as const) {
        const text = String.fromCharCode(97 + (at % 26)).repeat(length);
        await root.write("file", text, at);
        expected = expected.slice(0, at).padEnd(at, "\0") + text + expected.slice(at + length);
        assert.equal(await root.text("file"), expected, `${length} at ${at}`);
      }
    },
  },
  {
    promises: "a write of no bytes changes neither bytes nor size",
    given: { file: file("text") },
    check: async ({ root }) => {
      await root.write("file", "", 100);
      assert.equal(await root.text("file"), "text");
    },
  },
  {
    promises: "an unstable write is read back before and after COMMIT",
    given: { file: file("text") },
    check: async ({ root, tree }) => {
      const open = await root.open("file", "modify");
      await open.write("TEXT and more", 0, STABLE.unstable);
      assert.equal(await root.text("file"), "TEXT and more");
      await good(tree.commit(open.ino, 0, 0));
      assert.equal(await root.text("file"), "TEXT and more");
    },
  },
  {
    promises: "a megabyte in one write, and in one read",
    given: { file: file() },
    check: async ({ root }) => {
      const bytes = Uint8Array.from({ length: 1 << 20 }, (_, i) => (i * 7 + (i >> 8)) & 255);
      const open = await root.open("file", "read", "modify");
      await open.write(bytes, 0, STABLE.unstable);
      assert.ok(Buffer.from(bytes).equals(await open.read(0, 1 << 20)));
    },
  },
  {
    promises: "a write far out makes a file of that size and of a few blocks",
    given: { file: file() },
    check: async ({ root }) => {
      await root.write("file", "far", 2 ** 33);
      const { size, used } = await root.lstat("file");
      assert.equal(size, 2 ** 33 + 3);
      assert.ok(used <= 1 << 20, `${used} bytes on the disk`);
      assert.equal(Buffer.from(await (await root.open("file")).read(2 ** 33 - 2, 5)).toString(), "\0\0far");
    },
  },
  {
    promises: "what a file takes on the disk grows with what is written to it",
    given: { file: file() },
    check: async ({ root }) => {
      assert.equal((await root.lstat("file")).used, 0);
      await root.write("file", new Uint8Array(100_000).fill(1));
      const { used } = await root.lstat("file");
      assert.ok(used >= 100_000 && used < 200_000, String(used));
    },
  },
]);
