import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { decodeHeader, encodeHeader, INCOMPATIBLE, type Qcow2Header, refusal } from "./qcow2.ts";
import { decodeL2, decodeOffsets, encodeL2, encodeOffset, geometry } from "./qcow2-tables.ts";

const plain: Qcow2Header = {
  ...{ version: 3, clusterBits: 16, size: 2 ** 35, l1Entries: 128, l1Offset: 3 * 65536 },
  ...{ refcountTableOffset: 65536, refcountTableClusters: 1, refcountOrder: 4, snapshots: 0 },
  ...{ cryptMethod: 0, compressionType: 0, compatible: 0n, autoclear: 0n },
  incompatible: INCOMPATIBLE.extendedL2,
  backing: { file: "../images/übung.img", format: "raw" },
  extensions: [{ type: 0x42524d42, bytes: Uint8Array.of(1, 2, 3) }],
};

test("decodeHeader() reads what encodeHeader() wrote", () => {
  assert.deepEqual(decodeHeader(encodeHeader(plain)), plain);
  const bare = { ...plain, extensions: [] };
  delete bare.backing;
  assert.deepEqual(decodeHeader(encodeHeader(bare)), bare);
});

test("decodeHeader() gives a header or a BrambleError for any bytes, also behind the magic", () => {
  const good = encodeHeader(plain);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(200), fc.boolean(), (noise, at, mix) => {
      const bytes = mix ? good.slice() : noise;
      if (mix) bytes.set(noise.subarray(0, Math.max(0, bytes.length - at)), Math.min(at, bytes.length));
      try {
        decodeHeader(bytes);
      } catch (error) {
        assert.equal((error as Error).name, "BrambleError", String(error));
      }
    }),
  );
});

test("refusal() names the feature that we lack", () => {
  const rows: [Partial<Qcow2Header>, RegExp, { write: boolean }][] = [
    [{ cryptMethod: 2 }, /LUKS/, { write: false }],
    [{ cryptMethod: 1 }, /AES/, { write: false }],
    [{ incompatible: INCOMPATIBLE.dataFile }, /data file/, { write: false }],
    [{ incompatible: INCOMPATIBLE.compression, compressionType: 1 }, /zstd/, { write: false }],
    [{ snapshots: 1 }, /snapshots/, { write: false }],
    [{ incompatible: 1n << 40n }, /unknown incompatible features 0x10000000000/, { write: false }],
    [{ backing: { file: "x" } }, /without its format/, { write: false }],
    [{ incompatible: INCOMPATIBLE.corrupt }, /corrupt/, { write: true }],
    [{ version: 2 }, /version 2/, { write: true }],
    [{ refcountOrder: 3 }, /8 bits/, { write: true }],
    [{ autoclear: 1n }, /bitmaps/, { write: true }],
  ];
  for (const [change, words, how] of rows) {
    assert.match(refusal({ ...plain, ...change }, how) ?? "nothing", words);
    if (how.write) assert.equal(refusal({ ...plain, ...change }, { write: false }), undefined);
  }
  assert.equal(refusal(plain, { write: true }), undefined);
});

test("a header with absurd tables is refused before anything is allocated", () => {
  for (const change of [
    { clusterBits: 8 },
    { clusterBits: 22 },
    { l1Entries: 2 ** 31 },
    { l1Entries: 1 },
    { refcountTableClusters: 2 ** 20 },
    { l1Offset: 1000 },
    { refcountOrder: 7 },
  ])
    assert.throws(() => decodeHeader(encodeHeader({ ...plain, ...change })), { code: "FORMAT_VALUE" });
});

/** Any entry that the format allows survives both ways, plain or with subclusters. */
for (const extended of [true, false])
  test(`L2 tables survive, ${extended ? "with subclusters" : "plain"}`, () => {
    const g = geometry(16, extended);
    const states = fc.array(fc.tuple(fc.nat(2 ** 31), fc.nat(2 ** 32 - 1), fc.nat(2 ** 32 - 1)), {
      maxLength: 40,
    });
    fc.assert(
      fc.property(states, (entries) => {
        const table = tableOf(g.entries);
        for (const [i, [host, alloc, zero]] of entries.entries()) {
          table.host[i] = host;
          table.zero[i] = extended ? zero : zero & 1;
          table.alloc[i] = host === 0 ? 0 : extended ? alloc & ~zero : ~zero & 1;
        }
        const again = tableOf(g.entries);
        decodeL2(encodeL2(table, g, { from: 0, to: g.entries }), g, again);
        assert.deepEqual(again, table);
      }),
    );
  });

const tableOf = (entries: number) => ({
  host: new Uint32Array(entries),
  alloc: new Uint32Array(entries),
  zero: new Uint32Array(entries),
});

test("L2 entries that cannot be are refused", () => {
  const g = geometry(16, true);
  const entry = (words: number[]) => {
    const bytes = new Uint8Array(g.clusterSize);
    for (const [i, word] of words.entries()) new DataView(bytes.buffer).setUint32(i * 4, word);
    return () => decodeL2(bytes, g, tableOf(g.entries));
  };
  assert.throws(entry([0x80000000, 0x10000, 1, 1]), { code: "FORMAT_VALUE" }); // data and zero at once
  assert.throws(entry([0, 0, 0, 1]), { code: "FORMAT_VALUE" }); // data nowhere
  assert.throws(entry([0x80000000, 0x10200, 0, 1]), { code: "FORMAT_VALUE" }); // within a cluster
  entry([0x80000000, 0x10000, 2, 1])();
});

test("offsets survive beyond 4 GiB, with and without the copied flag", () => {
  for (const offset of [0, 65536, 2 ** 32, 2 ** 40 + 65536])
    for (const copied of [true, false])
      assert.deepEqual([...decodeOffsets(encodeOffset(offset, copied), 65536)], [offset]);
});
