import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { lstatSync, mkdirSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { bytesOnDisk, fixture, scratch } from "../../../test/readers.ts";
import { needs, which } from "../../../test/tools.ts";
import { readAll } from "../../base/tree.ts";
import { type Ext4Tree, openExt4 } from "../ext4.ts";

// Copied while mounted, with everything of worth only in the journal: see fixtures/make.sh.
const DIRTY = ["revoke-v3", "revoke-ext3", "magic-v3", "magic-plain", "wrap-v3", "wrap-ext3"];
const dirty = (name: string) => fixture(`ext4/fixtures/${name}.img.gz`);

/** e2fsck exits 1 when it repaired something: that is its job here. */
function fsck(path: string): void {
  const { status, stdout } = spawnSync(which("e2fsck") ?? "", ["-fy", path], { encoding: "utf8" });
  assert.ok(status === 0 || status === 1, stdout);
}

async function contents(tree: Ext4Tree): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for await (const { path, inode } of tree.walk()) {
    const file = await tree.open(inode);
    const text = file ? Buffer.from(await readAll(file)).toString("latin1") : "";
    const link = inode.kind === "symlink" ? await tree.readlink(inode) : "";
    found.set(path, [inode.kind, inode.mode, inode.size, inode.mtimeNs, link, text].join(" "));
  }
  return found;
}

for (const name of DIRTY) {
  test(`${name}: replayed in memory, it holds what e2fsck's recovery writes, and the disk is untouched`, async (t) => {
    if (!needs(t, "e2fsck", "e2fsprogs")) return;
    const bytes = dirty(name);
    const before = bytes.slice();
    const tree = await openExt4(bytesOnDisk(bytes));
    assert.ok(tree.journalReplayed >= 3);
    const ours = await contents(tree);
    assert.deepEqual(bytes, before);

    const path = join(scratch(t), "fixed.img");
    writeFileSync(path, bytes);
    fsck(path);
    const fixed = await openExt4(bytesOnDisk(new Uint8Array(readFileSync(path))));
    assert.equal(fixed.journalReplayed, 0);
    assert.deepEqual(ours, await contents(fixed));
    assert.equal(tree.freeBytes, fixed.freeBytes);
    assert.equal(Buffer.from((await tree.xattrs("kept/renamed")).get("user.note") ?? []).toString(), "hello");

    // And debugfs, who shares no line with us, sees the same files on the recovered copy.
    const out = join(scratch(t), "out");
    mkdirSync(out);
    spawnSync(which("debugfs") ?? "", ["-R", `rdump / ${out}`, path]);
    for await (const { path: file, inode } of tree.walk()) {
      if (inode.kind === "directory") continue;
      assert.equal(lstatSync(join(out, file)).mode & 0o7777, inode.mode, file);
      if (inode.kind === "symlink") assert.equal(readlinkSync(join(out, file)), await tree.readlink(inode));
      const opened = await tree.open(inode);
      // debugfs 1.47.0 dumps all 60 bytes of inline files.
      if (opened)
        assert.ok(
          readFileSync(join(out, file))
            .subarray(0, opened.size)
            .equals(await readAll(opened)),
          file,
        );
    }
  });
}

test("what the program wrote last is there, and what it wrote over freed directories is not undone", async () => {
  for (const name of DIRTY) {
    const tree = await openExt4(bytesOnDisk(dirty(name)));
    const text = async (path: string) =>
      Buffer.from(await readAll((await tree.open(path)) ?? assert.fail(path))).toString("latin1");
    assert.equal(await text("last"), "last\n");
    assert.equal(await text("kept/renamed"), "1".repeat(3000));
    assert.equal(await tree.readlink("link"), "first");
    assert.equal(await tree.lookup("doomed3"), undefined);
    if (name.startsWith("revoke")) assert.match(await text("reused"), /^R{100000,}$/);
    if (name.startsWith("magic")) assert.match(await text("magic"), /^(\xc0;9\x98\0{1020}){24}$/);
  }
});

/** Byte offsets of the journal's blocks of a type: 1 descriptor, 2 commit, 5 revoke. */
function journalBlocks(bytes: Uint8Array, blockSize: number, type: number): number[] {
  const view = new DataView(bytes.buffer);
  const found: number[] = [];
  for (let at = 0; at < bytes.length; at += blockSize)
    if (view.getUint32(at) === 0xc03b3998 && view.getUint32(at + 4) === type) found.push(at);
  return found;
}

const flip = (bytes: Uint8Array, at: number): void => {
  bytes[at] = (bytes[at] as number) ^ 0x55;
};

test("a damaged block of a checksummed journal is an error that names the transaction", async () => {
  const sound = dirty("revoke-v3");
  const open = (change: (bytes: Uint8Array) => void) => {
    const bytes = sound.slice();
    change(bytes);
    return openExt4(bytesOnDisk(bytes));
  };
  for (const type of [1, 2, 5]) {
    const [at = 0] = journalBlocks(sound, 1024, type);
    assert.ok(at > 0);
    await assert.rejects(
      open((bytes) => flip(bytes, at + 40)),
      { code: "FORMAT_VALUE", message: /journal: transaction \d: its checksum/ },
    );
  }
  // Of the second transaction: the first one's first block was revoked later, nobody reads it.
  const descriptor = journalBlocks(sound, 1024, 1)[1] as number;
  await assert.rejects(
    open((bytes) => flip(bytes, descriptor + 1024 + 9)),
    { code: "FORMAT_VALUE", message: /journal: transaction 3: the checksum of block/ },
  );
});

test("a journal that ends in the middle of a transaction ends before it", async () => {
  const bytes = dirty("revoke-v3");
  const commits = journalBlocks(bytes, 1024, 2);
  const whole = (await openExt4(bytesOnDisk(bytes))).journalReplayed;
  assert.equal(whole, commits.length);
  bytes.fill(0, commits.at(-1), (commits.at(-1) as number) + 1024);
  const tree = await openExt4(bytesOnDisk(bytes));
  assert.equal(tree.journalReplayed, whole - 1);
  assert.equal(await tree.lookup("last"), undefined);
  assert.ok(await tree.lookup("reused"));
});

test("journal features that we cannot replay are refused by name", async () => {
  for (const [bit, name] of [
    [0x4, /async_commit/],
    [0x40, /feature 0x40/],
  ] as const) {
    const bytes = dirty("magic-plain");
    const at = journalBlocks(bytes, 1024, 4)[0] as number;
    bytes[at + 43] = bit;
    await assert.rejects(openExt4(bytesOnDisk(bytes)), { code: "FORMAT_UNSUPPORTED", message: name });
  }
});

test("whatever bytes of a dirty image are damaged: data or a BrambleError, in bounded time", async () => {
  for (const name of ["magic-plain", "revoke-ext3"]) {
    const sound = dirty(name);
    const logs = [1, 2, 4, 5].flatMap((type) => journalBlocks(sound, 1024, type));
    const place = fc.oneof(
      fc.tuple(fc.constantFrom(...logs), fc.nat(80)).map(([at, more]) => at + more),
      fc.nat(65536),
    );
    const damage = fc.array(fc.tuple(place, fc.oneof(fc.nat(255), fc.constantFrom(0, 1, 255))), {
      minLength: 1,
      maxLength: 6,
    });
    await fc.assert(
      fc.asyncProperty(damage, async (changes) => {
        const bytes = sound.slice();
        for (const [at, value] of changes) bytes[at] = value;
        await openExt4(bytesOnDisk(bytes))
          .then(contents)
          .catch((error) => {
            assert.match(error.code ?? String(error.stack), /^FORMAT_/);
          });
      }),
      { numRuns: process.env["BRAMBLE_LONG"] ? 1000 : 30 },
    );
  }
});
