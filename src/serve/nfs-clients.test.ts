// Somebody else's client: libnfs, by its programs.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { needs, which } from "../../test/tools.ts";
import { mounted, PATH } from "./nfs-testing.ts";

const ask = async (tool: string, ...args: string[]): Promise<Buffer> => {
  const options = { timeout: 30_000, encoding: "buffer", maxBuffer: 1 << 26 } as const;
  return (await promisify(execFile)(which(tool) ?? tool, args, options)).stdout;
};

test("libnfs copies files in, lists them and reads them back", async (t) => {
  if (!needs(t, "nfs-cp", "libnfs-utils")) return;
  const { client, root, port } = await mounted(t);
  const url = (path: string) => `nfs://127.0.0.1${PATH}${path}?nfsport=${port}&mountport=${port}`;
  const folder = mkdtempSync(join(tmpdir(), "bramble-nfs-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const data = Buffer.alloc(3_000_001);
  for (let i = 0; i + 4 <= data.length; i += 4) data.writeUInt32LE((i * 2654435761) >>> 0, i);
  writeFileSync(join(folder, "in"), data);
  await client.mkdir(root, "dir");
  await ask("nfs-cp", join(folder, "in"), url("/dir/file"));
  const list = (await ask("nfs-ls", "-R", url("/"))).toString();
  assert.match(list, /^drw.* dir$/m);
  assert.match(list, /^-rw.* 3000001 .*dir\/file$/m);
  assert.ok((await ask("nfs-cat", url("/dir/file"))).equals(data));
  await ask("nfs-cp", url("/dir/file"), join(folder, "out"));
  assert.ok(readFileSync(join(folder, "out")).equals(data));
  assert.ok((await client.readAll(await client.walk(root, "dir/file"))).equals(data));
});

test("libnfs lists a directory of 2,000 names, each once", async (t) => {
  if (!needs(t, "nfs-ls", "libnfs-utils")) return;
  const { client, root, port } = await mounted(t);
  await Promise.all(Array.from({ length: 2000 }, (_, i) => client.create(root, `file-${i}`)));
  const out = await ask("nfs-ls", `nfs://127.0.0.1${PATH}?nfsport=${port}&mountport=${port}`);
  const names = out.toString().match(/file-\d+/g) ?? [];
  assert.equal(names.length, 2000);
  assert.equal(new Set(names).size, 2000);
});

test("libnfs is told by a status that it may not mount", async (t) => {
  if (!needs(t, "nfs-ls", "libnfs-utils")) return;
  const { port } = await mounted(t);
  const refused = ask("nfs-ls", `nfs://127.0.0.1/nodes/pi02/guess?nfsport=${port}&mountport=${port}`);
  await assert.rejects(refused, (error: { stderr: Buffer }) => /MNT3ERR_ACCES/.test(error.stderr.toString()));
});
