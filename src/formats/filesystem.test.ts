import assert from "node:assert/strict";
import { mkdirSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { bytesOnDisk, fileOnDisk, scratch } from "../../test/readers.ts";
import { needs, run } from "../../test/tools.ts";
import { toLatin1 } from "../base/text.ts";
import { identifyFilesystem } from "./filesystem.ts";

const MADE: [kind: string, tool: string, packageName: string, options: string[]][] = [
  ["fat12", "mkfs.fat", "dosfstools", ["-F", "12", "-s", "64"]],
  ["fat16", "mkfs.fat", "dosfstools", ["-F", "16"]],
  ["fat32", "mkfs.fat", "dosfstools", ["-F", "32"]],
  ["ext2", "mke2fs", "e2fsprogs", ["-q", "-t", "ext2"]],
  ["ext3", "mke2fs", "e2fsprogs", ["-q", "-t", "ext3"]],
  ["ext4", "mke2fs", "e2fsprogs", ["-q", "-t", "ext4"]],
  ["ext4", "mke2fs", "e2fsprogs", ["-q", "-t", "ext4", "-O", "^has_journal"]],
  ["swap", "mkswap", "util-linux", []],
  ["swap", "mkswap", "util-linux", ["-p", "65536"]],
];

test("each file system is told by what its own tool writes", async (t) => {
  const folder = scratch(t);
  const path = join(folder, "disk");
  for (const [kind, tool, packageName, options] of MADE) {
    if (!needs(t, tool, packageName)) return;
    rmSync(path, { force: true });
    writeFileSync(path, "", { mode: 0o600 });
    truncateSync(path, 40 * 1024 * 1024);
    run(tool, [...options, path]);
    assert.equal(await identifyFilesystem(fileOnDisk(t, path)), kind, `${tool} ${options.join(" ")}`);
  }
});

test("squashfs is told by what mksquashfs writes", async (t) => {
  if (!needs(t, "mksquashfs", "squashfs-tools")) return;
  const folder = scratch(t);
  mkdirSync(join(folder, "in"));
  run("mksquashfs", [join(folder, "in"), join(folder, "out"), "-quiet"]);
  assert.equal(await identifyFilesystem(fileOnDisk(t, join(folder, "out"))), "squashfs");
});

test("the others by their magic numbers (libblkid's table), and what has none is unknown", async () => {
  for (const [kind, at, magic] of [
    ["luks", 0, "LUKS\xba\xbe"],
    ["xfs", 0, "XFSB"],
    ["btrfs", 0x10040, "_BHRfS_M"],
    ["f2fs", 1024, "\x10\x20\xf5\xf2"],
    ["lvm", 512, "LABELONE"],
  ] as const) {
    const bytes = new Uint8Array(200_000);
    assert.equal(await identifyFilesystem(bytesOnDisk(bytes)), "unknown");
    bytes.set(toLatin1(magic), at);
    assert.equal(await identifyFilesystem(bytesOnDisk(bytes)), kind);
  }
  for (const size of [0, 1, 511, 1025, 2047])
    assert.equal(await identifyFilesystem(bytesOnDisk(new Uint8Array(size))), "unknown");
});
