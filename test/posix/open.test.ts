import assert from "node:assert/strict";
import { STABLE } from "../../src/wire/nfs/tree.ts";
import { makes, owns } from "./common.ts";
import { directory, file, symlink } from "./given.ts";
import { good, type MAY, refuses, type User } from "./user.ts";
import { ANN, BOB, type Case, CREW, group } from "./world.ts";

const verifier = (byte: number) => new Uint8Array(8).fill(byte);
const guarded = (user: User, path: string) => user.create(path, { how: "guarded", set: { mode: 0o644 } });
let tries = 1;
const exclusive = (user: User, path: string) =>
  user.create(path, { how: "exclusive", verifier: verifier(tries++ % 200) });
type A = { ann: User };

/** Who may open a file of mode 0abc of Ann's and her group for what. */
const CLASSES = (
  [
    ["ann", 6],
    ["kim", 3],
    ["eve", 0],
  ] as const
).flatMap(([name, shift]) =>
  [0, 1, 2, 3, 4, 5, 6, 7].map(
    (bits): Case => ({
      promises: `open(): mode 0${(bits << shift).toString(8).padStart(3, "0")} lets ${{ ann: "the owner", kim: "the group", eve: "the others" }[name]} ${["do nothing", "execute", "write", "write and execute", "read", "read and execute", "read and write", "do all"][bits]}, and nobody else`,
      given: { file: file("text", { ...ANN, mode: bits << shift }) },
      async check(scene) {
        for (const who of ["ann", "kim", "eve"] as const) {
          const has = who === name ? bits : 0;
          for (const [bit, words] of [
            [4, ["read"]],
            [2, ["modify"]],
            [1, ["execute"]],
            [6, ["read", "modify"]],
          ] as [number, (keyof typeof MAY)[]][]) {
            const opening = scene[who].open("file", ...words);
            if ((has & bit) === bit) await opening;
            else await refuses("ACCES", opening);
          }
        }
      },
    }),
  ),
);

group("open", [
  ...makes("open(O_CREAT|O_EXCL) by GUARDED", guarded),
  ...makes("open(O_CREAT|O_EXCL) by EXCLUSIVE", exclusive),
  ...owns("open(O_CREAT)", guarded),
  ...CLASSES,
  ...[0o644, 0o151, 0o000, 0o1777, 0o4755].map((mode) => ({
    promises: `open(O_CREAT) with mode ${mode.toString(8)} makes an empty file of that mode`,
    check: async ({ ann }: A) => {
      await ann.create("file", { how: "guarded", set: { mode } });
      const { kind, mode: got, size, nlink, used } = await ann.lstat("file");
      assert.deepEqual([kind, got, size, nlink, used], [1, mode, 0, 1, 0]);
    },
  })),
  {
    promises: "EXCLUSIVE with the verifier of before is the same file; with another one it says EXIST",
    check: async ({ ann }) => {
      const { made } = await ann.create("file", { how: "exclusive", verifier: verifier(9) });
      const again = await ann.create("file", { how: "exclusive", verifier: verifier(9) });
      assert.equal(again.made.ino, made.ino);
      await refuses("EXIST", ann.create("file", { how: "exclusive", verifier: verifier(8) }));
      await refuses("EXIST", guarded(ann, "file"));
    },
  },
  {
    promises: "EXCLUSIVE over a file that was made without a verifier says EXIST, also with one of zeros",
    given: { file: file("x") },
    check: ({ root }) => refuses("EXIST", root.create("file", { how: "exclusive", verifier: verifier(0) })),
  },
  {
    promises: "what a client sets after EXCLUSIVE is set: mode, owner, times",
    check: async ({ ann }) => {
      await ann.create("file", { how: "exclusive", verifier: verifier(7) });
      await ann.set("file", { mode: 0o640, atime: "server", mtime: "server" });
      const { mode, uid, mtime, kind } = await ann.lstat("file");
      assert.deepEqual([mode, uid, kind], [0o640, 1001, 1]);
      assert.ok(mtime.s > 1_600_000_000, "no verifier shows in its times");
    },
  },
  {
    promises: "UNCHECKED over a file keeps the file and its bytes",
    given: { file: file("kept", { ...ANN, mode: 0o600 }) },
    check: async ({ ann }) => {
      const { ino } = await ann.lstat("file");
      const { made } = await ann.create("file", { how: "unchecked", set: { mode: 0o644 } });
      assert.equal(made.ino, ino);
      assert.equal(await ann.text("file"), "kept");
    },
  },
  {
    promises: "UNCHECKED over a file with a size of 0 cuts it (O_TRUNC)",
    given: { file: file("gone", { ...ANN }) },
    check: async ({ ann }) => {
      await ann.create("file", { how: "unchecked", set: { mode: 0o644, size: 0 } });
      assert.equal((await ann.lstat("file")).size, 0);
    },
  },
  {
    promises: "UNCHECKED over a file of another with a size of 0 says ACCES, and the bytes stay",
    given: { file: file("kept", { ...ANN }) },
    check: async ({ eve, root }) => {
      await refuses(["ACCES", "PERM"], eve.create("file", { how: "unchecked", set: { size: 0 } }));
      assert.equal(await root.text("file"), "kept");
    },
  },
  ...(["unchecked", "guarded"] as const).map((how) => ({
    promises: `${how.toUpperCase()} over a folder is refused`,
    given: { folder: directory() },
    check: ({ root }: { root: User }) => refuses(["EXIST", "ISDIR"], root.create("folder", { how, set: {} })),
  })),
  {
    promises: "a file in a folder that may not be searched cannot be opened, whatever its own mode",
    given: { folder: directory({ mode: 0o666 }), "folder/file": file("x", { mode: 0o777 }) },
    check: ({ ann }) => refuses("ACCES", ann.open("folder/file", "read")),
  },
  {
    promises: "a file in a folder that may be searched and not listed can be opened by its name",
    given: { folder: directory({ mode: 0o711 }), "folder/file": file("by name") },
    check: async ({ ann }) => {
      assert.equal(await ann.text("folder/file"), "by name");
      await refuses("ACCES", ann.list("folder"));
    },
  },
  {
    promises: "one's further groups count",
    given: { file: file("ours", { uid: 0, gid: CREW, mode: 0o060 }) },
    check: async ({ ann, bob, eve }) => {
      assert.equal(await ann.text("file"), "ours");
      await bob.write("file", "OURS");
      await refuses("ACCES", eve.text("file"));
    },
  },
  {
    promises: "an owner whose class may not is refused, though the others may",
    given: { file: file("", { ...ANN, mode: 0o077 }) },
    check: async ({ ann, eve }) => {
      await refuses("ACCES", ann.open("file", "read"));
      await eve.open("file", "read", "modify");
    },
  },
  {
    promises: "a group whose class may not is refused, though the others may",
    given: { file: file("", { ...ANN, mode: 0o707 }) },
    check: async ({ kim, eve }) => {
      await refuses("ACCES", kim.open("file", "read"));
      await eve.open("file", "read");
    },
  },
  {
    promises: "root reads and writes everything, and executes only what somebody may execute",
    given: { file: file("x", { ...ANN, mode: 0 }), program: file("x", { ...ANN, mode: 0o001 }) },
    check: async ({ root }) => {
      await root.open("file", "read", "modify");
      await refuses("ACCES", root.open("file", "execute"));
      await root.open("program", "execute");
    },
  },
  {
    promises: "who opened a file reads and writes it after its mode has gone: the owner's due",
    given: { file: file("text", ANN) },
    check: async ({ ann }) => {
      const open = await ann.open("file", "read", "modify");
      await ann.chmod("file", 0);
      await open.write("TE");
      assert.equal(Buffer.from(await open.read(0, 4)).toString(), "TExt");
    },
  },
  {
    promises: "a write by who may not write says ACCES over the wire too, and nothing is written",
    given: { file: file("text", { ...ANN, mode: 0o644 }) },
    check: async ({ eve, tree }) => {
      const { ino } = await eve.lstat("file");
      assert.equal(await tree.write(eve.who, ino, 0, new Uint8Array(4), STABLE.fileSync), 13);
      assert.equal(await eve.text("file"), "text");
    },
  },
  {
    promises:
      "a read by who may not read says ACCES over the wire too; who may execute may read (a program starts)",
    given: { file: file("text", { ...ANN, mode: 0o600 }), program: file("text", { ...ANN, mode: 0o711 }) },
    check: async ({ eve, tree }) => {
      const into = new Uint8Array(4);
      assert.equal(await tree.read(eve.who, (await eve.lstat("file")).ino, 0, into), 13);
      assert.equal((await good(tree.read(eve.who, (await eve.lstat("program")).ino, 0, into))).count, 4);
    },
  },
  {
    promises: "a symlink leads to a file that is opened by it",
    given: { file: file("led", BOB), way: symlink("file") },
    check: async ({ eve }) => assert.equal(await eve.text("way"), "led"),
  },
]);
