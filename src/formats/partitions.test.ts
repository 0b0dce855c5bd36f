import assert from "node:assert/strict";
import { readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import fc from "fast-check";
import { bytesOnDisk, fileOnDisk, scratch } from "../../test/readers.ts";
import { needs, run } from "../../test/tools.ts";
import { readPartitions } from "./partitions.ts";
import { slice } from "./slice.ts";

function blank(t: TestContext, megabytes: number): string {
  const path = join(scratch(t), "disk.img");
  writeFileSync(path, "");
  truncateSync(path, megabytes * 1024 * 1024);
  return path;
}

/** What sfdisk makes of it, in our words. */
function bySfdisk(path: string) {
  const { partitiontable: table } = JSON.parse(run("sfdisk", ["--json", path]));
  return {
    diskId: table.id.toLowerCase().replace("0x", ""),
    partitions: table.partitions
      .map((p: { node: string; start: number; size: number; type: string }) => ({
        number: Number(p.node.slice(path.length)),
        offset: p.start * 512,
        size: p.size * 512,
        type: p.type.toLowerCase().padStart(2, "0"),
      }))
      .filter((p: { type: string }) => p.type !== "05")
      .sort((a: { number: number }, b: { number: number }) => a.number - b.number),
  };
}

const plain = (table: Awaited<ReturnType<typeof readPartitions>>) => ({
  diskId: table.diskId,
  partitions: table.partitions.map(({ number, offset, size, type }) => ({ number, offset, size, type })),
});

const EXTENDED = `label: dos
label-id: 0xdeadbeef
size=8M,type=c,bootable
size=10M,type=83
size=50M,type=5
size=5M,type=83
size=5M,type=83
size=6M,type=82
size=7M,type=83
`;

test("an MBR with logical partitions is read as sfdisk reads it", async (t) => {
  if (!needs(t, "sfdisk", "fdisk")) return;
  const path = blank(t, 100);
  run("sfdisk", ["-q", path], { input: EXTENDED });
  const table = await readPartitions(fileOnDisk(t, path));
  assert.equal(table.scheme, "mbr");
  assert.deepEqual(plain(table), bySfdisk(path));
  assert.deepEqual(
    table.partitions.map((p) => p.number),
    [1, 2, 4, 5, 6, 7],
  );
  assert.equal(table.partitions[0]?.partUuid, "deadbeef-01");
  assert.deepEqual(
    table.partitions.map((p) => p.bootable),
    [true, false, false, false, false, false],
  );
});

const GPT = `label: gpt
size=8M,type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B,name=bootfs
size=10M,type=0FC63DAF-8483-4772-8E79-3D69D8477DE4,name=rootfs,attrs=LegacyBIOSBootable
`;

test("a GPT is read as sfdisk reads it, with names and PARTUUIDs as Linux writes them", async (t) => {
  if (!needs(t, "sfdisk", "fdisk")) return;
  const path = blank(t, 32);
  run("sfdisk", ["-q", path], { input: GPT });
  const table = await readPartitions(fileOnDisk(t, path));
  assert.equal(table.scheme, "gpt");
  assert.deepEqual(plain(table), bySfdisk(path));
  const { partitiontable } = JSON.parse(run("sfdisk", ["--json", path]));
  assert.deepEqual(
    table.partitions.map(({ name, partUuid }) => [name, partUuid]),
    partitiontable.partitions.map((p: { name: string; uuid: string }) => [p.name, p.uuid.toLowerCase()]),
  );
  assert.deepEqual(
    table.partitions.map((p) => p.bootable),
    [false, true],
  );
});

test("a GPT whose first header or entries are damaged is read from the backup; with both gone it is an error", async (t) => {
  if (!needs(t, "sfdisk", "fdisk")) return;
  const path = blank(t, 32);
  run("sfdisk", ["-q", path], { input: GPT });
  const sound = new Uint8Array(readFileSync(path));
  const want = await readPartitions(bytesOnDisk(sound));
  for (const at of [512 + 20, 512 + 60, 1024 + 5]) {
    const bytes = sound.slice();
    bytes[at] = (bytes[at] as number) ^ 1;
    assert.deepEqual(await readPartitions(bytesOnDisk(bytes)), want, `byte ${at}`);
    // The image grew since: the backup is where the protective MBR says that the disk ended.
    const grown = new Uint8Array(bytes.length + 8192);
    grown.set(bytes);
    assert.deepEqual(await readPartitions(bytesOnDisk(grown)), want, `byte ${at}, grown`);
    // Turned, not set: sfdisk draws the GUID that stands there, and each byte of it may be any.
    bytes[bytes.length - 512 + 60] = (bytes[bytes.length - 512 + 60] as number) ^ 1;
    await assert.rejects(readPartitions(bytesOnDisk(bytes)), { code: "FORMAT_VALUE", message: /no copy/ });
  }
});

test("sgdisk's GPT is read too, and a gap in its numbers stays a gap", async (t) => {
  if (!needs(t, "sgdisk", "gdisk")) return;
  const path = blank(t, 32);
  run("sgdisk", ["-n", "2:2048:+4M", "-c", "2:two", "-n", "7:0:+3M", "-t", "7:8200", path]);
  const table = await readPartitions(fileOnDisk(t, path));
  assert.deepEqual(
    table.partitions.map(({ number, offset, size, name, type }) => [
      number,
      offset,
      size,
      name,
      type.slice(0, 8),
    ]),
    [
      [2, 1 << 20, 4 << 20, "two", "0fc63daf"],
      [7, 5 << 20, 3 << 20, "", "0657fd6d"],
    ],
  );
});

/** An MBR by hand: entries of type, start, count. */
function mbr(sectors: number, tables: { [sector: number]: [number, number, number][] }): Uint8Array {
  const bytes = new Uint8Array(sectors * 512);
  const view = new DataView(bytes.buffer);
  for (const [sector, entries] of Object.entries(tables)) {
    const at = Number(sector) * 512;
    view.setUint16(at + 510, 0xaa55, true);
    for (const [i, [type, start, count]] of entries.entries()) {
      bytes[at + 446 + i * 16 + 4] = type;
      view.setUint32(at + 446 + i * 16 + 8, start, true);
      view.setUint32(at + 446 + i * 16 + 12, count, true);
    }
  }
  return bytes;
}

test("logical partitions in a circle, and partitions off the disk, are errors", async () => {
  const circle = mbr(64, { 0: [[5, 10, 40]], 10: [[0x83, 1, 2], [5, 10, 5]], 20: [[0x83, 1, 2], [5, 0, 5]] }); // biome-ignore format: a table
  await assert.rejects(readPartitions(bytesOnDisk(circle)), { code: "FORMAT_VALUE", message: /loops/ });
  const off = mbr(64, { 0: [[0x83, 60, 5]] });
  await assert.rejects(readPartitions(bytesOnDisk(off)), {
    code: "FORMAT_VALUE",
    message: /partition 1 ends/,
  });
});

test("a blank disk, a tiny one and a file system without a table have none", async (t) => {
  assert.equal((await readPartitions(bytesOnDisk(new Uint8Array(4096)))).scheme, "none");
  assert.equal((await readPartitions(bytesOnDisk(new Uint8Array(10)))).scheme, "none");
  if (!needs(t, "mkfs.fat", "dosfstools")) return;
  const path = blank(t, 4);
  run("mkfs.fat", [path]);
  assert.equal((await readPartitions(fileOnDisk(t, path))).scheme, "none");
});

test("any sectors give a table or a BrambleError", async () => {
  const entry = fc.tuple(fc.constantFrom(0, 5, 15, 0x83, 0xee), fc.nat(40), fc.nat(40));
  const table = fc.dictionary(fc.nat(31).map(String), fc.array(entry, { maxLength: 4 }), { maxKeys: 6 });
  await fc.assert(
    fc.asyncProperty(table, async (tables) => {
      const result = await readPartitions(bytesOnDisk(mbr(32, tables))).catch((error) => error);
      assert.ok("scheme" in result || result.code === "FORMAT_VALUE", String(result));
    }),
  );
});

test("a slice is a window that nobody looks out of", async () => {
  const disk = bytesOnDisk(Uint8Array.from({ length: 100 }, (_, i) => i));
  const window = slice(disk, 10, 20);
  const two = new Uint8Array(2);
  await window.read(two, 18);
  assert.deepEqual([...two], [28, 29]);
  assert.throws(() => window.read(two, 19), { code: "DISK_RANGE" });
  assert.throws(() => window.read(two, -1), { code: "DISK_RANGE" });
  assert.throws(() => slice(disk, 90, 20), { code: "DISK_RANGE" });
});
