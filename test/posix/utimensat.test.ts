import assert from "node:assert/strict";
import { walks } from "./common.ts";
import { EACH, file, KINDS } from "./given.ts";
import { refuses, type User } from "./user.ts";
import { ANN, type Case, group, moves, ns } from "./world.ts";

const TIMES = [
  { s: 0, ns: 0 },
  { s: 1, ns: 1 },
  { s: 1_700_000_000, ns: 999_999_999 },
  { s: 2_147_483_647, ns: 123_456_789 },
  { s: 2_147_483_648, ns: 5 },
  { s: 4_294_967_295, ns: 0 },
];
const [OLD, NEW] = [
  { s: 1_000_000_000, ns: 7 },
  { s: 1_500_000_000, ns: 8 },
] as const;

group("utimensat", [
  ...walks("utimensat()", (user, path) => user.set(path, { mtime: "server" })),
  {
    promises: "utimensat() of a name that is not there says NOENT",
    check: ({ root }) => refuses("NOENT", root.set("name", { mtime: "server" })),
  },
  ...KINDS.flatMap((kind): Case[] => [
    ...TIMES.map((time) => ({
      promises: `utimensat() sets ${time.s}.${time.ns} on a ${kind}, to the nanosecond`,
      given: { it: EACH[kind]({ ...ANN }) },
      check: async ({ ann }: { ann: User }) => {
        await ann.lset("it", { atime: time, mtime: { ...time, ns: (time.ns + 1) % 1_000_000_000 } });
        const { atime, mtime } = await ann.lstat("it");
        assert.deepEqual([atime, mtime], [time, { ...time, ns: (time.ns + 1) % 1_000_000_000 }]);
      },
    })),
    {
      promises: `utimensat() of a ${kind} with UTIME_OMIT leaves the other time, and moves ctime to now`,
      given: { it: EACH[kind]({ ...ANN }) },
      check: async ({ ann }) => {
        await ann.lset("it", { atime: OLD, mtime: OLD });
        await moves(ann, "it", ["atime", "ctime"], () => ann.lset("it", { atime: NEW }));
        await moves(ann, "it", ["mtime", "ctime"], () => ann.lset("it", { mtime: NEW }));
        const { atime, mtime, ctime } = await ann.lstat("it");
        assert.deepEqual([atime, mtime], [NEW, NEW]);
        assert.ok(ctime.s > 1_600_000_000, "ctime is the server's own");
      },
    },
    {
      promises: `utimensat() of a ${kind} with UTIME_NOW sets the server's time`,
      given: { it: EACH[kind]({ ...ANN }) },
      check: async ({ ann }) => {
        await ann.lset("it", { atime: OLD, mtime: OLD });
        await ann.lset("it", { atime: "server", mtime: "server" });
        const { atime, mtime, ctime } = await ann.lstat("it");
        assert.equal(ns(atime), ns(mtime));
        assert.ok(ctime.s - mtime.s <= 1 && mtime.s > 1_600_000_000);
      },
    },
    {
      promises: `utimensat() of another's ${kind} to given times says PERM, though it may be written`,
      given: { it: EACH[kind]({ ...ANN, mode: 0o777 }) },
      check: async ({ eve }) => {
        await moves(eve, "it", [], () => refuses(["PERM", "ACCES"], eve.lset("it", { mtime: OLD })));
      },
    },
    ...(kind === "symlink"
      ? []
      : [
          {
            promises: `utimensat() of another's ${kind} to now works for who may write it`,
            given: { it: EACH[kind]({ ...ANN, mode: 0o666 }) },
            check: async ({ eve }: { eve: User }) => {
              await moves(eve, "it", ["atime", "mtime", "ctime"], () =>
                eve.lset("it", { atime: "server", mtime: "server" }),
              );
            },
          },
          {
            promises: `utimensat() of another's ${kind} to now says ACCES to who may not write it`,
            given: { it: EACH[kind]({ ...ANN, mode: 0o755 }) },
            check: async ({ eve }: { eve: User }) => {
              const now = { atime: "server", mtime: "server" } as const;
              await moves(eve, "it", [], () => refuses(["ACCES", "PERM"], eve.lset("it", now)));
            },
          },
        ]),
  ]),
  {
    promises: "utimensat() of one's own file that may not be written works",
    given: { file: file("", { ...ANN, mode: 0 }) },
    check: ({ ann }) => ann.set("file", { atime: OLD, mtime: NEW }),
  },
  {
    promises: "utimensat() of any file works for root",
    given: { file: file("", { ...ANN, mode: 0 }) },
    check: async ({ root }) => {
      await root.set("file", { atime: OLD, mtime: NEW });
      assert.deepEqual((await root.lstat("file")).mtime, NEW);
    },
  },
  {
    promises: "times that were set stay through rename, link and chmod, until the next write",
    given: { file: file("text", ANN) },
    check: async ({ ann }) => {
      await ann.set("file", { atime: OLD, mtime: OLD });
      await ann.rename("file", "moved");
      await ann.link("moved", "other");
      await ann.chmod("moved", 0o600);
      assert.deepEqual((await ann.lstat("moved")).mtime, OLD);
      await ann.write("moved", "x");
      const { atime, mtime } = await ann.lstat("moved");
      assert.deepEqual(atime, OLD);
      assert.ok(ns(mtime) > ns(OLD));
    },
  },
]);
