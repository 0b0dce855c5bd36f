import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { XdrReader, XdrWriter } from "../xdr.ts";
import { CHANGE_BYTES, POST_BYTES, writeChange, writePost } from "./attributes.ts";
import { refuseBare } from "./procedure.ts";
import { type AnyProcedure, PROCEDURES } from "./procedures.ts";
import { STATUS } from "./status.ts";
import type { Attributes } from "./tree.ts";

const rows = PROCEDURES.flatMap((procedure, number) => (procedure ? [{ procedure, number }] : []));
const decode = (procedure: AnyProcedure, bytes: Uint8Array) => procedure.decode(new XdrReader().over(bytes));

test("the table has the 22 procedures of RFC 1813, each at its number", () => {
  assert.equal(PROCEDURES.length, 22);
  assert.deepEqual(
    rows.map(({ procedure }) => procedure.name),
    "GETATTR SETATTR LOOKUP ACCESS READLINK READ WRITE CREATE MKDIR SYMLINK MKNOD REMOVE RMDIR RENAME LINK READDIR READDIRPLUS FSSTAT FSINFO PATHCONF COMMIT".split(
      " ",
    ),
  );
  const once = rows.filter(({ procedure }) => procedure.effect === "once").map(({ number }) => number);
  assert.deepEqual(once, [2, 8, 9, 10, 11, 12, 13, 14, 15]);
});

test("any bytes are arguments or a BrambleError, and ask for no more room than a reply may have", () => {
  const bytes = fc.uint8Array({ maxLength: 300, size: "max" });
  for (const { procedure } of rows)
    fc.assert(
      fc.property(bytes, fc.array(fc.constantFrom(0, 0, 0, 1, 2, 255), { maxLength: 300 }), (any, small) => {
        for (const given of [any, new Uint8Array(small)]) {
          let args: unknown;
          try {
            args = decode(procedure, given);
          } catch (error) {
            assert.match((error as { code: string }).code, /^WIRE_/, procedure.name);
            continue;
          }
          assert.ok(procedure.room(args) <= (1 << 20) + 512, procedure.name);
        }
      }),
    );
});

test("arguments that are cut anywhere are garbage, not less", () => {
  const w = new XdrWriter().into(new Uint8Array(256));
  w.text("name").u32(1); // GUARDED
  w.bool(true).u32(0o644).bool(true).u32(1).bool(true).u32(2).bool(true).u64(9).u32(2).u32(1).u32(2).u32(1);
  const whole = w.bytes.subarray(0, w.at);
  const create = PROCEDURES[8] as AnyProcedure;
  assert.deepEqual(decode(create, whole), {
    name: "name",
    how: {
      how: "guarded",
      set: { mode: 0o644, uid: 1, gid: 2, size: 9, atime: { s: 1, ns: 2 }, mtime: "server" },
    },
  });
  for (let length = 0; length < whole.length; length++)
    assert.throws(() => decode(create, whole.subarray(0, length)), { code: "WIRE_SHORT" });
});

test("choices that RFC 1813 does not know are garbage; a kind that MKNOD does not make is left to be refused", () => {
  const words = (...list: number[]) => {
    const w = new XdrWriter().into(new Uint8Array(128));
    for (const word of list) w.u32(word);
    return w.bytes;
  };
  const bad: [number, Uint8Array][] = [
    [2, words(0, 0, 0, 0, 3)], // time_how
    [2, words(0, 0, 0, 0, 2, 0, 1_000_000_000)], // nanoseconds
    [7, words(0, 0, 0, 3)], // stable_how
    [7, words(0, 0, 0, 0, (1 << 20) + 1)], // more than wtmax
    [8, words(1, 0x61000000, 3)], // createmode
  ];
  for (const [number, bytes] of bad)
    assert.throws(() => decode(PROCEDURES[number] as AnyProcedure, bytes), { code: "WIRE_VALUE" });
  for (const kind of [0, 1, 2, 5, 8, 0xffff_ffff]) {
    const args = decode(PROCEDURES[11] as AnyProcedure, words(1, 0x61000000, kind)) as { node: unknown };
    assert.equal(args.node, undefined);
  }
});

test("a refusal has the shape of its procedure, so that the client finds the end", () => {
  const bytes = { nothing: 0, attributes: 4, change: 8, "two changes": 16, "attributes and change": 12 };
  for (const { procedure } of rows) {
    const w = new XdrWriter().into(new Uint8Array(64).fill(0xff));
    refuseBare(w, procedure.refusal, STATUS.STALE);
    assert.equal(w.at, 4 + bytes[procedure.refusal], procedure.name);
    assert.ok(w.bytes.subarray(4, w.at).every((byte) => byte === 0));
  }
});

test("attributes keep 64 bits and what a time cannot be is brought to the end of the scale", () => {
  const time = { s: -5, ns: 7 };
  const a: Attributes = {
    ino: 2 ** 40 + 3,
    kind: 1,
    mode: 0o4755,
    nlink: 2,
    uid: 1,
    gid: 2,
    size: 2 ** 43 + 1,
    used: 4096,
    major: 8,
    minor: 1,
    atime: time,
    mtime: { s: 2 ** 33, ns: 1 },
    ctime: { s: 9, ns: 10 },
  };
  const w = new XdrWriter().into(new Uint8Array(512));
  writePost(w, a, 7);
  assert.equal(w.at, POST_BYTES);
  const r = new XdrReader().over(w.bytes);
  assert.deepEqual(
    Array.from({ length: 6 }, () => r.u32()),
    [1, 1, 0o4755, 2, 1, 2],
  );
  assert.deepEqual([r.u64(), r.u64(), r.u32(), r.u32(), r.u64(), r.u64()], [a.size, 4096, 8, 1, 7, a.ino]);
  assert.deepEqual(
    Array.from({ length: 6 }, () => r.u32()),
    [0, 7, 0xffff_ffff, 1, 9, 10],
  );
  writeChange(w.into(w.bytes, 0), { before: a, after: a }, 7);
  assert.equal(w.at, CHANGE_BYTES);
});
