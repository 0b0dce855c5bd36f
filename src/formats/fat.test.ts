import assert from "node:assert/strict";
import { mkdirSync, readFileSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import fc from "fast-check";
import { bytesOnDisk, fileOnDisk, scratch } from "../../test/readers.ts";
import { needs, run } from "../../test/tools.ts";
import { readAll, type Tree } from "../base/tree.ts";
import { openFat } from "./fat.ts";

const tools = (t: TestContext) => needs(t, "mkfs.fat", "dosfstools") && needs(t, "mcopy", "mtools");

function volume(t: TestContext, megabytes: number, ...options: string[]): string {
  const path = join(scratch(t), "fat.img");
  writeFileSync(path, "");
  truncateSync(path, megabytes * 1024 * 1024);
  run("mkfs.fat", [...options, path]);
  return path;
}

/** Every path of a tree; directories end in "/". */
async function paths(tree: Tree, folder = ""): Promise<string[]> {
  const found: string[] = [];
  for (const entry of await tree.list(folder)) {
    const path = folder ? `${folder}/${entry.name}` : entry.name;
    if (entry.kind !== "directory") found.push(path);
    else found.push(`${path}/`, ...(await paths(tree, path)));
  }
  return found.sort();
}

const LONG = `a very long name ${"x".repeat(180)}.dat`;

for (const [kind, megabytes, options] of [
  ["fat12", 4, ["-F", "12"]],
  ["fat16", 20, ["-F", "16", "-s", "2"]],
  ["fat32", 66, ["-F", "32", "-s", "1"]],
  ["fat32", 300, ["-F", "32", "-s", "8"]],
] as const) {
  test(`${kind} (${options.join(" ")}): files, names and sizes are those that mtools wrote`, async (t) => {
    if (!tools(t)) return;
    const path = volume(t, megabytes, "-n", "BOOTFS", "-i", "1234abcd", ...options);
    const folder = join(scratch(t), "in");
    mkdirSync(join(folder, "overlays", "Deep Er"), { recursive: true });
    const files = new Map<string, Uint8Array>();
    const add = (name: string, bytes: Uint8Array) => {
      files.set(name, bytes);
      writeFileSync(join(folder, name), bytes);
    };
    add("config.txt", Buffer.from("arm_64bit=1\n"));
    add(
      "KERNEL8.IMG",
      Uint8Array.from({ length: 300_001 }, (_, i) => i ^ (i >> 8)),
    );
    add("empty", new Uint8Array(0));
    add("Überraschung €.txt", Buffer.from("long"));
    add(LONG, Buffer.from("longer"));
    for (let i = 0; i < 150; i++) add(`overlays/over-lay-${i}.dtbo`, Buffer.alloc(i * 7, i));
    add("overlays/Deep Er/x", new Uint8Array(513));
    run("mcopy", ["-s", "-i", path, join(folder, "overlays"), ...[...files.keys()].filter((f) => !f.includes("/")).map((f) => join(folder, f)), "::/"]); // biome-ignore format: one command
    // Holes in the chains: remove, then write something that has to go round what stayed.
    run("mdel", ["-i", path, ...[3, 50, 120].map((i) => `::/overlays/over-lay-${i}.dtbo`)]);
    for (const i of [3, 50, 120]) files.delete(`overlays/over-lay-${i}.dtbo`);
    add(
      "scattered",
      Uint8Array.from({ length: 123_457 }, (_, i) => i % 251),
    );
    run("mcopy", ["-i", path, join(folder, "scattered"), "::/"]);

    const fat = await openFat(fileOnDisk(t, path));
    assert.deepEqual([fat.kind, fat.label, fat.volumeId], [kind, "BOOTFS", "1234-ABCD"]);
    assert.deepEqual(await paths(fat), [...files.keys(), "overlays/", "overlays/Deep Er/"].sort());
    for (const [name, bytes] of files) {
      const file = await fat.open(name);
      assert.ok(file, name);
      assert.ok(Buffer.from(bytes).equals(await readAll(file)), name);
      assert.equal((await fat.lookup(name))?.size, bytes.length);
    }
    const [free] = /([\d ]+) bytes free/.exec(run("mdir", ["-i", path, "::/"]))?.slice(1) ?? [];
    assert.equal(fat.freeBytes, Number(free?.replaceAll(/\D/g, "")));
    assert.ok(fat.totalBytes <= statSync(path).size && fat.totalBytes > statSync(path).size - 65536);
  });
}

test("a file is found in any case and by its 8.3 name, but the exact name wins", async (t) => {
  if (!tools(t)) return;
  const path = volume(t, 4);
  run("mcopy", ["-i", path, "-", "::/Some Long Name.txt"], { input: "1" });
  run("mcopy", ["-i", path, "-", "::/start4.elf"], { input: "2" });
  const fat = await openFat(fileOnDisk(t, path));
  for (const name of ["Some Long Name.txt", "SOME LONG NAME.TXT", "somelo~1.txt"]) {
    assert.equal((await fat.lookup(name))?.name, "Some Long Name.txt", name);
  }
  assert.equal((await fat.lookup("START4.ELF"))?.name, "start4.elf");
  assert.equal(await fat.lookup("start4.elf/x"), undefined);
  assert.equal(await fat.open("nothing"), undefined);
  assert.equal(await fat.open(""), undefined);
  assert.equal((await fat.lookup(""))?.kind, "directory");
  await assert.rejects(fat.list("start4.elf"), { code: "FILE_UNKNOWN" });
});

test("reads inside a file give its bytes wherever they start, and none beyond its end", async (t) => {
  if (!tools(t)) return;
  const path = volume(t, 4, "-s", "1");
  const bytes = Uint8Array.from({ length: 5000 }, (_, i) => (i * 7) & 255);
  run("mcopy", ["-i", path, "-", "::/file"], { input: bytes });
  const file = await (await openFat(fileOnDisk(t, path))).open("file");
  assert.ok(file);
  await fc.assert(
    fc.asyncProperty(fc.nat(5000), fc.nat(5000), async (a, b) => {
      const part = new Uint8Array(Math.abs(a - b));
      await file.read(part, Math.min(a, b));
      assert.deepEqual(part, bytes.slice(Math.min(a, b), Math.max(a, b)));
    }),
  );
  await assert.rejects(async () => file.read(new Uint8Array(2), 4999), { code: "DISK_RANGE" });
});

/** A small FAT12 volume: a file "file" in clusters 2 to 11 and a directory "dir" after it. */
function small(t: TestContext): Uint8Array {
  const path = volume(t, 1, "-F", "12", "-s", "1");
  run("mcopy", ["-i", path, "-", "::/file"], { input: new Uint8Array(5000) });
  run("mmd", ["-i", path, "::/dir"]);
  return new Uint8Array(readFileSync(path));
}

/** Overwrites the first table's 12-bit entry. */
function link(bytes: Uint8Array, cluster: number, next: number): Uint8Array {
  const out = bytes.slice();
  const at = 512 + Math.floor(cluster * 1.5);
  const old = (out[at] as number) | ((out[at + 1] as number) << 8);
  const pair = cluster & 1 ? (old & 0xf) | (next << 4) : (old & 0xf000) | next;
  out[at] = pair & 255;
  out[at + 1] = pair >> 8;
  return out;
}

test("chains that loop, end early or lead nowhere are errors, not hangs", async (t) => {
  if (!tools(t)) return;
  const bytes = small(t);
  const open = async (cluster: number, next: number) =>
    (await openFat(bytesOnDisk(link(bytes, cluster, next)))).open("file");
  assert.equal((await open(11, 0xfff))?.size, 5000);
  await assert.rejects(open(5, 3), { code: "FORMAT_VALUE", message: /loops/ });
  await assert.rejects(open(5, 0xfff), { code: "FORMAT_VALUE", message: /ends after 4 of 10/ });
  await assert.rejects(open(5, 0), { code: "FORMAT_VALUE", message: /leads to cluster 0/ });
  await assert.rejects(open(5, 0xff0), { code: "FORMAT_VALUE", message: /leads to cluster/ });
  const round = await openFat(bytesOnDisk(link(bytes, 12, 12)));
  await assert.rejects(round.list("dir"), { code: "FORMAT_VALUE", message: /loops/ });
});

test("a directory that holds itself is an error before anybody walks it forever", async (t) => {
  if (!tools(t)) return;
  const bytes = small(t);
  // "dir" lies in cluster 12: its third record (after "." and "..") becomes a directory called "DIR" in cluster 12.
  const record = bytes.indexOf(0x2e, 512 * 20) + 64;
  bytes.set(Buffer.from("DIR        "), record);
  bytes[record + 11] = 0x10;
  bytes[record + 26] = 12;
  const fat = await openFat(bytesOnDisk(bytes));
  assert.equal((await fat.list("dir"))[0]?.name, "DIR");
  await assert.rejects(paths(fat), { code: "FORMAT_VALUE", message: /holds itself/ });
});

test("whatever bytes are damaged: data or a BrambleError, in bounded time", async (t) => {
  if (!tools(t)) return;
  const bytes = small(t);
  const damage = fc.array(fc.tuple(fc.oneof(fc.nat(64), fc.nat(16 * 1024)), fc.nat(255)), {
    minLength: 1,
    maxLength: 8,
  });
  await fc.assert(
    fc.asyncProperty(damage, async (changes) => {
      const broken = bytes.slice();
      for (const [at, value] of changes) broken[at] = value;
      try {
        const fat = await openFat(bytesOnDisk(broken));
        for (const path of await paths(fat)) {
          const file = await fat.open(path);
          if (file) await readAll(file);
        }
      } catch (error) {
        assert.match((error as { code?: string }).code ?? String(error), /^FORMAT_/);
      }
    }),
    { numRuns: process.env["BRAMBLE_LONG"] ? 3000 : 150 },
  );
});
