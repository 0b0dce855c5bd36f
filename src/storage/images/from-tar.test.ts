// Disk images made of tar files, looked at by e2fsck, debugfs, mtools and our own readers.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import * as fs from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { gzipSync } from "node:zlib";
import { scratch } from "../../../test/readers.ts";
import { needs, run } from "../../../test/tools.ts";
import { concat } from "../../base/bytes.ts";
import { toLatin1, toUtf8 } from "../../base/text.ts";
import { readAll } from "../../base/tree.ts";
import { openExt4 } from "../../formats/ext4.ts";
import { readPartitions } from "../../formats/partitions.ts";
import { slice } from "../../formats/slice.ts";
import { encodeTarHeader, TAR_END, type TarEntry, tarPadding } from "../../formats/tar.ts";
import { addImage } from "../images.ts";
import { diskOfTar } from "./from-tar.ts";
import { inspectImage } from "./inspect.ts";
import { RawFile } from "./raw-file.ts";

const signal = new AbortController().signal;
const tools = (t: TestContext) => needs(t, "mke2fs", "e2fsprogs") && needs(t, "debugfs", "e2fsprogs");

type Wish = Partial<Omit<TarEntry, "xattrs">> & { bytes?: Uint8Array; xattrs?: [string, Uint8Array][] };
function pack(entries: readonly [string, Wish][]): Uint8Array {
  const parts = entries.flatMap(([path, { bytes = new Uint8Array(0), xattrs = [], ...more }]) => {
    const head = encodeTarHeader({
      ...{ path, kind: "file", mode: 0o644, uid: 0, gid: 0, size: bytes.length },
      ...{ mtime: { s: 1_700_000_000, ns: 0 }, major: 0, minor: 0, target: "", xattrs: new Map(xattrs) },
      ...more,
    });
    return [head, bytes, tarPadding(bytes.length)];
  });
  return concat([...parts, TAR_END]);
}

async function made(t: TestContext, entries: readonly [string, Wish][], diskId?: number) {
  const folder = scratch(t);
  const [tar, to] = [join(folder, "in.tar"), join(folder, "out.img")];
  fs.writeFileSync(tar, pack(entries));
  const { notes, rootPartition } = await diskOfTar({
    tar,
    to,
    signal,
    ...(diskId !== undefined && { diskId }),
  });
  assert.deepEqual(fs.readdirSync(folder).sort(), ["in.tar", "out.img"], "nothing lies beside it");
  const disk = await RawFile.open(to);
  t.after(() => disk.close());
  const { partitions, diskId: id } = await readPartitions(disk);
  const last = partitions.at(-1);
  assert.equal(last?.number, rootPartition);
  assert.ok(last);
  const root = join(folder, "root.ext4");
  run("dd", ["status=none", `if=${to}`, `of=${root}`, "bs=1M", `skip=${last.offset >> 20}`, "conv=sparse"]);
  run("e2fsck", ["-fn", root]);
  const ext4 = await openExt4(slice(disk, last.offset, last.size));
  const debugfs = (command: string) => run("debugfs", ["-R", command, root]);
  return { notes, disk, partitions, id, ext4, debugfs, to, root };
}

const folderOf = { kind: "directory", mode: 0o755 } as const;

test("owners, modes, times, links, devices and attributes of a tar file are in the made file system", async (t) => {
  if (!tools(t)) return;
  const value = Uint8Array.of(0, 255, 10, 34);
  const big = new Uint8Array((3 << 20) + 17).map((_, i) => i % 251);
  const { ext4, debugfs, notes, partitions } = await made(t, [
    ["", { ...folderOf, mode: 0o751, uid: 3, gid: 4 }],
    ["etc", folderOf],
    ["etc/passwd", { bytes: toUtf8("root:x:0:0::/root:/bin/sh\n"), mode: 0o600, uid: 1000, gid: 70_000 }],
    ["etc/also", { kind: "link", target: "etc/passwd" }],
    ["bin/su", { bytes: big, mode: 0o4755, mtime: { s: 1_600_000_000, ns: 250_000_000 }, xattrs: [["security.capability", value], ["user.long", new Uint8Array(600).fill(65)]] }], // biome-ignore format: one entry
    ["dev/null", { kind: "character", mode: 0o666, major: 1, minor: 3 }],
    ["dev/sda", { kind: "block", mode: 0o660, gid: 6, major: 8, minor: 300 }],
    ["run/pipe", { kind: "fifo", mode: 0o622 }],
    ["to", { kind: "symlink", mode: 0o777, target: "etc/passwd", uid: 7 }],
    ["far", { kind: "symlink", mode: 0o777, target: "x".repeat(200) }],
    ["lost+found", { ...folderOf, mode: 0o700, uid: 9 }],
    ["etc/passwd", { bytes: toUtf8("the last word\n"), mode: 0o640, uid: 1000, gid: 70_000 }],
  ]);
  assert.equal(partitions.length, 1);
  assert.match(notes.join(), /no boot files/);
  const stat = async (path: string) => {
    const inode = await ext4.stat(path);
    return inode && [inode.kind, inode.mode, inode.uid, inode.gid, inode.nlink, inode.mtimeNs];
  };
  const then = 1_700_000_000_000_000_000n;
  assert.deepEqual(await stat("etc/passwd"), ["file", 0o640, 1000, 70_000, 1, then], "the last word counts");
  assert.equal((await stat("etc/also"))?.[4], 1, "a link stays with the file that it was made to");
  assert.deepEqual(await stat("bin/su"), ["file", 0o4755, 0, 0, 1, 1_600_000_000_250_000_000n]);
  assert.deepEqual((await stat("run/pipe"))?.slice(0, 2), ["fifo", 0o622]);
  assert.deepEqual((await stat("to"))?.slice(0, 3), ["symlink", 0o777, 7]);
  assert.deepEqual((await stat("lost+found"))?.slice(0, 3), ["directory", 0o700, 9]);
  assert.match(debugfs("stat <2>"), /Mode:\s+0751[\s\S]*User:\s+3\s+Group:\s+4/);
  assert.deepEqual((await ext4.stat("dev/sda"))?.rdev, { major: 8, minor: 300 });
  const su = await ext4.stat("bin/su");
  const file = su && (await ext4.open(su));
  assert.ok(file && Buffer.from(await readAll(file)).equals(Buffer.from(big)));
  const xattrs = su && (await ext4.xattrs(su));
  assert.deepEqual(xattrs?.get("security.capability"), value);
  assert.equal(xattrs?.get("user.long")?.length, 600);
  const far = await ext4.stat("far");
  assert.equal(far && (await ext4.readlink(far)), "x".repeat(200));
});

test("names may be anything but a line break, in a folder of thousands, with hard links among them", async (t) => {
  if (!tools(t)) return;
  const odd = [
    '"',
    '""q" x',
    "<12>",
    "-f",
    "#no",
    ";",
    "caf\xe9",
    "a b\tc",
    "'$(x)`",
    "\\n",
    "?*[",
    "{}",
    "~",
  ];
  const many: [string, Wish][] = Array.from({ length: 3000 }, (_, i) => [
    `many/file number ${i}`,
    { bytes: toUtf8(`${i}`) },
  ]);
  const links: [string, Wish][] = Array.from({ length: 200 }, (_, i) => [`many/${"l".repeat(200)}${i}`, { kind: "link", target: "many/file number 7" }]); // biome-ignore format: one entry
  const { ext4, notes } = await made(t, [
    ["etc", folderOf],
    ...many,
    ...links,
    ...odd.map((name): [string, Wish] => [`odd/${name}`, { bytes: toLatin1(name), uid: 5 }]),
    ...odd.map((name): [string, Wish] => [`odd/${name}.d/in`, { kind: "symlink", target: name }]),
    ["odd/a\nb", { bytes: toUtf8("left") }],
  ]);
  const names = new Map<string, { uid: number; size: number; nlink: number }>();
  for await (const { pathBytes, inode } of ext4.walk())
    names.set(Buffer.from(pathBytes).toString("latin1"), inode);
  for (const name of odd) {
    assert.deepEqual([names.get(`odd/${name}`)?.uid, names.get(`odd/${name}`)?.size], [5, name.length], name);
    assert.equal(names.get(`odd/${name}.d/in`)?.size, name.length, name);
  }
  assert.equal([...names.keys()].filter((name) => name.startsWith("many/")).length, 3200);
  assert.equal(names.get("many/file number 7")?.nlink, 201);
  assert.match(notes.join("\n"), /1 files are left out: their names have line breaks/);
});

test("boot files become a FAT partition, and fstab names the partitions of the new disk", async (t) => {
  if (!tools(t) || !needs(t, "mcopy", "mtools")) return;
  const fstab =
    "proc /proc proc defaults 0 0\n# comes over NFS, or was the card's: PARTUUID=11111111-01  /boot/firmware  vfat  defaults  0  2\nPARTUUID=11111111-02  /  ext4  defaults,noatime  0  1\n";
  const kernel = new Uint8Array(2_500_000).map((_, i) => i % 256);
  const { disk, ext4, partitions, id, to, notes } = await made(
    t,
    [
      ["etc/fstab", { bytes: toUtf8(fstab) }],
      ["boot/firmware/config.txt", { bytes: toUtf8("arm_64bit=1\n") }],
      ["boot/firmware/kernel8.img", { bytes: kernel }],
      ["boot/firmware/overlays/a long name.dtbo", { bytes: toUtf8("dtbo") }],
      ["boot/firmware/link", { kind: "symlink", target: "config.txt" }],
      ["usr/lib/os-release", { bytes: toUtf8("ID=debian\nVERSION_ID=13\n") }],
    ],
    0x1234abcd,
  );
  assert.equal(id, "1234abcd");
  const [boot] = partitions;
  const drive = `${to}@@${boot?.offset}`;
  assert.equal(run("mtype", ["-i", drive, "::overlays/a long name.dtbo"]), "dtbo");
  const out = join(scratch(t), "kernel");
  run("mcopy", ["-i", drive, "::kernel8.img", out]);
  assert.ok(fs.readFileSync(out).equals(Buffer.from(kernel)));
  const file = await ext4.stat("etc/fstab");
  const opened = file && (await ext4.open(file));
  assert.equal(
    opened && Buffer.from(await readAll(opened)).toString(),
    "proc /proc proc defaults 0 0\nPARTUUID=1234abcd-01  /boot/firmware  vfat  defaults  0  2\nPARTUUID=1234abcd-02  /  ext4  defaults,noatime  0  1\n",
  );
  assert.equal((await ext4.list("boot/firmware")).length, 0, "the folder that it is mounted on");
  assert.match(notes.join("\n"), /FAT cannot have 1 files of \/boot\/firmware: link/);
  const facts = await inspectImage(disk);
  assert.deepEqual([facts.bootPartition, facts.rootPartition], [1, 2]);
});

test("a packed tar file and a folder are added like any image, under their own names, and say what was done", async (t) => {
  if (!tools(t) || !needs(t, "tar", "tar")) return;
  const data = scratch(t);
  const folder = scratch(t);
  const tar = join(folder, "my-system-1.2.tar.gz");
  const files: [string, Wish][] = [
    ["boot/firmware/config.txt", { bytes: toUtf8("arm_64bit=1\n") }],
    ["etc/os-release", { bytes: toUtf8('ID=debian\nPRETTY_NAME="Mine"\n') }],
  ];
  fs.writeFileSync(tar, gzipSync(pack(files)));
  const added = await addImage({ data, source: tar });
  assert.deepEqual([added.name, added.version], ["my-system", "1.2"]);
  assert.deepEqual([added.facts.bootPartition, added.facts.rootPartition], [1, 2]);
  assert.equal(added.facts.distribution?.prettyName, "Mine");
  assert.equal(createHash("sha256").update(fs.readFileSync(tar)).digest("hex"), added.sourceSha256);
  const system = join(folder, "other");
  fs.mkdirSync(join(system, "etc"), { recursive: true });
  fs.writeFileSync(join(system, "etc/os-release"), 'ID=debian\nPRETTY_NAME="Of a folder"\n');
  const other = await addImage({ data, source: system });
  assert.deepEqual([other.name, other.facts.distribution?.prettyName], ["other", "Of a folder"]);
  assert.match(other.facts.notes.join("\n"), /there are no boot files in it/);
  assert.equal(other.source, system);
  assert.deepEqual(fs.readdirSync(join(data, "images/incoming")), []);
});

test("a tar file with an entry in what is no folder, or a link to nothing, is refused, and leaves nothing", async (t) => {
  const folder = scratch(t);
  const [tar, to] = [join(folder, "in.tar"), join(folder, "out.img")];
  for (const entries of [
    [
      ["a", { kind: "symlink", target: "/etc" }],
      ["a/passwd", {}],
    ],
    [["b", { kind: "link", target: "nowhere" }]],
    [["d".repeat(256), {}]],
    [[Array(300).fill("d").join("/"), {}]],
  ] as [string, Wish][][]) {
    fs.writeFileSync(tar, pack(entries));
    await assert.rejects(diskOfTar({ tar, to, signal }), { code: "FORMAT_VALUE" });
    assert.deepEqual(fs.readdirSync(folder), ["in.tar"]);
  }
});
