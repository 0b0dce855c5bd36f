import assert from "node:assert/strict";
import { readdirSync, rmSync } from "node:fs";
import { copyFile, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { readAll } from "../../src/base/tree.ts";
import { openExt4 } from "../../src/formats/ext4.ts";
import { type Clone, createClone, openClone } from "../../src/storage/clones/clone.ts";
import { HostFile } from "../../src/storage/clones/host-file.ts";
import { CutWorld } from "../../src/storage/clones/testing/cut-world.ts";
import { RawFile } from "../../src/storage/images/raw-file.ts";
import { Die } from "../../src/storage/testing/die.ts";
import { output } from "../bed/commands.ts";
import { contentOf, DISK_BYTES, FS, MARKS, recordGuest, SLOTS } from "../bed/ext4-guest.ts";
import { readWriteLog } from "../bed/write-log.ts";
import { QEMU, type Scenario } from "../scenario.ts";

/** BRAMBLE_LONG=1: the thousand of a night. */
const CUTS = process.env["BRAMBLE_LONG"] ? 1000 : 30;
const VERSIONS = 100;
/** What an earlier node left in clusters that were freed: must never be seen again. */
const SECRET = "a secret of the node before";

/**
 * A real guest's ext4: its writes and flushes are recorded, and go once more through a clone, with snapshots and merges beside them,
 * while the power is cut at random moments. After each cut the clone is whole, ext4's journal puts the file system right, every file that an
 * fsync had covered is there, and nothing that had been freed before.
 */
export const scenario: Scenario = {
  name: "power-cut-layers",
  tier: "full",
  budgetSeconds: process.env["BRAMBLE_LONG"] ? 3600 : 260,
  needs: [
    QEMU,
    { tool: "mke2fs", package: "e2fsprogs" },
    { tool: "e2fsck", package: "e2fsprogs" },
    { tool: "qemu-img", package: "qemu-utils" },
  ],
  assets: ["mini-image"],
  async run(t) {
    const { disk, log } = await recordGuest(t.folder, t.asset("mini-image"), VERSIONS);
    const counts = { write: 0, flush: 0, trim: 0 };
    for (const entry of readWriteLog(log)) counts[entry.do] += 1;
    t.say(`recorded: ${counts.write} writes, ${counts.flush} flushes, ${counts.trim} trims`);
    assert.ok(counts.write > 200 && counts.flush > VERSIONS, "a guest's life");
    const verdict: Verdict = { cuts: 0, files: 0, snapshots: 0, replayed: 0 };
    for (let seed = 1; verdict.cuts < CUTS; seed++) {
      const folder = join(t.folder, `world-${seed}`);
      await mkdir(folder);
      await copyFile(disk, join(folder, "empty.img"));
      await replay(folder, log, new Die(seed), verdict);
      rmSync(folder, { recursive: true });
    }
    t.say(`${verdict.cuts} cuts: ${verdict.files} files compared, ${verdict.replayed} journals replayed`);
    assert.ok(verdict.snapshots > 0 && verdict.replayed > 0, JSON.stringify(verdict));
  },
};

interface Verdict {
  cuts: number;
  files: number;
  snapshots: number;
  replayed: number;
}

/** The guest's life once more, on a clone; the power goes about every seventieth step, and in the middle of flushes. */
async function replay(folder: string, log: string, die: Die, verdict: Verdict): Promise<void> {
  await prepare(folder);
  const world = new CutWorld(folder, { die });
  const clone = await openClone(join(folder, "c.qcow2"), {
    ...{ bootId: "boot-1", hostFile: world.hostFile, hostFolder: world.hostFolder },
    commitMs: 50,
  });
  let promised = 0;
  /** Goes on while the guest writes and the power is cut. */
  let beside = Promise.resolve();
  const cut = async () => {
    const after = join(folder, "..", `cut-${verdict.cuts}`);
    world.leave(die, after);
    verdict.cuts += 1;
    await judge(after, promised, verdict);
    rmSync(after, { recursive: true });
  };
  for (const entry of readWriteLog(log)) {
    if (entry.do === "write") {
      promised = Math.max(promised, markOf(entry));
      await clone.write(entry.bytes, entry.offset);
    } else if (entry.do === "trim") await clone.trim(entry.offset, entry.length);
    else {
      const flushed = Promise.resolve(clone.flush());
      if (die.oneIn(25)) await cut(); // in the middle of it
      await flushed;
    }
    if (die.oneIn(75)) await cut();
    if (die.oneIn(100)) beside = beside.then(() => layers(clone, verdict));
  }
  await beside;
  await clone.close();
  await cut();
  world.close();
  assert.ok(promised >= VERSIONS - 1, `${promised} versions`);
}

/** Space that is freed stays in the file, with what was there. */
class KeepingFile extends HostFile {
  override punch(): Promise<boolean> {
    return Promise.resolve(false);
  }
}

/** A clone that reads as the image does, and in whose free clusters somebody else's bytes lie. */
async function prepare(folder: string): Promise<void> {
  const path = join(folder, "c.qcow2");
  const image = { path: join(folder, "empty.img"), size: DISK_BYTES, sha256: "0".repeat(64) };
  await createClone({ path, image });
  const clone = await openClone(path, { hostFile: (at, mode) => new KeepingFile(at, mode) });
  const line = new TextEncoder().encode(SECRET.repeat(2000));
  for (let at = FS.offset; at < FS.offset + FS.size; at += 65536) await clone.write(line, at);
  await clone.flush();
  await clone.trim(0, DISK_BYTES);
  await clone.flush();
  const bytes = await readFile(image.path);
  for (let at = 0; at < DISK_BYTES; at += 4096) {
    const block = bytes.subarray(at, at + 4096);
    if (block.some((byte) => byte !== 0)) await clone.write(block, at);
  }
  await clone.close();
  assert.ok((await readFile(path)).includes(SECRET), "the file still holds what was freed");
}

/** The version that the guest says is safe: its fsync had ended before. */
function markOf({ offset, bytes }: { offset: number; bytes: Uint8Array }): number {
  if (offset < MARKS.offset) return 0;
  let newest = 0;
  const text = Buffer.from(bytes).toString("latin1");
  for (const [, digits] of text.matchAll(/MARK(\d{8})/g)) newest = Math.max(newest, Number(digits));
  return newest;
}

let names = 0;
/** A snapshot, and the one before it dropped: layers come and go below the guest. */
async function layers(clone: Clone, verdict: { snapshots: number }): Promise<void> {
  const { chain } = clone;
  if (!chain) return;
  names += 1;
  await chain.snapshot(`s${names}`);
  verdict.snapshots += 1;
  const older = chain.list().filter(({ name }) => name !== `s${names}`);
  if (older.length > 1 && older[0]) await chain.drop(older[0].name);
}

async function judge(folder: string, promised: number, verdict: Verdict): Promise<void> {
  const where = `cut ${verdict.cuts}, ${promised} versions promised`;
  const path = join(folder, "c.qcow2");
  for (const name of readdirSync(folder).filter((one) => /^c\.qcow2(\.\d+)?$/.test(one)))
    await output("qemu-img", ["check", "-q", join(folder, name)]).catch((error) => {
      if (error.code !== 3) throw error; // 3: leaks, which the next open takes back
    });
  const clone = await openClone(path, { bootId: "boot-2", merges: false });
  const bytes = Buffer.alloc(clone.size);
  await clone.read(bytes, 0);
  await clone.close();
  await output("qemu-img", ["check", "-q", path]);
  assert.ok(!bytes.includes(SECRET), `${where}: bytes of a freed cluster`);
  // A file of its own: e2fsck 1.47 forgets an offset once it has replayed the journal.
  const fs = join(folder, "fs");
  await writeFile(fs, bytes.subarray(FS.offset, FS.offset + FS.size));
  await repair(fs, where, verdict);
  await expectFiles(fs, promised, where, verdict);
}

/** 0 and 1: it had to replay the journal, or finish a deletion. Anything else would be news to ext4. */
async function repair(at: string, where: string, verdict: { replayed: number }): Promise<void> {
  const said = await output("e2fsck", ["-p", at]).catch((error) => {
    if (error.code === 1) return String(error.stdout);
    throw new Error(`${where}: e2fsck -p: ${error.stdout}`);
  });
  if (said.includes("recovering journal")) verdict.replayed += 1;
  await output("e2fsck", ["-f", "-n", at]).catch((error) => {
    throw new Error(`${where}: e2fsck -fn: ${error.stdout}`);
  });
}

async function expectFiles(
  fs: string,
  promised: number,
  where: string,
  verdict: { files: number },
): Promise<void> {
  const disk = await RawFile.open(fs);
  try {
    const tree = await openExt4(disk);
    for (let slot = 0; slot < SLOTS; slot++) {
      const least = newestIn(slot, promised);
      const file = await tree.open(`file.${slot}`);
      if (!file) {
        assert.equal(least, 0, `${where}: file.${slot} is gone`);
        continue;
      }
      const bytes = Buffer.from(await readAll(file));
      const version = Number(/^version (\d+) /.exec(bytes.subarray(0, 40).toString())?.[1]);
      assert.ok(version >= least, `${where}: file.${slot} is version ${version}, was ${least} already`);
      assert.ok(
        bytes.equals(contentOf(version)),
        `${where}: file.${slot} is not what version ${version} was`,
      );
      verdict.files += 1;
    }
  } finally {
    await disk.close();
  }
}

/** The newest version up to `promised` that belongs in a slot; 0 for none. */
const newestIn = (slot: number, promised: number): number => {
  const version = promised - ((((promised - slot) % SLOTS) + SLOTS) % SLOTS);
  return Math.max(0, version);
};
