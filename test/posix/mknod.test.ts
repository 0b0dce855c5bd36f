import assert from "node:assert/strict";
import { makes, owns } from "./common.ts";
import { EACH, KIND_NUMBER, type Kind } from "./given.ts";
import { refuses, type User } from "./user.ts";
import { ANN, type Case, group } from "./world.ts";

type Device = "block" | "character";
const DEVICES: Device[] = ["block", "character"];
const NUMBERS = [
  [0, 0],
  [8, 17],
  [255, 255],
  [259, 65_536],
  [4095, 1_048_575],
] as const;

group("mknod", [
  ...DEVICES.flatMap((kind) =>
    makes(`mknod() of a ${kind}`, (user, path) => user.mknod(path, kind, { mode: 0o600 }, [8, 17])),
  )
    // whom it is refused to is another case
    .filter(({ promises }) => !/may not be (written|searched)|and not searched/.test(promises)),
  ...makes("mknod() of a socket", (user, path) => user.mknod(path, "socket", { mode: 0o600 })),
  ...owns("mknod() of a socket", (user, path) => user.mknod(path, "socket", { mode: 0o600 })),
  ...DEVICES.flatMap((kind): Case[] => [
    ...NUMBERS.map((numbers) => ({
      promises: `mknod() of a ${kind} keeps its numbers ${numbers.join(":")} and its mode`,
      check: async ({ root }: { root: User }) => {
        await root.mknod("device", kind, { mode: 0o640 }, [...numbers]);
        const { kind: got, major, minor, mode, size, nlink } = await root.lstat("device");
        assert.deepEqual(
          [got, major, minor, mode, size, nlink],
          [KIND_NUMBER[kind], ...numbers, 0o640, 0, 1],
        );
      },
    })),
    {
      promises: `mknod() of a ${kind} is root's alone`,
      check: async ({ ann }) => {
        await refuses("PERM", ann.mknod("device", kind, { mode: 0o600 }, [8, 17]));
        assert.equal(await ann.isThere("device"), false);
      },
    },
    {
      promises: `a ${kind} that was there has its numbers`,
      given: { device: EACH[kind]() },
      check: async ({ eve }) => {
        const { kind: got, major, minor } = await eve.lstat("device");
        assert.deepEqual([got, major, minor], [KIND_NUMBER[kind], ...(kind === "block" ? [8, 17] : [4, 64])]);
      },
    },
  ]),
  ...(["file", "directory", "symlink"] as Kind[]).map((kind) => ({
    promises: `MKNOD of a ${kind} says BADTYPE`,
    check: async ({ root }: { root: User }) => {
      await refuses("BADTYPE", root.mknod("it", kind, { mode: 0o644 }));
      assert.equal(await root.isThere("it"), false);
    },
  })),
  ...(["block", "character", "fifo", "socket"] as Kind[]).map((kind) => ({
    promises: `a read of a ${kind} over the wire is refused, a write too: it is the client's to open`,
    given: { it: EACH[kind]({ ...ANN, mode: 0o666 }) },
    check: async ({ ann, tree }: { ann: User; tree: User["tree"] }) => {
      const { ino } = await ann.lstat("it");
      assert.equal(await tree.read(ann.who, ino, 0, new Uint8Array(4)), 22);
      assert.equal(await tree.write(ann.who, ino, 0, new Uint8Array(4), 2), 22);
    },
  })),
]);
