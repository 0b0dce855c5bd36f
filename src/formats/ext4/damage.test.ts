import assert from "node:assert/strict";
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import fc from "fast-check";
import { bytesOnDisk, scratch } from "../../../test/readers.ts";
import { needs, run } from "../../../test/tools.ts";
import { openExt4 } from "../ext4.ts";

/** A small file system without checksums, so that damage is met by what reads it and not by a checksum. */
function small(t: TestContext, ...options: string[]): { bytes: Uint8Array; inodeTable: number } {
  const folder = scratch(t);
  mkdirSync(join(folder, "in/a/b"), { recursive: true });
  for (const size of [0, 50, 140, 30_000])
    writeFileSync(join(folder, "in/a", `file-${size}`), Buffer.alloc(size, "x"));
  symlinkSync("t".repeat(100), join(folder, "in/a/b/link"));
  symlinkSync("../file-50", join(folder, "in/a/b/short"));
  const path = join(folder, "small.img");
  run("mke2fs", [
    "-q",
    "-F",
    "-N",
    "32",
    "-b",
    "1024",
    "-I",
    "256",
    ...options,
    "-d",
    join(folder, "in"),
    path,
    "512K",
  ]);
  const [, block] = /located at block (\d+)/.exec(run("debugfs", ["-R", "imap <2>", path])) ?? [];
  return { bytes: new Uint8Array(readFileSync(path)), inodeTable: Number(block) * 1024 };
}

/** Reads all that there is; files that claim to be huge, only in part. */
async function readEverything(bytes: Uint8Array): Promise<number> {
  const tree = await openExt4(bytesOnDisk(bytes));
  let entries = 0;
  for await (const { inode, path } of tree.walk()) {
    entries += 1;
    if (inode.kind === "symlink") await tree.readlink(inode);
    await tree.xattrs(inode);
    const file = await tree.open(inode);
    const part = new Uint8Array(Math.min(file?.size ?? 0, 100_000));
    await file?.read(part, 0);
    await file?.read(part, file.size - part.length);
    await tree.open(path);
  }
  return entries;
}

for (const options of [
  ["-t", "ext4"],
  ["-t", "ext4", "-O", "inline_data"],
  ["-t", "ext2"],
]) {
  test(`mke2fs ${options.join(" ")}: whatever bytes are damaged, data or a BrambleError, in bounded time`, async (t) => {
    if (!needs(t, "mke2fs", "e2fsprogs") || !needs(t, "debugfs", "e2fsprogs")) return;
    const features = options.includes("-O") ? ["-O", "inline_data,^metadata_csum"] : ["-O", "^metadata_csum"];
    const { bytes, inodeTable } = small(t, "-t", options[1] ?? "", ...features);
    assert.equal(await readEverything(bytes), 9);
    const place = fc.oneof(
      fc.nat(1023).map((at) => 1024 + at),
      fc.nat(64).map((at) => 2048 + at),
      fc.nat(20 * 256).map((at) => inodeTable + at),
      fc.nat(bytes.length - 1),
    );
    const value = fc.oneof(fc.nat(255), fc.constantFrom(0, 1, 127, 128, 255));
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(place, value), { minLength: 1, maxLength: 6 }), async (changes) => {
        const broken = bytes.slice();
        for (const [at, byte] of changes) broken[at] = byte;
        await readEverything(broken).catch((error) =>
          assert.match(error.code ?? String(error.stack), /^FORMAT_/),
        );
      }),
      { numRuns: process.env["BRAMBLE_LONG"] ? 2000 : 100 },
    );
  });
}

test("a directory that is found twice ends the walk with an error", async (t) => {
  if (!needs(t, "mke2fs", "e2fsprogs") || !needs(t, "debugfs", "e2fsprogs")) return;
  const { bytes } = small(t, "-t", "ext4", "-O", "^metadata_csum");
  const path = join(scratch(t), "circle.img");
  writeFileSync(path, bytes);
  run("debugfs", ["-w", "-R", "link <2> a/b/again", path]);
  await assert.rejects(readEverything(new Uint8Array(readFileSync(path))), {
    code: "FORMAT_VALUE",
    message: /found twice/,
  });
});
