import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, test } from "node:test";
import { needs, run } from "../../test/tools.ts";
import type { BrambleError, Code } from "../base/errors.ts";
import { readAll } from "../base/tree.ts";
import { addFirmware, findFirmware, listFirmware, openFirmware, removeFirmware } from "./firmware.ts";

const folder = mkdtempSync(join(tmpdir(), "bramble-firmware-"));
after(() => rmSync(folder, { recursive: true, force: true }));
let count = 0;
const freshData = () => join(folder, `data${++count}`);

const FILES: Record<string, string> = {
  "bootcode.bin": "boot code",
  "start4.elf": "the start file ".repeat(20_000),
  "fixup4.dat": "fixup",
  "bcm2711-rpi-4-b.dtb": "tree",
  "overlays/disable-bt.dtbo": "overlay",
  "overlays/README": "read me",
};

function tree(root: string, files: Record<string, string>): string {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, root, path)), { recursive: true });
    writeFileSync(join(folder, root, path), text);
  }
  return join(folder, root);
}
const boot = tree("firmware-1.20250430/boot", FILES);
tree("firmware-1.20250430", { "README.md": "not a boot file", "hardfp/opt/vc/lib/libx.so": "nor this" });

const fails = (code: Code, words: RegExp) => (error: BrambleError) => {
  assert.equal(error.code, code, error.message);
  assert.match(`${error.message} (${error.hint})`, words);
  return true;
};

async function contents(data: string, ref: string): Promise<Record<string, string>> {
  const set = await openFirmware(data, ref);
  const found: Record<string, string> = {};
  const walk = async (path: string) => {
    for (const { name, kind, size } of await set.list(path)) {
      const inside = path === "" ? name : `${path}/${name}`;
      if (kind === "directory") await walk(inside);
      else {
        const file = await set.open(inside);
        assert.ok(file);
        assert.equal(file.size, size);
        found[inside] = Buffer.from(await readAll(file)).toString();
      }
    }
  };
  await walk("");
  return found;
}

test("addFirmware() takes a folder, any packing of tar, and a .zip: the same set of files", async (t) => {
  if (
    !needs(t, "tar", "tar") ||
    !needs(t, "xz", "xz-utils") ||
    !needs(t, "zstd", "zstd") ||
    !needs(t, "zip", "zip")
  )
    return;
  const packs = {
    "firmware-1.20250430.tar": ["tar", "-cf"],
    "firmware-1.20250430.tar.gz": ["tar", "-czf"],
    "firmware-1.20250430.tar.xz": ["tar", "-cJf"],
    "firmware-1.20250430.tar.zst": ["tar", "--zstd", "-cf"],
    "firmware-1.20250430.tgz": ["tar", "-czf"],
  };
  const sources = [boot];
  for (const [name, [tool = "", ...args]] of Object.entries(packs)) {
    run(tool, [...args, join(folder, name), "-C", folder, "firmware-1.20250430"]);
    sources.push(join(folder, name));
  }
  run("sh", ["-c", `cd ${folder} && zip -qr firmware-1.20250430.zip firmware-1.20250430`]);
  sources.push(join(folder, "firmware-1.20250430.zip"));
  for (const source of sources) {
    const data = freshData();
    const set = await addFirmware({ data, source });
    assert.equal(`${set.name}:${set.version}`, "firmware:1.20250430", source);
    assert.deepEqual(await contents(data, "firmware"), FILES, source);
    assert.deepEqual(
      set.files.map(({ path, size, sha256 }) => [path, size, sha256]),
      Object.entries(FILES)
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([path, text]) => [path, text.length, createHash("sha256").update(text).digest("hex")]),
    );
    assert.deepEqual(await listFirmware(data), [set]);
    assert.deepEqual(readdirSync(join(data, "firmware", ".incoming")), []);
  }
});

test("addFirmware() takes a Debian package with its name and version", async (t) => {
  if (!needs(t, "dpkg-deb", "dpkg")) return;
  const control =
    "Package: raspi-firmware\nVersion: 1:1.20240424+ds-6\nArchitecture: all\nMaintainer: x <x@y>\nDescription: x\n";
  const deb = tree("deb", { "DEBIAN/control": control });
  tree("deb/usr/lib/raspi-firmware", FILES);
  tree("deb/usr/share/doc/raspi-firmware", { copyright: "x", "config.txt": "an example" });
  for (const packing of ["xz", "gzip", "zstd"]) {
    const path = join(folder, `${packing}.deb`);
    run("dpkg-deb", ["--root-owner-group", `-Z${packing}`, "-b", deb, path]);
    const data = freshData();
    const set = await addFirmware({ data, source: path });
    assert.equal(`${set.name}:${set.version}`, "raspi-firmware:1.20240424+ds-6");
    assert.deepEqual(await contents(data, "raspi-firmware"), FILES);
  }
});

test("addFirmware() follows links to files of the set, and none that leave it", async (t) => {
  const linked = tree("linked", { "start.elf": "start", "../secret": "secret" });
  symlinkSync("start.elf", join(linked, "start_x.elf"));
  symlinkSync("../secret", join(linked, "stolen.dat"));
  const data = freshData();
  await addFirmware({ data, source: linked, name: "links:1" });
  const wanted = { "start.elf": "start", "start_x.elf": "start" };
  assert.deepEqual(await contents(data, "links"), wanted);
  if (!needs(t, "tar", "tar")) return;
  run("tar", ["-cf", join(folder, "links.tar"), "--transform=s,^evil,../../evil,", "-C", linked, "."]);
  await addFirmware({ data, source: join(folder, "links.tar"), name: "links:2" });
  assert.deepEqual(await contents(data, "links:2"), wanted);
});

test("addFirmware() drops archive members that would leave their folder", async (t) => {
  if (!needs(t, "tar", "tar")) return;
  const evil = tree("evil", { "start.elf": "start", "escape.dat": "out" });
  run("tar", [
    "-Pcf",
    join(folder, "evil.tar"),
    "--transform=s,escape,../../../escape,",
    "-C",
    evil,
    "start.elf",
    "escape.dat",
  ]);
  assert.match(run("tar", ["-Ptf", join(folder, "evil.tar")]), /\.\.\/escape/);
  const data = freshData();
  await addFirmware({ data, source: join(folder, "evil.tar"), name: "evil:1" });
  assert.deepEqual(await contents(data, "evil"), { "start.elf": "start" });
  assert.equal(existsSync(join(folder, "escape.dat")) || existsSync(join(data, "escape.dat")), false);
});

test("addFirmware() of the same set again is that set; of another one under its name it is refused", async () => {
  const data = freshData();
  const set = await addFirmware({ data, source: boot, name: "fw:1" });
  assert.deepEqual(await addFirmware({ data, source: boot, name: "fw:1" }), set);
  const other = tree("other", { ...FILES, "start.elf": "one more" });
  await assert.rejects(addFirmware({ data, source: other, name: "fw:1" }), fails("IMAGE_NAME_TAKEN", /fw:1/));
  await addFirmware({ data, source: other, name: "fw:2" });
  await assert.rejects(
    findFirmware(data, "fw"),
    fails("FIRMWARE_UNKNOWN", /2 versions.*fw:2, fw:1|fw:1, fw:2/),
  );
  await assert.rejects(findFirmware(data, "none"), fails("FIRMWARE_UNKNOWN", /none.*fw:/));
  assert.deepEqual((await listFirmware(data)).map(({ version }) => version).sort(), ["1", "2"]);
});

test("addFirmware() says what is wrong with a source, and leaves nothing", async (t) => {
  if (!needs(t, "tar", "tar") || !needs(t, "xz", "xz-utils")) return;
  run("tar", ["-cJf", join(folder, "cut.tar.xz"), "-C", folder, "firmware-1.20250430"]);
  const cut = readFileSync(join(folder, "cut.tar.xz"));
  writeFileSync(join(folder, "cut.tar.xz"), cut.subarray(0, cut.length / 2));
  writeFileSync(join(folder, "words.txt"), "these are only words");
  writeFileSync(join(folder, "cut.deb"), "!<arch>\ndebian-binary   ");
  const data = freshData();
  for (const [source, code, words] of [
    [join(folder, "cut.tar.xz"), "IMAGE_DAMAGED", /cut.tar.xz/],
    [join(folder, "cut.deb"), "IMAGE_DAMAGED", /cut.deb/],
    [join(folder, "words.txt"), "BAD_INPUT|IMAGE_DAMAGED", /words.txt/],
    [tree("no-boot-files", { README: "x" }), "BAD_INPUT", /no boot files/],
    [join(folder, "not-there"), "FILE_UNKNOWN", /not-there/],
  ] as const) {
    await assert.rejects(addFirmware({ data, source }), (error: BrambleError) => {
      assert.match(error.code, new RegExp(`^(${code})$`));
      return fails(error.code, words)(error);
    });
  }
  assert.deepEqual(await listFirmware(data), []);
  assert.deepEqual(
    existsSync(join(data, "firmware")) ? readdirSync(join(data, "firmware"), { recursive: true }) : [],
    [".incoming"],
  );
});

test("removeFirmware() names the profiles that use a set; without any it is gone", async () => {
  const data = freshData();
  const set = await addFirmware({ data, source: boot, name: "fw:1" });
  const inUse = () => ["default"];
  await assert.rejects(removeFirmware(data, "fw", { inUse }), fails("FIRMWARE_IN_USE", /default/));
  assert.deepEqual(await removeFirmware(data, "fw", { inUse: () => [] }), set);
  assert.deepEqual(await listFirmware(data), []);
  await addFirmware({ data, source: boot, name: "fw:1" });
});

test("openFirmware() gives a tree that nobody climbs out of", async () => {
  const data = freshData();
  await addFirmware({ data, source: boot, name: "fw:1" });
  const set = await openFirmware(data, "fw:1");
  for (const path of [
    "../manifest.json",
    "overlays/../../manifest.json",
    "..",
    "a/./b",
    "start4.elf/x",
    "nul\0",
    "x".repeat(5000),
  ]) {
    assert.equal(await set.open(path), undefined, path);
    assert.equal(await set.lookup(path), undefined, path);
    await assert.rejects(set.list(path), fails("FILE_UNKNOWN", /./));
  }
  assert.equal(await set.open("overlays"), undefined);
  assert.equal((await set.lookup("overlays"))?.kind, "directory");
  assert.equal((await set.lookup(""))?.kind, "directory");
  const file = await set.open("bootcode.bin");
  const some = new Uint8Array(4);
  await file?.read(some, 5);
  assert.equal(Buffer.from(some).toString(), "code");
  assert.throws(() => file?.read(some, 6), fails("DISK_RANGE", /bootcode.bin/));
});
