import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { FILE_KIND, type FileKind } from "../../wire/nfs/tree.ts";
import { decodeChange, encodeChange, type TreeChange } from "./changes.ts";

const number = fc.oneof(fc.nat(300), fc.nat(), fc.maxSafeNat());
const text = (maxLength: number) =>
  fc.uint8Array({ maxLength }).map((bytes) => String.fromCharCode(...bytes));
const bytes = fc.uint8Array({ maxLength: 3000 });
const time = fc.record({ s: fc.integer(), ns: fc.nat(999_999_999) });
const u32 = fc.nat({ max: 2 ** 32 - 1 });

const change: fc.Arbitrary<TreeChange> = fc.oneof(
  fc.record({
    kind: fc.constant("inode" as const),
    inode: fc.record({
      ino: number,
      kind: fc.constantFrom<FileKind[]>(...Object.values(FILE_KIND)),
      mode: fc.nat(0o7777),
      nlink: u32,
      uid: u32,
      gid: u32,
      size: number,
      used: fc.constant(0),
      major: u32,
      minor: u32,
      atime: time,
      mtime: time,
      ctime: time,
      parent: number,
      target: text(4095),
      verifier: text(8),
      limit: number,
      imageUsed: number,
      blocks: fc.constant(0),
    }),
  }),
  fc.record({ kind: fc.constant("gone" as const), ino: number }),
  fc.record({
    kind: fc.constant("entry" as const),
    directory: number,
    name: text(255),
    ino: number,
    cookie: number,
  }),
  fc.record({ kind: fc.constant("mapped" as const), ino: number, from: number, to: number }),
  fc.record({ kind: fc.constant("data" as const), ino: number, offset: number, bytes }),
  fc.record({ kind: fc.constant("reply" as const), key: text(60), bytes }),
  fc.record({ kind: fc.constant("next" as const), ino: number, cookie: number }),
);

test("any change survives encodeChange() and decodeChange()", () => {
  fc.assert(
    fc.property(change, (wanted) => {
      assert.deepEqual(decodeChange(encodeChange(wanted)), structuredClone(wanted));
    }),
  );
});

test("decodeChange() refuses a change that is cut anywhere, and one with a tail", () => {
  fc.assert(
    fc.property(change, fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), (whole, part) => {
      const encoded = encodeChange(whole);
      const cut = encoded.subarray(0, Math.floor(encoded.length * part));
      assert.throws(() => decodeChange(cut), { code: "FORMAT_VALUE" });
      assert.throws(() => decodeChange(Uint8Array.of(...encoded, 0)), { code: "FORMAT_VALUE" });
    }),
  );
});

test("decodeChange() makes a change or FORMAT_VALUE of any bytes", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(9), (rest, kind) => {
      try {
        decodeChange(Uint8Array.of(kind, ...rest));
      } catch (error) {
        assert.equal((error as { code?: string }).code, "FORMAT_VALUE");
      }
    }),
  );
});

test("encodeChange() gives bytes of their own: the next change leaves them alone", () => {
  const first = encodeChange({ kind: "gone", ino: 77 });
  const before = first.slice();
  encodeChange({ kind: "gone", ino: 2 ** 40 });
  assert.deepEqual(first, before);
});
