import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import fc from "fast-check";
import { needs } from "../../test/tools.ts";
import { concat } from "../base/bytes.ts";
import type { ReadableDisk } from "../base/disk.ts";
import { toLatin1 } from "../base/text.ts";
import { encodeTarHeader, TAR_BLOCK, TAR_END, type TarEntry, tarPadding } from "./tar.ts";
import { readTar, type TarFound } from "./tar-read.ts";

const disk = (bytes: Uint8Array): ReadableDisk => ({
  size: bytes.length,
  read: (into, offset) => into.set(bytes.subarray(offset, offset + into.length)),
});
const all = async (bytes: Uint8Array): Promise<TarFound[]> => {
  const found: TarFound[] = [];
  for await (const one of readTar(disk(bytes))) found.push(one);
  return found;
};
const packed = (entries: readonly [TarEntry, Uint8Array][]) =>
  concat([
    ...entries.flatMap(([one, bytes]) => [encodeTarHeader(one), bytes, tarPadding(bytes.length)]),
    TAR_END,
  ]);

function folder(t: TestContext): string {
  const path = fs.mkdtempSync(join(tmpdir(), "tar-"));
  t.after(() => fs.rmSync(path, { recursive: true }));
  return path;
}

const entry = (path: string, more: Partial<TarEntry> = {}): TarEntry => ({
  ...{ path, kind: "file", mode: 0o644, uid: 0, gid: 0, size: 0, mtime: { s: 1, ns: 0 } },
  ...{ major: 0, minor: 0, target: "", xattrs: new Map() },
  ...more,
});

const byteText = (max: number) =>
  fc
    .uint8Array({ minLength: 1, maxLength: max })
    .map((bytes) => String.fromCharCode(...bytes.map((byte) => (byte === 0 || byte === 47 ? 97 : byte))))
    .filter((part) => part !== "." && part !== "..");

test("any entry survives: long and foreign names, large numbers, times before 1970, attributes of any bytes", () =>
  fc.assert(
    fc.asyncProperty(
      fc.record({
        path: fc.array(byteText(200), { minLength: 1, maxLength: 4 }).map((parts) => parts.join("/")),
        kind: fc.constantFrom("file", "symlink", "character", "block", "directory", "fifo"),
        mode: fc.nat(0o7777),
        uid: fc.nat(2 ** 31 - 1),
        gid: fc.nat(2 ** 31 - 1),
        mtime: fc.tuple(fc.integer({ min: -(2 ** 31), max: 2 ** 34 }), fc.nat(999_999_999)),
        target: byteText(300),
        xattrs: fc.array(
          fc.tuple(fc.stringMatching(/^user\.[a-z]{1,9}$/), fc.uint8Array({ minLength: 1, maxLength: 99 })),
        ),
        bytes: fc.uint8Array({ maxLength: 1100 }),
        device: fc.tuple(fc.nat(4095), fc.nat(1_000_000)),
      }),
      async ({ bytes, device, mtime: [s, ns], ...some }) => {
        const isDevice = some.kind === "block" || some.kind === "character";
        const data = some.kind === "file" ? bytes : new Uint8Array(0);
        const one: TarEntry = {
          ...some,
          mtime: { s, ns },
          kind: some.kind as TarEntry["kind"],
          size: data.length,
          major: isDevice ? device[0] : 0,
          minor: isDevice ? device[1] : 0,
          target: some.kind === "symlink" ? some.target : "",
          xattrs: new Map(some.xattrs),
        };
        const [first, second] = await all(packed([[one, data], [entry("after"), new Uint8Array(0)]])); // biome-ignore format: short
        const { at, ...read } = first as TarFound;
        assert.deepEqual(read, one);
        assert.equal(at % TAR_BLOCK, 0);
        assert.equal(second?.path, "after", "what belongs to one entry ends with it");
        assert.deepEqual(second.xattrs, new Map());
      },
    ),
    { numRuns: 300 },
  ));

test("any bytes give entries or an error that says where", () =>
  fc.assert(
    fc.asyncProperty(
      fc.array(
        fc.oneof(fc.uint8Array({ minLength: 512, maxLength: 512 }), fc.constant(encodeTarHeader(entry("x")))),
      ),
      fc.nat(2000),
      fc.nat(255),
      async (blocks, at, byte) => {
        const bytes = concat(blocks);
        if (bytes.length > 0) bytes[at % bytes.length] = byte;
        await all(bytes).catch((error) => assert.match(error.code, /^FORMAT_/));
      },
    ),
  ));

test("paths that lead upwards, sums that are wrong and files that are cut are refused", async () => {
  for (const path of ["a/../../etc/passwd", "..", "../x"])
    await assert.rejects(all(packed([[entry(path), new Uint8Array(0)]])), { code: "FORMAT_VALUE" });
  const good = packed([[entry("x", { size: 600 }), new Uint8Array(600)]]);
  await assert.rejects(all(good.subarray(0, 1024)), { code: "FORMAT_SHORT" });
  const spoilt = good.slice();
  spoilt[0] = 0x79;
  await assert.rejects(all(spoilt), { code: "FORMAT_VALUE", message: /sum is wrong/ });
});

test("GNU tar unpacks what we pack, with owners, times, links, devices and extended attributes", async (t) => {
  if (!needs(t, "tar", "tar") || !needs(t, "getfattr", "attr")) return;
  const path = folder(t);
  const long = `${"d".repeat(120)}/${"f".repeat(130)}`;
  const data = toLatin1("hello");
  const value = Uint8Array.of(0, 10, 61, 255, 32, 10);
  const uid = process.getuid?.() ?? 0;
  const mine = { uid, gid: process.getgid?.() ?? 0 };
  const bytes = packed([
    [entry("", { kind: "directory", mode: 0o755, ...mine }), new Uint8Array(0)],
    [entry(long.split("/")[0] as string, { kind: "directory", mode: 0o750, ...mine }), new Uint8Array(0)],
    [entry(long, { size: 5, mode: 0o640, mtime: { s: 1_600_000_000, ns: 123_456_789 }, xattrs: new Map([["user.odd", value]]), ...mine }), data], // biome-ignore format: one entry
    [entry("caf\xc3\xa9", { kind: "link", target: long, ...mine }), new Uint8Array(0)],
    [entry("to", { kind: "symlink", mode: 0o777, target: "x".repeat(150), ...mine }), new Uint8Array(0)],
    [entry("pipe", { kind: "fifo", mode: 0o600, ...mine }), new Uint8Array(0)],
    ...(uid === 0 ? [[entry("null", { kind: "character", major: 1, minor: 3, uid: 4_000_000 }), new Uint8Array(0)] as [TarEntry, Uint8Array]] : []), // biome-ignore format: one entry
  ]);
  fs.writeFileSync(join(path, "our.tar"), bytes);
  fs.mkdirSync(join(path, "out"));
  execFileSync("tar", [
    "--xattrs",
    "--xattrs-include=*",
    "-xpf",
    join(path, "our.tar"),
    "-C",
    join(path, "out"),
  ]);
  const stat = fs.statSync(join(path, "out", long), { bigint: true });
  assert.deepEqual([stat.mode & 0o7777n, stat.mtimeNs, stat.nlink], [0o640n, 1_600_000_000_123_456_789n, 2n]);
  assert.equal(fs.statSync(join(path, "out/café")).ino, Number(stat.ino));
  assert.equal(fs.readlinkSync(join(path, "out/to")), "x".repeat(150));
  assert.ok(fs.lstatSync(join(path, "out/pipe")).isFIFO());
  if (uid === 0) {
    const node = fs.lstatSync(join(path, "out/null"));
    assert.deepEqual([node.isCharacterDevice(), node.rdev, node.uid], [true, 0x103, 4_000_000]);
  }
  const shown = execFileSync("getfattr", ["-d", "-e", "hex", join(path, "out", long)], { encoding: "utf8" });
  assert.match(shown, /user\.odd=0x000a3dff200a/);
});

test("we read what GNU tar packs in each of its formats", async (t) => {
  if (!needs(t, "tar", "tar")) return;
  const path = folder(t);
  const names = ["short", `${"a".repeat(90)}/${"b".repeat(90)}/${"c".repeat(95)}`, "café\n"];
  for (const name of names) {
    fs.mkdirSync(join(path, "in", name, ".."), { recursive: true });
    fs.writeFileSync(join(path, "in", name), `this is ${name}`);
  }
  fs.symlinkSync("y".repeat(130), join(path, "in/link"));
  for (const format of ["gnu", "pax", "posix"]) {
    const file = join(path, `${format}.tar`);
    execFileSync("tar", [`--format=${format}`, "-cf", file, "-C", join(path, "in"), "."]);
    const found = await all(fs.readFileSync(file));
    for (const name of names) {
      const one = found.find((each) => each.path === Buffer.from(name).toString("latin1"));
      assert.ok(one, `${name} in ${format}`);
      assert.equal(one.size, Buffer.from(`this is ${name}`).length);
      const bytes = fs.readFileSync(file).subarray(one.at, one.at + one.size);
      assert.equal(bytes.toString(), `this is ${name}`);
      const { mtimeMs } = fs.statSync(join(path, "in", name));
      assert.equal(one.mtime.s, Math.floor(mtimeMs / 1000));
    }
    assert.equal(found.find((one) => one.kind === "symlink")?.target, "y".repeat(130));
    assert.equal(found[0]?.path, "");
  }
});
