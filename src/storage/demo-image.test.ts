import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { needs, run } from "../../test/tools.ts";
import { makeDemoImage } from "./demo-image.ts";

const folder = mkdtempSync(join(tmpdir(), "bramble-demo-"));
after(() => rmSync(folder, { recursive: true, force: true }));
const path = join(folder, "demo.img");
before(() => makeDemoImage(path));
const sum = (file: string) => createHash("sha256").update(readFileSync(file)).digest("hex");

test("makeDemoImage() is small, sparse, and the same bytes each time and in each time zone", async () => {
  assert.ok(statSync(path).size <= 64 << 20);
  assert.ok(statSync(path).blocks * 512 < 8 << 20);
  const again = join(folder, "again.img");
  writeFileSync(again, "an older file, to be replaced");
  const zone = process.env["TZ"];
  process.env["TZ"] = "Asia/Tokyo";
  try {
    await makeDemoImage(again);
  } finally {
    if (zone === undefined) delete process.env["TZ"];
    else process.env["TZ"] = zone;
  }
  assert.equal(sum(again), sum(path));
});

test("makeDemoImage() makes file systems that their own checkers find nothing wrong with", (t) => {
  if (!needs(t, "fsck.vfat", "dosfstools") || !needs(t, "e2fsck", "e2fsprogs")) return;
  const bytes = readFileSync(path);
  const part = (from: number, to: number) => {
    writeFileSync(join(folder, "part"), bytes.subarray(from, to));
    return join(folder, "part");
  };
  assert.match(run("fsck.vfat", ["-n", part(4 << 20, 40 << 20)]), /\d+ files/);
  run("e2fsck", ["-fn", part(40 << 20, bytes.length)]);
});

test("makeDemoImage() gives files that say they are dummies, to other people's tools too", (t) => {
  if (!needs(t, "mtype", "mtools")) return;
  for (const name of [
    "bootcode.bin",
    "start.elf",
    "start4.elf",
    "fixup4.dat",
    "kernel8.img",
    "kernel_2712.img",
    "initramfs8",
    "bcm2712-rpi-5-b.dtb",
    "overlays/bcm2712d0.dtbo",
    "config.txt",
  ]) {
    assert.match(run("mtype", ["-i", `${path}@@4M`, `::${name}`]).slice(0, 100), /DUMMY FILE/, name);
  }
  assert.match(run("mtype", ["-i", `${path}@@4M`, "::cmdline.txt"]), /root=PARTUUID=b0071234-02 /);
  assert.match(run("mdir", ["-i", `${path}@@4M`, "::"]), /is BOOTFS/);
});

test("makeDemoImage() partitions the disk as sfdisk reads it", (t) => {
  if (!needs(t, "sfdisk", "fdisk")) return;
  const lines = run("sfdisk", ["-d", path])
    .split("\n")
    .filter((line) => /label-id|start=/.test(line));
  assert.match(
    lines.join("\n"),
    /0xb0071234\n.*start= +8192, size= +73728, type=c\n.*start= +81920, size= +32768, type=83/,
  );
});
