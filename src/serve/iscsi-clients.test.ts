import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { promisify } from "node:util";
import { needs, run, which } from "../../test/tools.ts";
import type { Disk } from "../base/disk.ts";
import { createClone, openClone } from "../storage/clones/clone.ts";
import type { ChapSecrets } from "../wire/iscsi/chap.ts";
import { TARGET } from "../wire/iscsi/testing.ts";
import { serveIscsi } from "./iscsi.ts";
import { MIB, unitOf } from "./iscsi-testing.ts";
import { testDisk } from "./nbd-testing.ts";

const TOOLS = "libiscsi-bin";
/** QEMU's half, as seen from /usr/bin. */
const ISCSI_BLOCK = `../lib/${process.arch === "arm64" ? "aarch64" : "x86_64"}-linux-gnu/qemu/block-iscsi.so`;
const CHAP: ChapSecrets = {
  user: "pi01",
  secret: "0123456789abcdef",
  mutual: { user: "bramble", secret: "fedcba9876543210" },
};

const endings = new WeakMap<TestContext, (() => Promise<void>)[]>();
/** What was begun last ends first. */
function atEnd(t: TestContext, end: () => Promise<void>): void {
  const known = endings.get(t) ?? [];
  if (known.length === 0)
    t.after(async () => {
      for (const one of known.reverse()) await one();
    });
  known.push(end);
  endings.set(t, known);
}

async function served(
  t: TestContext,
  disk: Disk,
  chap?: ChapSecrets,
): Promise<{ port: number; url: string }> {
  const luns = new Map([[0, { unit: unitOf(disk.size), disk }]]);
  const session = { opened() {}, closed() {} };
  const server = await serveIscsi({
    host: "127.0.0.1",
    port: 0,
    find: (name) =>
      name === TARGET ? { name, chap, luns, session } : { refused: "no such target", final: "unknown" },
    discover: () => [TARGET],
  });
  atEnd(t, () => server.close());
  const who = chap ? `${chap.user}%${chap.secret}@` : "";
  return { port: server.port, url: `iscsi://${who}127.0.0.1:${server.port}/${TARGET}/0` };
}
const ask = async (tool: string, ...args: string[]): Promise<string> => {
  const { stdout, stderr } = await promisify(execFile)(which(tool) ?? tool, args, { timeout: 60_000 });
  return stdout + stderr;
};
/** A clone over an image of noise. */
async function clone(t: TestContext, size: number) {
  const at = mkdtempSync(join(tmpdir(), "bramble-iscsi-"));
  const image = join(at, "image.raw");
  const noise = Buffer.alloc(size);
  for (let i = 0; i < size; i += 4) noise.writeUInt32LE((i * 2654435761) >>> 0, i);
  writeFileSync(image, noise);
  const path = join(at, "clone.qcow2");
  await createClone({ path, image: { path: image, size, sha256: "0".repeat(64) } });
  const disk = await openClone(path);
  atEnd(t, async () => {
    await disk.close();
    rmSync(at, { recursive: true });
  });
  return { at, disk, noise };
}

test("iscsi-ls finds the target at the address that it used, and its LUN", async (t) => {
  if (!needs(t, "iscsi-ls", TOOLS)) return;
  const { port } = await served(t, testDisk());
  const listed = await ask("iscsi-ls", "-s", `iscsi://127.0.0.1:${port}`);
  assert.match(listed, new RegExp(`Target:${TARGET} Portal:127.0.0.1:${port},1`));
  assert.match(listed, /Lun:0 +Type:DIRECT_ACCESS/);
});

test("CHAP, one way and mutual, header digests: libiscsi gets in with the right secrets alone", async (t) => {
  if (!needs(t, "iscsi-inq", TOOLS)) return;
  const { url } = await served(t, testDisk(), CHAP);
  assert.match(await ask("iscsi-inq", url), /Vendor:BRAMBLE/);
  const mutual = `${url}?target_user=bramble&target_password=fedcba9876543210`;
  assert.match(await ask("iscsi-inq", mutual), /Product:CLONE/);
  assert.match(await ask("iscsi-inq", `${url}?header_digest=crc32c`), /Product:CLONE/);
  const refused = async (wrong: string, why: RegExp) =>
    assert.match(await ask("iscsi-inq", wrong).catch((error: Error) => error.message), why);
  await refused(url.replace("abcdef@", "abcdee@"), /Authentication failure\(513\)/);
  await refused(url.replace("pi01%", "pi02%"), /Authentication failure\(513\)/);
  await refused(mutual.replace(/0$/, "1"), /Invalid CHAP_R response/);
});

test("qemu-io writes, zeroes, discards and reads back what it wrote", async (t) => {
  if (!needs(t, "qemu-io", "qemu-utils") || !needs(t, ISCSI_BLOCK, "qemu-block-extra")) return;
  const disk = testDisk();
  const { url } = await served(t, disk);
  const commands = [
    "write -P 0x5a 1M 3M",
    "write -P 0x11 12288 4096",
    "read -P 0x11 12288 4096",
    "write -z -u 2M 1M",
    "write -f -P 9 9M 64k",
    "discard 1M 64k",
    "flush",
    "read -P 0 2M 1M",
    "read -P 0x5a 3M 1M",
  ];
  const out = await ask("qemu-io", "-f", "raw", ...commands.flatMap((c) => ["-c", c]), url);
  assert.doesNotMatch(out, /fail/i);
  assert.equal(disk.bytes.readUInt8(12288), 0x11);
  assert.equal(disk.bytes.readUInt8(9 * MIB), 9);
  assert.equal(disk.bytes.readUInt8(1 * MIB), 0);
});

test("qemu-img brings every byte to a clone and back; the clone's file is sound", async (t) => {
  if (!needs(t, "qemu-img", "qemu-utils") || !needs(t, ISCSI_BLOCK, "qemu-block-extra")) return;
  const { at, disk, noise } = await clone(t, 32 * MIB);
  const { url } = await served(t, disk, CHAP);
  await ask("qemu-img", "convert", "-f", "raw", "-O", "raw", url, join(at, "before"));
  assert.ok(readFileSync(join(at, "before")).equals(noise));
  const changed = Buffer.from(noise).reverse();
  changed.fill(0, 8 * MIB, 12 * MIB);
  writeFileSync(join(at, "in"), changed);
  await ask("qemu-img", "convert", "-n", "-f", "raw", "-O", "raw", join(at, "in"), url);
  await ask("qemu-img", "convert", "-f", "raw", "-O", "raw", url, join(at, "out"));
  assert.ok(readFileSync(join(at, "out")).equals(changed));
  await disk.flush();
  assert.match(run("qemu-img", ["check", "-U", join(at, "clone.qcow2")]), /No errors were found/);
});

test("iscsi-perf reads at random from a clone with 32 commands at a time", async (t) => {
  if (!needs(t, "iscsi-perf", TOOLS)) return;
  const { disk } = await clone(t, 16 * MIB);
  const { url } = await served(t, disk);
  const out = await ask("iscsi-perf", "-m", "32", "-b", "8", "-t", "1", "-r", url);
  assert.match(out, /iops average [1-9]/);
});
