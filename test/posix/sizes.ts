// What truncate() and ftruncate() have in common.
import assert from "node:assert/strict";
import { directory, file } from "./given.ts";
import { refuses, type User } from "./user.ts";
import { ANN, type Case, moves } from "./world.ts";

const LENGTH = 20_000;
const BYTES = Uint8Array.from({ length: LENGTH }, (_, i) => 1 + ((i * 31 + (i >> 7)) % 255));
const text = (bytes: Uint8Array) => Buffer.from(bytes).toString("latin1");
type A = { ann: User };

/** From how long to how long. */
const CHANGES = [
  [0, 0],
  [0, 1],
  [1, 0],
  [4095, 4097],
  [4096, 4095],
  [4097, 4096],
  [LENGTH, 12_345],
  [12_345, LENGTH],
  [LENGTH, 0],
  [8192, 100_000],
] as const;

/** `cut` sets a file's size, by whatever call. */
export function cuts(
  verb: string,
  cut: (user: User, path: string, size: number) => Promise<unknown>,
): Case[] {
  return [
    ...CHANGES.map(([from, to]) => ({
      promises: `${verb} from ${from} to ${to} bytes keeps what is common, the rest is zeros`,
      given: { file: file(BYTES.subarray(0, from), ANN) },
      check: async ({ ann }: A) => {
        await cut(ann, "file", to);
        assert.equal((await ann.lstat("file")).size, to);
        const kept = text(BYTES.subarray(0, Math.min(from, to)));
        assert.ok((await ann.text("file")) === kept.padEnd(to, "\0"));
      },
    })),
    ...[0, 1, 4095, 4096, 5000, 8192].map((size) => ({
      promises: `${verb} to ${size} bytes and out again: nothing of before comes back`,
      given: { file: file(BYTES, ANN) },
      check: async ({ ann }: A) => {
        await cut(ann, "file", size);
        await cut(ann, "file", LENGTH);
        assert.ok((await ann.text("file")) === text(BYTES.subarray(0, size)).padEnd(LENGTH, "\0"));
      },
    })),
    ...[1, 4096, 5000].map((size) => ({
      promises: `${verb} to ${size} bytes, then a write behind it: between them zeros`,
      given: { file: file(BYTES, ANN) },
      check: async ({ ann }: A) => {
        await cut(ann, "file", size);
        await ann.write("file", "!", 15_000);
        assert.ok((await ann.text("file")) === `${text(BYTES.subarray(0, size)).padEnd(15_000, "\0")}!`);
      },
    })),
    {
      promises: `${verb} in the middle of what was written moments ago`,
      given: { file: file(BYTES, ANN) },
      check: async ({ ann }) => {
        await ann.write("file", "w".repeat(9000), 3000);
        await cut(ann, "file", 7000);
        await cut(ann, "file", 13_000);
        const expected = text(BYTES.subarray(0, 3000)) + "w".repeat(4000) + "\0".repeat(6000);
        assert.ok((await ann.text("file")) === expected);
      },
    },
    {
      promises: `${verb} to less takes fewer blocks, to 0 none`,
      given: { file: file(BYTES, ANN) },
      check: async ({ ann }) => {
        await ann.write("file", "x".repeat(100_000));
        const { used } = await ann.lstat("file");
        await cut(ann, "file", 4096);
        const less = (await ann.lstat("file")).used;
        assert.ok(less < used, `${less} of ${used}`);
        await cut(ann, "file", 0);
        assert.equal((await ann.lstat("file")).used, 0);
      },
    },
    {
      promises: `${verb} moves mtime and ctime`,
      given: { file: file(BYTES, ANN) },
      check: ({ ann }) => moves(ann, "file", ["mtime", "ctime"], () => cut(ann, "file", 123)),
    },
    {
      promises: `${verb} of a file of another that may be written works, and leaves its owner and mode`,
      given: { file: file(BYTES, { ...ANN, mode: 0o622 }) },
      check: async ({ eve }) => {
        await cut(eve, "file", 5);
        const { size, uid, mode } = await eve.lstat("file");
        assert.deepEqual([size, uid, mode], [5, ANN.uid, 0o622]);
      },
    },
    {
      promises: `${verb} by another takes set-user-id and set-group-id away`,
      given: { file: file(BYTES, { ...ANN, mode: 0o6777 }) },
      check: async ({ eve }) => {
        await cut(eve, "file", 5);
        assert.equal((await eve.lstat("file")).mode, 0o777);
      },
    },
    {
      promises: `${verb} out to more than any disk has is refused, or makes a file of that size; the bytes stay`,
      given: { file: file("text", ANN) },
      check: async ({ ann }) => {
        const said = await cut(ann, "file", 2 ** 52).then(
          () => "",
          (error: Error) => error.message,
        );
        assert.match(said, /^$|FBIG|INVAL|NOSPC/);
        const open = await ann.open("file", "read");
        assert.equal(text(await open.read(0, 4)), "text");
        assert.equal((await open.stat()).size, said === "" ? 2 ** 52 : 4);
      },
    },
    {
      promises: `${verb} of a folder is refused`,
      given: { folder: directory(ANN) },
      check: ({ ann }) => refuses(["ISDIR", "INVAL"], cut(ann, "folder", 0)),
    },
  ];
}
