import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import zlib from "node:zlib";
import fc from "fast-check";
import { needs, run, which } from "../../../test/tools.ts";
import { packingOf, peek } from "./detect.ts";
import { program, throughProgram } from "./through.ts";
import { unpack } from "./unpack.ts";
import { Xxh64 } from "./xxh64.ts";
import { openXz, type XzBy } from "./xz.ts";
import { openZip } from "./zip.ts";
import { openZstd, type ZstdBy } from "./zstd.ts";

/** Like a disk image: noise, nothing, repetition; and "YZ", the end of an xz footer, in many places. */
const RAW = Buffer.concat([
  noise(300_000),
  Buffer.alloc(1_500_000),
  Buffer.from("YZabcdYYZ".repeat(60_000)),
  noise(200_003),
]);

function noise(size: number): Buffer {
  const out = Buffer.alloc(size);
  for (let i = 0, x = 12345; i < size; i++) {
    x = (Math.imul(x, 1103515245) + 12345) >>> 0;
    out[i] = x >>> 16;
  }
  return out;
}

async function* cut(bytes: Uint8Array, size = 65_536): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function all(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of chunks) parts.push(Buffer.from(part));
  return Buffer.concat(parts);
}

const sum = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");
const pipe = (tool: string, args: string[], input: Uint8Array): Buffer =>
  Buffer.from(run(tool, args, { input, encoding: "latin1" } as { input: Uint8Array }), "latin1");

function flipped(bytes: Uint8Array, at: number): Buffer {
  const copy = Buffer.from(bytes);
  copy[at] = (copy[at] ?? 0) ^ 4;
  return copy;
}

const XZ_WAYS: XzBy[] = ["program", "native", "wasm"];
for (const by of XZ_WAYS) {
  test(`openXz() by ${by} unpacks several blocks, streams and padding, and refuses damage`, async (t) => {
    if (!needs(t, "xz", "xz-utils")) return;
    const blocks = pipe("xz", ["-c", "-0", "--block-size=65536", "-T2"], RAW);
    const first = pipe("xz", ["-c", "-0"], RAW.subarray(0, 1_000_000));
    const streams = Buffer.concat([
      first,
      Buffer.alloc(8),
      pipe("xz", ["-c", "-0", "-Ccrc32"], RAW.subarray(1_000_000)),
      Buffer.alloc(4),
    ]);
    for (const good of [blocks, streams]) {
      assert.equal(sum(await all(openXz(cut(good), by))), sum(RAW));
      assert.equal(sum(await all(openXz(cut(good, 7001), by))), sum(RAW));
    }
    const bad = {
      "cut in the index": blocks.subarray(0, -20),
      "cut in a block": blocks.subarray(0, 200_000),
      "cut in the second stream": streams.subarray(0, first.length + 8 + 5000),
      "one bit": flipped(blocks, 150_000),
      "one bit in the padding": flipped(streams, streams.length - 2),
      "other bytes behind": Buffer.concat([blocks, Buffer.from("garbage!")]),
    };
    for (const [what, bytes] of Object.entries(bad)) {
      await assert.rejects(all(openXz(cut(bytes), by)), `${what} went unnoticed`);
    }
  });
}

test("openXz() by native code sees the end of a stream however the bytes are cut", async (t) => {
  if (!needs(t, "xz", "xz-utils")) return;
  const one = pipe("xz", ["-c", "-0"], Buffer.from("first YZ"));
  const two = Buffer.concat([one, pipe("xz", ["-c", "-0"], Buffer.from(" second"))]);
  for (const size of [1, 2, 3, one.length - 1, one.length, one.length + 1]) {
    assert.equal((await all(openXz(cut(two, size), "native"))).toString(), "first YZ second");
  }
});

const ZSTD_WAYS: ZstdBy[] = ["program", "zlib", "javascript"];
for (const by of ZSTD_WAYS) {
  test(`openZstd() by ${by} unpacks several frames, skips the skippable, and refuses damage`, async (t) => {
    if (!needs(t, "zstd", "zstd")) return;
    if (by === "zlib" && !("createZstdDecompress" in zlib))
      return t.skip("needs Node 22.15 or newer: its zlib");
    const skip = Buffer.from([0x53, 0x2a, 0x4d, 0x18, 5, 0, 0, 0, 1, 2, 3, 4, 5]);
    const one = pipe("zstd", ["-qc"], RAW);
    const first = pipe("zstd", ["-qc", "--no-check"], RAW.subarray(0, 900_000));
    const frames = Buffer.concat([
      skip,
      first,
      skip,
      pipe("zstd", ["-qc", "-9"], RAW.subarray(900_000)),
      skip,
    ]);
    for (const good of [one, frames]) {
      assert.equal(sum(await all(openZstd(cut(good), by))), sum(RAW));
      assert.equal(sum(await all(openZstd(cut(good, 7001), by))), sum(RAW));
    }
    const bad = {
      "cut in the checksum": one.subarray(0, -2),
      "cut in a block": one.subarray(0, 200_000),
      "cut in the second frame": frames.subarray(0, skip.length * 2 + first.length + 5000),
      "one bit of the data": flipped(one, 150_000),
      "one bit of the checksum": flipped(one, one.length - 1),
      "other bytes behind": Buffer.concat([one, Buffer.from("garbage!")]),
    };
    for (const [what, bytes] of Object.entries(bad)) {
      await assert.rejects(all(openZstd(cut(bytes), by)), `${what} went unnoticed`);
    }
  });
}

test("Xxh64 says what zstd says, for any length and any cut", (t) => {
  if (!needs(t, "zstd", "zstd")) return;
  for (const size of [0, 1, 3, 4, 7, 8, 12, 31, 32, 33, 63, 64, 100, 5000]) {
    const bytes = RAW.subarray(0, size);
    const frame = pipe("zstd", ["-qc", "--check"], bytes);
    fc.assert(
      fc.property(fc.array(fc.nat(size), { maxLength: 5 }), (cuts) => {
        const hash = new Xxh64();
        let at = 0;
        for (const next of [...cuts.sort((a, b) => a - b), size]) {
          hash.update(bytes.subarray(at, next));
          at = next;
        }
        assert.equal(hash.low(), frame.readUInt32LE(frame.length - 4));
      }),
      { numRuns: 20 },
    );
  }
});

test("unpack() reads all members of a gzip and refuses a cut one", async () => {
  const members = Buffer.concat([
    zlib.gzipSync(RAW.subarray(0, 500_000)),
    zlib.gzipSync(RAW.subarray(500_000)),
  ]);
  assert.equal(sum(await all(unpack("gzip", cut(members)))), sum(RAW));
  await assert.rejects(all(unpack("gzip", cut(members.subarray(0, -5)))), /unexpected end/);
  await assert.rejects(all(unpack("gzip", cut(flipped(members, 200_000)))));
});

test("openZip() takes the one image out, and says what else it found", async (t) => {
  if (!needs(t, "zip", "zip")) return;
  const folder = mkdtempSync(join(tmpdir(), "bramble-zip-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const file = (name: string, bytes: Uint8Array | string) => {
    writeFileSync(join(folder, name), bytes);
    return join(folder, name);
  };
  const image = file("card.img", RAW);
  const zip = (name: string, ...inside: string[]) => {
    run("zip", ["-qj", join(folder, name), ...inside]);
    return join(folder, name);
  };
  const good = zip("good.zip", image, file("README.txt", "hello"));
  assert.equal(sum(await all(openZip(good))), sum(RAW));
  await assert.rejects(
    all(openZip(zip("two.zip", image, file("b.img", "x")))),
    /2 files in it \(card.img, b.img\)/,
  );

  await assert.rejects(all(openZip(file("flip.zip", flipped(readFileSync(good), 200_000)))));
  await assert.rejects(all(openZip(file("cut.zip", readFileSync(good).subarray(0, -100)))));
});

test("packingOf() goes by the first bytes, and peek() loses none", async () => {
  for (const [hexed, packing] of [
    ["fd377a585a00", "xz"],
    ["28b52ffd0000", "zstd"],
    ["5a2a4d180000", "zstd"],
    ["1f8b08000000", "gzip"],
    ["504b03040000", "zip"],
    ["eb3c904d5344", "raw"],
    ["", "raw"],
  ]) {
    assert.equal(packingOf(Buffer.from(hexed ?? "", "hex")), packing);
  }
  await fc.assert(
    fc.asyncProperty(
      fc.uint8Array({ maxLength: 40 }),
      fc.integer({ min: 1, max: 9 }),
      async (bytes, size) => {
        const { chunks, packing } = await peek(cut(bytes, size));
        assert.equal(packing, packingOf(bytes));
        assert.deepEqual(await all(chunks), Buffer.from(bytes));
      },
    ),
  );
});

test("throughProgram() gives the program's own words, and ends it when nobody reads on", async (t) => {
  if (!needs(t, "sh", "dash")) return;
  const sh = program("sh") ?? which("sh") ?? "sh";
  await assert.rejects(all(throughProgram(cut(RAW), sh, ["-c", "echo no room >&2; exit 3"])), /no room/);
  await assert.rejects(all(throughProgram(cut(RAW), join(tmpdir(), "no-such-program"), [])), /ENOENT/);
  for await (const bytes of throughProgram(cut(RAW), sh, ["-c", "cat; exec sleep 600"])) {
    assert.ok(bytes.length > 0);
    break;
  }
  async function* breaking() {
    yield RAW.subarray(0, 1000);
    throw new Error("the source broke");
  }
  await assert.rejects(all(throughProgram(breaking(), sh, ["-c", "cat"])), /the source broke/);
});
