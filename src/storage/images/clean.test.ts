import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { type TestContext, test } from "node:test";
import { needs, run, which } from "../../../test/tools.ts";
import { BrambleError } from "../../base/errors.ts";
import { readAll } from "../../base/tree.ts";
import { openExt4 } from "../../formats/ext4.ts";
import { slice } from "../../formats/slice.ts";
import { cleanImage } from "./clean.ts";
import { CLEANING_RULES } from "./cleaning-policy.ts";
import { RawFile } from "./raw-file.ts";

const MIB = 1 << 20;
const [FAT_AT, FAT_SIZE] = [1 * MIB, 8 * MIB];
const [ROOT_AT, ROOT_SIZE] = [9 * MIB, 64 * MIB];
const [SWAP_AT, SWAP_SIZE] = [73 * MIB, 4 * MIB];
const ID = "00112233445566778899aabbccddeeff";
/** What must be nowhere afterwards. */
const SECRETS = [
  ID,
  "HOSTKEY",
  "LOGLINE",
  "HISTORY",
  "SEEDHASH",
  "DELETED-ROOT",
  "DELETED-FAT",
  "SWAPPED",
  "OLDBOARD",
];
const big = (word: string) => `${word} `.repeat(3000);

const FILES: Record<string, string> = {
  "etc/machine-id": `${ID}\n`,
  "etc/hostname": "kept\n",
  "etc/passwd": big("KEPT-ACCOUNT"),
  "etc/ssh/ssh_host_ed25519_key": big("HOSTKEY"),
  "etc/ssh/sshd_config": "KEPT-CONFIG",
  [`var/log/journal/${ID}/system.journal`]: big("LOGLINE"),
  'var/log/odd\nname "with" <everything>': "LOGLINE",
  "var/lib/cloud/seed/nocloud/user-data": big("SEEDHASH"),
  "var/lib/bramble/board": "OLDBOARD",
  "root/.bash_history": "HISTORY",
  "home/ada/.bash_history": big("HISTORY"),
  "home/ada/notes": big("KEPT-NOTES"),
  "srv/bulk": big("DELETED-ROOT"),
  "srv/stays": big("KEPT-BULK"),
};

/** A card with FAT, ext4 and swap, as a node leaves it: deleted files are still in its free space. */
function card(t: TestContext): string | undefined {
  for (const [tool, from] of [
    ["sfdisk", "fdisk"],
    ["mkfs.vfat", "dosfstools"],
    ["mcopy", "mtools"],
    ["mke2fs", "e2fsprogs"],
    ["debugfs", "e2fsprogs"],
    ["mkswap", "util-linux"],
  ] as const)
    if (!needs(t, tool, from)) return undefined;
  const folder = mkdtempSync(join(tmpdir(), "clean-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const root = join(folder, "root");
  for (const [path, text] of Object.entries(FILES)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  symlinkSync("/srv", join(root, "var/log/elsewhere"));
  mkdirSync(join(root, "tmp"));
  const disk = join(folder, "card.img");
  writeFileSync(disk, "");
  truncateSync(disk, 80 * MIB);
  const rows = [
    [FAT_AT, FAT_SIZE, "c"],
    [ROOT_AT, ROOT_SIZE, "83"],
    [SWAP_AT, SWAP_SIZE, "82"],
  ] as const;
  run("sfdisk", ["-q", disk], {
    input: `label: dos\n${rows.map(([at, size, type]) => `${at / 512},${size / 512},${type}\n`).join("")}`,
  });
  const part = (name: string, size: number) => {
    const path = join(folder, name);
    writeFileSync(path, "");
    truncateSync(path, size);
    return path;
  };
  const place = (from: string, at: number) =>
    execFileSync("dd", [`if=${from}`, `of=${disk}`, "bs=1M", `seek=${at / MIB}`, "conv=notrunc,sparse"], {
      stdio: "ignore",
    });
  const fat = part("fat", FAT_SIZE);
  run("mkfs.vfat", [fat]);
  for (const [name, text] of [
    ["KEPT.TXT", big("KEPT-BOOT")],
    ["GONE.TXT", big("DELETED-FAT")],
  ] as const) {
    writeFileSync(join(folder, name), text);
    run("mcopy", ["-i", fat, join(folder, name), "::/"]);
  }
  run("mdel", ["-i", fat, "::/GONE.TXT"]);
  place(fat, FAT_AT);
  const ext = part("ext", ROOT_SIZE);
  run("mke2fs", ["-q", "-F", "-t", "ext4", "-d", root, ext]);
  execFileSync(which("debugfs") ?? "debugfs", ["-w", "-R", "rm /srv/bulk", ext], { stdio: "ignore" });
  place(ext, ROOT_AT);
  const swap = part("swap", SWAP_SIZE);
  run("mkswap", [swap]);
  writeFileSync(swap, "SWAPPED", { flag: "r+" });
  const page = readFileSync(swap);
  page.write("SWAPPED", MIB);
  page.fill(0, 0, 7);
  writeFileSync(swap, page);
  place(swap, SWAP_AT);
  return disk;
}

const holds = (disk: string, word: string) => readFileSync(disk).includes(word);
const tool = (name: string, ...args: string[]) =>
  execFileSync(which(name) ?? name, args, { stdio: "ignore" });
const check = (disk: string) => tool("e2fsck", "-f", "-n", `${disk}?offset=${ROOT_AT}`);
/** Without a page of it in the report. */
const same = (is: string | undefined, wanted: string | undefined, what: string) =>
  assert.ok(is === wanted, what);

async function read(disk: string, path: string): Promise<string | undefined> {
  const raw = await RawFile.open(disk);
  try {
    const tree = await openExt4(slice(raw, ROOT_AT, ROOT_SIZE));
    const file = await tree.open(path);
    return file && Buffer.from(await readAll(file)).toString();
  } finally {
    await raw.close();
  }
}

test("cleanImage() leaves nothing of the node in any byte, and everything else as it was", async (t) => {
  const disk = card(t);
  if (!disk) return;
  for (const word of SECRETS) assert.ok(holds(disk, word), `${word} is in there at first`);
  const { cleaned, notes } = await cleanImage(disk, { keep: [], rootPartition: 2 });
  assert.equal(cleaned.length, CLEANING_RULES.length);
  assert.deepEqual(notes, []);
  for (const word of SECRETS) assert.ok(!holds(disk, word), `${word} is still there`);
  check(disk);
  assert.equal(await read(disk, "etc/machine-id"), `${"0".repeat(32)}\n`);
  for (const path of ["etc/hostname", "etc/passwd", "etc/ssh/sshd_config", "home/ada/notes", "srv/stays"])
    same(await read(disk, path), FILES[path], path);
  for (const path of ["etc/ssh/ssh_host_ed25519_key", "var/lib/bramble/board", "root/.bash_history"])
    same(await read(disk, path), undefined, path);
  assert.ok(holds(disk, "KEPT-BOOT"), "a file of the boot partition");
  assert.ok(holds(disk, "SWAPSPACE2"), "swap is still swap");
  assert.ok(statSync(disk).blocks * 512 < 24 * MIB, "and a hole is still a hole");
});

test("cleanImage() keeps what it is told to keep", async (t) => {
  const disk = card(t);
  if (!disk) return;
  const keep = ["machine-id", "ssh-host-keys", "free-space"];
  const { cleaned } = await cleanImage(disk, { keep, rootPartition: 2 });
  assert.equal(cleaned.length, CLEANING_RULES.length - keep.length);
  assert.equal(await read(disk, "etc/machine-id"), `${ID}\n`);
  same(await read(disk, "etc/ssh/ssh_host_ed25519_key"), big("HOSTKEY"), "the host key");
  same(await read(disk, `var/log/journal/${ID}/system.journal`), undefined, "the journal");
  assert.ok(holds(disk, "DELETED-ROOT"));
  check(disk);
});

test("a root that was left in the middle is replayed first; one that cannot be read is refused with what to do", async (t) => {
  const disk = card(t);
  if (!disk) return;
  const refused = (code: string, words: RegExp) => (error: unknown) => {
    assert.ok(error instanceof BrambleError, String(error));
    assert.equal(error.code, code);
    assert.match(String(error.hint), words);
    return true;
  };
  await assert.rejects(
    cleanImage(disk, { keep: ["socks"], rootPartition: 2 }),
    refused("BAD_INPUT", /ssh-host-keys/),
  );
  await assert.rejects(
    cleanImage(disk, { keep: [], rootPartition: 1 }),
    refused("FORMAT_UNSUPPORTED", /--no-clean/),
  );
  await assert.rejects(
    cleanImage(disk, { keep: [], rootPartition: undefined }),
    refused("FORMAT_UNSUPPORTED", /--no-clean/),
  );
  // needs_recovery, and a journal with a block in it
  const block = `${disk}.block`;
  writeFileSync(block, "JOURNALLED".padEnd(4096, "."));
  execFileSync(which("debugfs") ?? "debugfs", ["-w", "-f", "-", `${disk}?offset=${ROOT_AT}`], {
    input: `jo -c\njw -b 15000 ${block}\njc\n`,
    stdio: ["pipe", "ignore", "ignore"],
  });
  assert.match(run("dumpe2fs", ["-h", `${disk}?offset=${ROOT_AT}`]), /needs_recovery/);
  assert.ok(holds(disk, "JOURNALLED"));
  await cleanImage(disk, { keep: [], rootPartition: 2 });
  check(disk);
  for (const word of [...SECRETS, "JOURNALLED"]) assert.ok(!holds(disk, word), `${word} is still there`);
});
