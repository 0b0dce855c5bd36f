import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { promisify } from "node:util";
import { needs, which } from "../../test/tools.ts";
import type { Disk } from "../base/disk.ts";
import { serveNbd } from "./nbd.ts";

const SIZE = 16 << 20;

async function served(t: TestContext): Promise<{ uri: string; bytes: Buffer }> {
  const bytes = Buffer.alloc(SIZE);
  const disk: Disk = {
    size: SIZE,
    blockSize: 4096,
    read: (into, offset) => into.set(bytes.subarray(offset, offset + into.length)),
    write: async (from, offset) => {
      await new Promise(setImmediate);
      bytes.set(from, offset);
    },
    zero: (offset, length) => void bytes.fill(0, offset, offset + length),
    trim: (offset, length) => void bytes.fill(0, offset, offset + length),
    flush: () => {},
    status: (offset, length) => {
      const half = Math.max(0, Math.min(length, SIZE / 2 - offset));
      return [
        ...(half > 0 ? [{ offset, length: half, kind: "data" as const }] : []),
        ...(half < length ? [{ offset: offset + half, length: length - half, kind: "zero" as const }] : []),
      ];
    },
  };
  const session = { opened() {}, closed() {} };
  const find = (name: string) => (name === "disk" ? { disk, readOnly: false, name, session } : undefined);
  const server = await serveNbd({ host: "127.0.0.1", port: 0, find });
  t.after(() => server.close());
  return { uri: `nbd://127.0.0.1:${server.port}/disk`, bytes };
}
const ask = async (tool: string, ...args: string[]): Promise<string> =>
  (await promisify(execFile)(which(tool) ?? tool, args, { timeout: 30_000 })).stdout;
/** nbdsh is a Python program: Debian's own Python has its module, whatever comes first on the PATH. */
const nbdsh = (uri: string, script: string) =>
  promisify(execFile)("/usr/bin/python3", ["-m", "nbd", "-u", uri, "-c", script], { timeout: 30_000 });

test("nbdinfo reads what the export can do, and where it is empty", async (t) => {
  if (!needs(t, "nbdinfo", "libnbd-bin")) return;
  const { uri } = await served(t);
  const info = JSON.parse(await ask("nbdinfo", "--json", uri));
  assert.equal(info.protocol, "newstyle-fixed");
  assert.equal(info.structured, true);
  const [facts] = info.exports;
  assert.equal(facts["export-size"], SIZE);
  assert.deepEqual(
    [facts["block_size_minimum"], facts["block_size_preferred"], facts["block_size_maximum"]],
    [1, 4096, 32 << 20],
  );
  for (const can of ["can_df", "can_fua", "can_flush", "can_trim", "can_zero", "can_multi_conn"])
    assert.equal(facts[can], true, can);
  assert.equal(facts["can_fast_zero"], false);
  assert.deepEqual(facts.contexts, ["base:allocation"]);
  const map = JSON.parse(await ask("nbdinfo", "--map", "--json", uri));
  assert.deepEqual(
    map.map((e: { offset: number; length: number; type: number }) => [e.offset, e.length, e.type]),
    [
      [0, SIZE / 2, 0],
      [SIZE / 2, SIZE / 2, 3],
    ],
  );
  await assert.rejects(ask("nbdinfo", uri.replace("/disk", "/other")));
});

test("qemu-io writes, zeroes, discards and reads back what it wrote", async (t) => {
  if (!needs(t, "qemu-io", "qemu-utils")) return;
  const { uri, bytes } = await served(t);
  const commands = [
    "write -P 0x5a 1M 3M",
    "write -P 0x11 12345 777",
    "read -P 0x11 12345 777",
    "write -z -u 2M 1M",
    "write -f -P 9 9M 64k",
    "discard 1M 64k",
    "flush",
    "read -P 0 2M 1M",
    "read -P 0x5a 3M 1M",
  ];
  const out = await ask("qemu-io", "-f", "raw", ...commands.flatMap((c) => ["-c", c]), uri);
  assert.doesNotMatch(out, /fail/i);
  assert.equal(bytes.readUInt8(12345), 0x11);
  assert.equal(bytes.readUInt8(9 << 20), 9);
  assert.equal(bytes.readUInt8(1 << 20), 0);
});

test("nbdcopy over four connections brings every byte, there and back", async (t) => {
  if (!needs(t, "nbdcopy", "libnbd-bin")) return;
  const { uri, bytes } = await served(t);
  const folder = mkdtempSync(join(tmpdir(), "bramble-nbd-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const data = Buffer.alloc(SIZE / 2);
  for (let i = 0; i < data.length; i += 4) data.writeUInt32LE((i * 2654435761) >>> 0, i);
  writeFileSync(join(folder, "in"), Buffer.concat([data, Buffer.alloc(SIZE / 2)]));
  await ask("nbdcopy", "--connections=4", "--requests=32", join(folder, "in"), uri);
  assert.ok(bytes.subarray(0, data.length).equals(data));
  await ask("nbdcopy", "--connections=4", "--requests=32", uri, join(folder, "out"));
  assert.ok(readFileSync(join(folder, "out")).equals(readFileSync(join(folder, "in"))));
});

test("nbdsh, told not to check for itself, gets the errors of the standard", async (t) => {
  if (!needs(t, "nbdsh", "python3-libnbd")) return;
  const { uri } = await served(t);
  const script = `
h.set_strict_mode(0)
def errno(what):
    try: what()
    except nbd.Error as e: return e.errnum
    return 0
size = h.get_size()
assert errno(lambda: h.pread(4096, size)) == 22
assert errno(lambda: h.pwrite(bytes(4096), size - 1)) == 28
assert errno(lambda: h.zero(4096, size)) == 28
assert errno(lambda: h.trim(4096, size)) == 22
assert errno(lambda: h.zero(4096, 0, nbd.CMD_FLAG_FAST_ZERO)) == 95
assert errno(lambda: h.cache(4096, 0)) == 22
assert errno(lambda: h.pread((32 << 20) + 1, 0)) == 22
assert h.pread(4096, 0, nbd.CMD_FLAG_DF) == bytes(4096)
hs = []
for i in range(64):
    c = nbd.NBD(); c.connect_uri('${uri}'); hs.append(c)
for i, c in enumerate(hs): c.pwrite(bytes([i]) * 512, i * 512)
for i, c in enumerate(hs): assert h.pread(512, i * 512) == bytes([i]) * 512
for c in hs: c.shutdown()
`;
  await nbdsh(uri, script);
});
