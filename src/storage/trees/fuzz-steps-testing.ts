// For tests: what may be done to a tree, drawn by a die.
import fc from "fast-check";
import {
  type Credentials,
  FILE_KIND as K,
  type SetAttributes,
  STABLE,
  type Time,
} from "../../wire/nfs/tree.ts";

export const WHO: Credentials[] = [
  { uid: 0, gid: 0, gids: [] },
  { uid: 1000, gid: 1000, gids: [50] },
  { uid: 1001, gid: 1001, gids: [1000, 50] },
];
export const NAMES = [
  "a",
  "b",
  "c",
  "d",
  "image",
  "deep",
  "sparse",
  "\xff",
  "x".repeat(255),
  "..",
  ".",
  "",
  "a/b",
  "y".repeat(256),
];
export const KINDS = [K.block, K.character, K.socket, K.fifo, K.directory];

const who = fc.oneof({ weight: 4, arbitrary: fc.constant(0) }, { weight: 3, arbitrary: fc.nat(2) });
/** Which node of all that ever were: the ones that live are likelier. */
const node = fc.nat(10_000);
const name = fc.oneof(
  { weight: 12, arbitrary: fc.nat(7) },
  { weight: 1, arbitrary: fc.nat(NAMES.length - 1) },
);
const id = fc.constantFrom(0, 50, 1000, 1001);
const mode = fc.oneof(fc.constantFrom(0o777, 0o755, 0o644, 0o4755, 0o2771, 0o1777, 0), fc.nat(0o7777));
const time = fc.constantFrom<(Time | "server")[]>("server", { s: -5, ns: 7 });
const size = fc.oneof(fc.nat(20_000), fc.constantFrom(0, 4095, 4096, 4097, 8192, 12288, 300_000));
const set: fc.Arbitrary<SetAttributes> = fc.record(
  { mode, uid: id, gid: id, size, atime: time, mtime: time },
  { requiredKeys: [] },
);
const setNew = fc.record({ mode, uid: id, gid: id, size }, { requiredKeys: [] });
const stable = fc.constantFrom(STABLE.unstable, STABLE.unstable, STABLE.fileSync, STABLE.dataSync);

const one = <T extends string, R extends object>(op: T, parts: { [P in keyof R]: fc.Arbitrary<R[P]> }) =>
  fc.record({ op: fc.constant(op), who, node, name, ...parts }) as fc.Arbitrary<
    { op: T; who: number; node: number; name: number } & R
  >;

const step = fc.oneof(
  { weight: 3, arbitrary: one("create", { how: fc.constantFrom("unchecked", "guarded", "exclusive"), set: setNew, verifier: fc.nat(3) }) },
  { weight: 3, arbitrary: one("mkdir", { set: setNew }) },
  { weight: 1, arbitrary: one("symlink", { target: fc.constantFrom("a", "", "t".repeat(3000)) }) },
  { weight: 1, arbitrary: one("mknod", { kind: fc.nat(KINDS.length - 1), set: setNew }) },
  { weight: 3, arbitrary: one("remove", {}) },
  { weight: 2, arbitrary: one("rmdir", {}) },
  { weight: 5, arbitrary: one("rename", { to: node, toName: name }) },
  { weight: 2, arbitrary: one("link", { to: node }) },
  { weight: 4, arbitrary: one("setattr", { set }) },
  { weight: 10, arbitrary: one("write", { at: size, length: fc.oneof(fc.nat(9000), fc.constantFrom(4096, 8192, 140_000)), fill: fc.integer({ min: 1, max: 255 }), stable }) },
  { weight: 4, arbitrary: one("read", { at: size, length: fc.nat(30_000) }) },
  { weight: 2, arbitrary: one("commit", {}) },
  { weight: 2, arbitrary: one("lookup", {}) },
  { weight: 1, arbitrary: one("access", {}) },
  { weight: 2, arbitrary: one("readdir", { few: fc.integer({ min: 1, max: 5 }) }) },
  { weight: 1, arbitrary: one("restart", {}) },
  { weight: 1, arbitrary: one("kill", { how: fc.constantFrom("kill", "power"), seed: fc.nat() }) },
  { weight: 2, arbitrary: one("trouble", { what: fc.constantFrom("cold" as const, "full" as const, "half" as const) }) },
); // biome-ignore format: a table
export type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

export const steps = (maxLength: number): fc.Arbitrary<Step[]> => fc.array(step, { maxLength, size: "max" });
