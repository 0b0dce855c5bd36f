import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { compare, make, tools } from "../../test/ext4-of-folder.ts";
import { bytesOnDisk, fileOnDisk, scratch } from "../../test/readers.ts";
import { run } from "../../test/tools.ts";
import { readAll } from "../base/tree.ts";
import { openExt4 } from "./ext4.ts";

const debugfs = (path: string, commands: string[]): string =>
  run("debugfs", ["-w", "-f", "-", path], { input: `${commands.join("\n")}\n` });

/** Files and directories that have tripped readers, made once. */
function sourceTree(): string {
  sourceFolder ??= fillTree(fs.mkdtempSync(join(tmpdir(), "bramble-ext4-")));
  return sourceFolder;
}
let sourceFolder: string | undefined;
after(() => sourceFolder && fs.rmSync(sourceFolder, { recursive: true }));

function fillTree(root: string): string {
  const latin = (text: string) => Buffer.concat([Buffer.from(`${root}/`), Buffer.from(text, "latin1")]);
  fs.mkdirSync(join(root, "a/b/c"), { recursive: true });
  for (const size of [0, 1, 59, 60, 61, 100, 150, 1023, 1024, 4095, 4096, 4097, 100_000, 3_000_001])
    fs.writeFileSync(join(root, "a", `size-${size}`), Buffer.from(Uint8Array.from({ length: size }, (_, i) => (i * 31 + (i >> 9)) & 255)), { mode: 0o600 + (size % 64) }); // biome-ignore format: one call
  for (const length of [1, 58, 59, 60, 61, 100, 150, 200, 1000])
    fs.symlinkSync("t".repeat(length), join(root, "a/b", `link-${length}`));
  fs.symlinkSync("../../a/size-61", join(root, "a/b/up"));
  fs.symlinkSync("/a/b/up", join(root, "a/absolute"));
  fs.symlinkSync("circle", join(root, "circle"));
  fs.symlinkSync("a", join(root, "alias"));
  fs.linkSync(join(root, "a/size-100"), join(root, "a/b/hard"));
  fs.writeFileSync(latin("not-utf8-\xff\xe9"), "bytes");
  fs.writeFileSync(join(root, "größe €"), "text");
  fs.mkdirSync(join(root, "small"));
  fs.writeFileSync(join(root, "small/x"), "");
  fs.mkdirSync(join(root, "many"));
  for (let i = 0; i < 300; i++) fs.writeFileSync(join(root, "many", `${i}-${"n".repeat(i % 200)}`), `${i}`);
  // 12 MB that are nearly all hole, and a file of 600 pieces.
  const sparse = fs.openSync(join(root, "sparse"), "w");
  for (const at of [0, 300_000, 5_000_000, 11_999_000]) fs.writeSync(sparse, "island", at);
  fs.closeSync(sparse);
  const pieces = fs.openSync(join(root, "pieces"), "w");
  for (let i = 0; i < 600; i++) fs.writeSync(pieces, `piece ${i}`, i * 16384);
  fs.closeSync(pieces);
  execFileSync("mkfifo", ["-m", "0620", join(root, "fifo")]);
  fs.utimesSync(join(root, "a"), 1_000_000_000, 1_700_000_001);
  return root;
}

const VARIANTS: (readonly string[])[] = [
  ["-t", "ext4"],
  ["-t", "ext4", "-b", "1024"],
  ["-t", "ext4", "-b", "2048", "-I", "128"],
  ["-t", "ext4", "-b", "65536"],
  ["-t", "ext4", "-O", "inline_data"],
  ["-t", "ext4", "-O", "inline_data", "-I", "1024", "-b", "1024"],
  ["-t", "ext4", "-O", "^metadata_csum"],
  ["-t", "ext4", "-O", "^metadata_csum,uninit_bg,^64bit"],
  ["-t", "ext4", "-O", "metadata_csum_seed,orphan_file"],
  ["-t", "ext4", "-O", "meta_bg,^resize_inode", "-b", "1024"],
  ["-t", "ext4", "-O", "bigalloc", "-C", "16384"],
  ["-t", "ext4", "-O", "sparse_super2,mmp,large_dir,ea_inode"],
  ["-t", "ext3"],
  ["-t", "ext2", "-b", "1024"],
  ["-t", "ext2", "-r", "0", "-O", "none"],
];

for (const options of VARIANTS) {
  test(`mke2fs ${options.join(" ")}: every byte and attribute is what went in`, async (t) => {
    if (!tools(t)) return;
    const root = sourceTree();
    const path = make(t, root, "40M", options);
    const tree = await openExt4(fileOnDisk(t, path));
    assert.deepEqual(
      [tree.label, tree.uuid, tree.journalReplayed],
      ["rootfs", "0a1b2c3d-0000-4000-8000-00000000abcd", 0],
    );
    assert.ok((await compare(tree, root)) > 330);
    const facts = run("dumpe2fs", ["-h", path]);
    const fact = (name: string) => Number(new RegExp(`^${name}: +(\\d+)`, "m").exec(facts)?.[1]);
    assert.equal(tree.blockSize, fact("Block size"));
    assert.equal(tree.totalBytes, fact("Block count") * tree.blockSize);
    assert.equal(tree.freeBytes, fact("Free blocks") * tree.blockSize);
  });
}

test("what only debugfs can make: devices, owners above 65535, times beyond 2038, attributes, deep symlinks", async (t) => {
  if (!tools(t)) return;
  const root = sourceTree();
  for (const options of [
    ["-O", "ea_inode"],
    ["-O", "^metadata_csum"],
    ["-O", "inline_data"],
  ]) {
    const path = make(t, root, "40M", ["-t", "ext4", "-b", "4096", ...options]);
    const value = join(scratch(t), "value");
    fs.writeFileSync(value, Buffer.from(Uint8Array.from({ length: 3000 }, (_, i) => i & 255)));
    const capability = join(scratch(t), "capability");
    fs.writeFileSync(capability, Buffer.from("0100000200200000000000000000000000000000", "hex"));
    debugfs(path, [
      "mknod block b 8 1",
      "mknod char c 4 64",
      "mknod wide c 1 1",
      "set_inode_field wide block[0] 0",
      // Linux's new_encode_dev(259:70000).
      "set_inode_field wide block[1] 286327664",
      "set_inode_field a uid 3000000000",
      "set_inode_field a gid 4000000000",
      "set_inode_field a/size-61 mode 0104755",
      "set_inode_field a/size-61 mtime @6000000000",
      "set_inode_field a/size-60 mtime @-1000",
      "ea_set a/size-61 user.note hello",
      `ea_set -f ${capability} a/size-61 security.capability`,
      `ea_set -f ${value} a/size-100 user.large`,
      "ea_set a/size-100 trusted.small x",
    ]);
    const tree = await openExt4(fileOnDisk(t, path));
    const stat = async (name: string) => (await tree.stat(name)) ?? assert.fail(name);
    assert.deepEqual(
      [(await stat("block")).kind, (await stat("block")).rdev],
      ["block", { major: 8, minor: 1 }],
    );
    assert.deepEqual(
      [(await stat("char")).kind, (await stat("char")).rdev, (await stat("wide")).rdev],
      ["character", { major: 4, minor: 64 }, { major: 259, minor: 70000 }],
    );
    assert.deepEqual([(await stat("a")).uid, (await stat("a")).gid], [3_000_000_000, 4_000_000_000]);
    assert.equal((await stat("a/size-61")).mode, 0o4755);
    assert.equal((await stat("a/size-61")).mtimeNs / 1_000_000_000n, 6_000_000_000n);
    assert.equal((await stat("a/size-60")).mtimeNs / 1_000_000_000n, -1000n);
    assert.equal((await stat("fifo")).kind, "fifo");
    const text = ([name, bytes]: [string, Uint8Array]) => `${name}=${Buffer.from(bytes).toString("hex")}`;
    assert.deepEqual([...(await tree.xattrs("a/size-61"))].map(text).sort(), [
      "security.capability=0100000200200000000000000000000000000000",
      "user.note=68656c6c6f",
    ]);
    const large = await tree.xattrs("a/size-100");
    assert.ok(fs.readFileSync(value).equals(large.get("user.large") ?? new Uint8Array()), options.join(" "));
    assert.equal(Buffer.from(large.get("trusted.small") ?? []).toString(), "x");
    assert.deepEqual(await tree.xattrs("many"), new Map());
  }
});

test("ACLs read as the system calls show them", async (t) => {
  if (!tools(t)) return;
  const path = make(t, sourceTree(), "40M", ["-t", "ext4"]);
  // user::rw-, user:1000:r--, group::r--, mask::r--, other::---
  const acl = "0200000001000600ffffffff02000400e803000004000400ffffffff10000400ffffffff20000000ffffffff";
  const value = join(scratch(t), "acl");
  fs.writeFileSync(value, Buffer.from(acl, "hex"));
  debugfs(path, [`ea_set -f ${value} a/size-1 system.posix_acl_access`]);
  const tree = await openExt4(fileOnDisk(t, path));
  const found = (await tree.xattrs("a/size-1")).get("system.posix_acl_access");
  assert.equal(Buffer.from(found ?? []).toString("hex"), acl);
});

test("paths lead through symlinks, never out of the tree, and circles end", async (t) => {
  if (!tools(t)) return;
  const tree = await openExt4(fileOnDisk(t, make(t, sourceTree(), "40M", ["-t", "ext4"])));
  assert.equal((await tree.lookup("alias"))?.kind, "symlink");
  assert.equal((await tree.lookup("alias/size-61"))?.size, 61);
  assert.equal((await tree.open("a/b/up"))?.size, 61);
  assert.equal((await tree.open("alias/absolute"))?.size, 61);
  assert.equal((await tree.open("../../a/../a/./size-61"))?.size, 61);
  assert.equal((await tree.list("alias")).length, fs.readdirSync(join(sourceTree(), "a")).length);
  assert.equal(await tree.open("circle"), undefined);
  assert.equal(await tree.open("circle/x"), undefined);
  assert.equal(await tree.open("a"), undefined);
  assert.equal(await tree.lookup("a/size-61/x"), undefined);
  assert.equal((await tree.lookup(""))?.kind, "directory");
  assert.equal(Buffer.from(await readAll((await tree.open("größe €")) ?? assert.fail())).toString(), "text");
  const odd = (await tree.list("")).find((entry) => entry.name.startsWith("not"));
  assert.equal(odd?.name, "not-utf8-\xff\xe9");
  assert.deepEqual(odd?.nameBytes, new Uint8Array(Buffer.from("not-utf8-\xff\xe9", "latin1")));
  assert.equal((await tree.open("not-utf8-\xff\xe9"))?.size, 5);
  await assert.rejects(tree.list("a/size-61"), { code: "FILE_UNKNOWN" });
  await assert.rejects(tree.readlink("a/size-61"), { code: "FILE_UNKNOWN" });
  await assert.rejects(tree.xattrs("nothing"), { code: "FILE_UNKNOWN" });
  const below: string[] = [];
  for await (const { path } of tree.walk("small")) below.push(path);
  assert.deepEqual(below, ["small/x"]);
});

test("reads anywhere in sparse and scattered files give their bytes, whole holes too, and none beyond the end", async (t) => {
  if (!tools(t)) return;
  const root = sourceTree();
  for (const options of [
    ["-t", "ext4", "-b", "1024"],
    ["-t", "ext2", "-b", "1024"],
  ]) {
    const tree = await openExt4(fileOnDisk(t, make(t, root, "40M", options)));
    for (const name of ["sparse", "pieces"]) {
      const want = fs.readFileSync(join(root, name));
      const file = (await tree.open(name)) ?? assert.fail();
      for (let at = 0; at < want.length; at += 999_983) {
        const part = new Uint8Array(Math.min(70_001, want.length - at)).fill(9);
        await file.read(part, at);
        assert.ok(want.subarray(at, at + part.length).equals(part), `${name} at ${at}`);
      }
      await assert.rejects(async () => file.read(new Uint8Array(2), want.length - 1), { code: "DISK_RANGE" });
    }
  }
});

test("features that we cannot read are refused by name", async (t) => {
  if (!tools(t)) return;
  const path = make(t, sourceTree(), "40M", ["-t", "ext4", "-O", "encrypt,^metadata_csum"]);
  await assert.rejects(openExt4(fileOnDisk(t, path)), {
    code: "FORMAT_UNSUPPORTED",
    message: /uses encrypt,/,
  });
  const bytes = new Uint8Array(
    fs.readFileSync(make(t, join(sourceTree(), "small"), "8M", ["-t", "ext4", "-O", "^metadata_csum"])),
  );
  bytes.set([0x00, 0x12, 0x24, 0x00].map((b, i) => b | (bytes[1024 + 0x60 + i] as number)), 1024 + 0x60); // biome-ignore format: bits
  await assert.rejects(openExt4(bytesOnDisk(bytes)), {
    code: "FORMAT_UNSUPPORTED",
    message: /uses dirdata, casefold|uses dirdata, 0x/,
  });
});

test("damaged metadata is an error that names what is damaged", async (t) => {
  if (!tools(t)) return;
  const path = make(t, sourceTree(), "40M", ["-t", "ext4", "-b", "4096"]);
  const sound = new Uint8Array(fs.readFileSync(path));
  const at = (what: string, pattern: RegExp) =>
    Number(pattern.exec(run("debugfs", ["-R", what, path]))?.[1]) * 4096;
  const walk = async (bytes: Uint8Array) => {
    const tree = await openExt4(bytesOnDisk(bytes));
    for await (const { inode } of tree.walk())
      if (inode.kind === "file") await readAll((await tree.open(inode)) ?? assert.fail());
  };
  await walk(sound);
  for (const [where, message] of [
    [1024 + 0x30, /superblock: its checksum/],
    [4096 + 0x10, /group 0: its checksum/],
    [at("imap <2>", /block (\d+)/) + 256 + 8, /inode 2: its checksum/],
    [at("blocks small", /^(\d+)/m) + 30, /checksum of a directory block/],
    [at("stat pieces", /\(ETB0\):(\d+)/) + 20, /checksum of its extents/],
  ] as const) {
    const bytes = sound.slice();
    bytes[where] = (bytes[where] as number) ^ 0x10;
    await assert.rejects(walk(bytes), { code: "FORMAT_VALUE", message });
  }
  await assert.rejects(openExt4(bytesOnDisk(sound.subarray(0, 4_000_000))), {
    message: /its partition 4000000/,
  });
  await assert.rejects(openExt4(bytesOnDisk(new Uint8Array(5000))), { message: /there is none/ });
});
