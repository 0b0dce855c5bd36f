import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { needs, run } from "../../../test/tools.ts";
import type { ReadableDisk } from "../../base/disk.ts";
import { makeDemoImage } from "../demo-image.ts";
import { makeFat32 } from "../demo-image-fat.ts";
import { addImage } from "../images.ts";
import { inspectImage } from "./inspect.ts";
import { kernelVersion } from "./kernel-version.ts";

const folder = mkdtempSync(join(tmpdir(), "bramble-inspect-"));
after(() => rmSync(folder, { recursive: true, force: true }));
let demo: Buffer;
before(async () => {
  await makeDemoImage(join(folder, "demo.img"));
  demo = readFileSync(join(folder, "demo.img"));
});

const diskOf = (bytes: Uint8Array): ReadableDisk => ({
  size: bytes.length,
  read(into, offset) {
    assert.ok(offset >= 0 && offset + into.length <= bytes.length, "read outside the disk");
    into.set(bytes.subarray(offset, offset + into.length));
  },
});

const BOOT = 4 << 20;
const ROOT = 40 << 20;

/** Where things lie in the demo image's FAT32: 512-byte clusters. */
function fatLayout(bytes: Buffer) {
  const table = BOOT + bytes.readUInt16LE(BOOT + 14) * 512;
  const data = table + 2 * bytes.readUInt32LE(BOOT + 36) * 512;
  const cluster = (n: number) => data + (n - 2) * 512;
  /** The short entry of a name, in a folder of one or more adjacent clusters. */
  const entry = (first: number, name: string) => {
    const at = bytes.indexOf(name.padEnd(11), cluster(first), "latin1");
    assert.ok(at > 0, `${name} is not there`);
    return at;
  };
  return {
    table,
    cluster,
    entry,
    first: (at: number) => bytes.readUInt16LE(at + 20) * 65536 + bytes.readUInt16LE(at + 26),
  };
}

test("inspectImage() says what is on a disk image, and which boards it boots", async () => {
  const facts = await inspectImage(diskOf(demo));
  assert.equal(facts.scheme, "mbr");
  assert.deepEqual(
    facts.partitions.map(({ number, filesystem, label, partUuid }) => [number, filesystem, label, partUuid]),
    [
      [1, "fat32", "BOOTFS", "b0071234-01"],
      [2, "ext4", "rootfs", "b0071234-02"],
    ],
  );
  assert.equal(facts.bootPartition, 1);
  assert.equal(facts.rootPartition, 2);
  assert.equal(facts.root, "PARTUUID=b0071234-02");
  assert.match(facts.cmdline ?? "", /^console=serial0,115200 .* resize$/);
  assert.deepEqual(facts.distribution, {
    id: "demo",
    version: "1",
    codename: "demo",
    prettyName: "Demo image (no real system)",
  });
  assert.deepEqual(
    facts.kernels.map(({ file, version, modulesPath }) => [file, version, modulesPath]),
    [
      ["kernel8.img", "6.12.99-demo-v8", "usr/lib/modules/6.12.99-demo-v8"],
      ["kernel_2712.img", "6.12.99-demo-2712", "usr/lib/modules/6.12.99-demo-2712"],
    ],
  );
  assert.deepEqual(
    facts.models.filter(({ boots }) => !boots).map(({ model }) => model),
    ["1B", "2B"],
  );
  assert.deepEqual(facts.notes, []);
});

test("inspectImage() says in words what an image lacks; the import takes it all the same", async () => {
  for (const [bytes, words] of [
    [Buffer.alloc(1 << 20), /no partition/],
    [Buffer.alloc(1 << 20, "noise"), /no partition/],
    [Buffer.from(demo.subarray(0, 1 << 20)), /./],
  ] as const) {
    const facts = await inspectImage(diskOf(bytes));
    assert.match(facts.notes.join("; "), words);
    assert.deepEqual(facts.models, []);
    const source = join(folder, "bare.img");
    writeFileSync(source, bytes);
    const image = await addImage({ data: join(folder, "data"), source });
    assert.deepEqual(image.facts.notes, facts.notes);
  }
});

test("inspectImage() of a GPT disk without a FAT partition says that no board finds anything on it", async (t) => {
  if (!needs(t, "sfdisk", "fdisk") || !needs(t, "mke2fs", "e2fsprogs")) return;
  const path = join(folder, "gpt.img");
  writeFileSync(path, "");
  truncateSync(path, 16 << 20);
  run("sfdisk", ["-q", path], { input: "label: gpt\nstart=2048, size=16384, type=L, name=system\n" });
  run("mke2fs", ["-q", "-F", "-t", "ext4", "-E", "offset=1048576", path, "8M"]);
  const facts = await inspectImage(diskOf(readFileSync(path)));
  assert.equal(facts.scheme, "gpt");
  assert.equal(facts.partitions[0]?.name, "system");
  assert.equal(facts.partitions[0]?.filesystem, "ext4");
  assert.equal(facts.bootPartition, undefined);
  assert.equal(facts.rootPartition, 1);
  assert.match(facts.notes.join("; "), /no FAT partition.*no os-release/);
});

/** A disk with FAT32 partitions of these files, one after the other; no root. */
async function fatDisk(...partitions: Record<string, string>[]): Promise<Buffer> {
  const size = 36 << 20;
  const disk = Buffer.alloc((1 << 20) + partitions.length * size);
  for (const [i, files] of partitions.entries()) {
    const at = (1 << 20) + i * size;
    const bytes = Object.entries(files).map(([name, text]): [string, Uint8Array] => [
      name,
      Buffer.from(text),
    ]);
    disk.set(await makeFat32({ size, label: `FAT${i}`, volumeId: i, files: new Map(bytes) }), at);
    disk[446 + i * 16 + 4] = 0x0c;
    disk.writeUInt32LE(at / 512, 446 + i * 16 + 8);
    disk.writeUInt32LE(size / 512, 446 + i * 16 + 12);
  }
  disk.writeUInt16LE(0xaa55, 510);
  return disk;
}

test("inspectImage() knows a boot partition that has only config.txt, and says what each family of boards lacks", async () => {
  const facts = await inspectImage(
    diskOf(await fatDisk({ "README.txt": "x" }, { "config.txt": "arm_64bit=1\n" })),
  );
  assert.equal(facts.bootPartition, 2);
  const told = facts.notes.join("\n");
  assert.match(
    told,
    /a Pi 5, .*\(its firmware is in its EEPROM\) lacks one of \(kernel_2712\.img, kernel8\.img\)/,
  );
  assert.match(told, /a Pi 4B, .* lacks start4\.elf, fixup4\.dat, kernel8\.img/);
  assert.doesNotMatch(told, /is taken for the boot partition/);
  assert.equal(facts.models.find(({ model }) => model === "5")?.lacks.includes("config.txt"), false);
});

test("inspectImage() says so where it takes a FAT partition without any boot file for the boot partition", async () => {
  const facts = await inspectImage(diskOf(await fatDisk({ "README.txt": "x" })));
  assert.equal(facts.bootPartition, 1);
  assert.match(
    facts.notes.join("\n"),
    /partition 1 is taken for the boot partition.* no config\.txt, start\*\.elf or kernel/,
  );
});

test("inspectImage() comes to an end with a folder that holds itself", async () => {
  const bytes = Buffer.from(demo);
  const { entry, first } = fatLayout(bytes);
  const overlays = first(entry(2, "OVERLAYS"));
  const readme = entry(overlays, "README");
  bytes[readme + 11] = 0x10;
  bytes.writeUInt16LE(overlays >>> 16, readme + 20);
  bytes.writeUInt16LE(overlays & 0xffff, readme + 26);
  const facts = await inspectImage(diskOf(bytes));
  assert.match(facts.notes.join("; "), /overlays.*(holds itself|nested too deeply)/);
  assert.equal(facts.bootPartition, 1);
});

test("inspectImage() notes a chain of clusters that runs in a circle", async () => {
  const bytes = Buffer.from(demo);
  const { table, entry, first } = fatLayout(bytes);
  const overlays = first(entry(2, "OVERLAYS"));
  bytes.writeUInt32LE(overlays, table + overlays * 4);
  const facts = await inspectImage(diskOf(bytes));
  assert.match(facts.notes.join("; "), /overlays of the boot partition cannot be read/);
  assert.equal(facts.models.find(({ model }) => model === "4B")?.boots, true, "the rest was not looked at");
});

test("inspectImage() never throws for what is on a disk", async () => {
  const spots = [
    0,
    440,
    BOOT,
    BOOT + 512,
    BOOT + 16384,
    BOOT + 607232,
    ROOT + 1024,
    ROOT + 4096,
    ROOT + 8192,
    ROOT + 32768,
  ];
  const damage = fc.record({
    spot: fc.constantFrom(...spots),
    at: fc.nat(511),
    bytes: fc.uint8Array({ minLength: 1, maxLength: 24 }),
  });
  let noted = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(damage, { minLength: 1, maxLength: 4 }), async (wounds) => {
      const old = wounds.map(({ spot, at, bytes }) =>
        Buffer.from(demo.subarray(spot + at, spot + at + bytes.length)),
      );
      for (const { spot, at, bytes } of wounds) demo.set(bytes, spot + at);
      try {
        const facts = await inspectImage(diskOf(demo));
        if (facts.notes.length > 0) noted++;
      } finally {
        for (const [i, { spot, at }] of [...wounds.entries()].reverse()) demo.set(old[i] ?? [], spot + at);
      }
    }),
    { numRuns: 60 },
  );
  assert.ok(noted > 5, `only ${noted} of 60 damaged disks were noticed: the wounds are in the wrong places`);
});

const fileOf = (bytes: Uint8Array) => ({ size: bytes.length, read: diskOf(bytes).read });
const image = Buffer.concat([
  Buffer.alloc(300_000, 1),
  Buffer.from("x %s version %s Linux version %s\0Linux version 6.12.47+rpt-rpi-v8 (a@b) #1\0"),
  Buffer.alloc(70_000, 2),
]);

test("kernelVersion() finds the banner in each kind of kernel that Pis load", async () => {
  const zimage = Buffer.concat([
    Buffer.alloc(5000, 0xe1),
    Buffer.from([0x1f, 0x8b, 8, 0, 9]),
    Buffer.alloc(9000),
    gzipSync(image),
    Buffer.alloc(900, 3),
  ]);
  const payload = gzipSync(image);
  const zboot = Buffer.concat([Buffer.alloc(4096), payload, Buffer.alloc(100)]);
  zboot.write("MZ\0\0zimg", "latin1");
  zboot.writeUInt32LE(4096, 8);
  zboot.writeUInt32LE(payload.length, 12);
  zboot.write("gzip\0", 24, "latin1");
  for (const [what, bytes] of Object.entries({ image, gzipped: gzipSync(image), zimage, zboot })) {
    assert.equal(await kernelVersion(fileOf(bytes)), "6.12.47+rpt-rpi-v8", what);
  }
});

test("kernelVersion() finds a banner wherever it is cut by our reading in pieces", async () => {
  const banner = Buffer.from("Linux version 6.1.0-rpi (x) #1");
  for (let before = (1 << 18) - banner.length - 1; before <= (1 << 18) + 1; before++) {
    const bytes = Buffer.concat([Buffer.alloc(before), banner, Buffer.alloc(100)]);
    assert.equal(await kernelVersion(fileOf(bytes)), "6.1.0-rpi", `at ${before}`);
  }
});

test("kernelVersion() is undefined for what says none: no kernel, a damaged one, a file too small", async () => {
  for (const bytes of [
    Buffer.alloc(10),
    Buffer.alloc(1 << 20, 7),
    gzipSync(image).subarray(0, 150),
    Buffer.from([0x1f, 0x8b, ...Buffer.alloc(100)]),
  ]) {
    assert.equal(await kernelVersion(fileOf(bytes)), undefined);
  }
});
