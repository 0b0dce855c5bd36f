import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { appendFile, mkdtemp, readFile, rm, stat, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import { openLeases } from "./leases.ts";

async function folder(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), "leases-"));
  t.after(() => rm(path, { recursive: true, force: true }));
  return path;
}
const mac = (i: number) =>
  `02:00:00:00:${(i >> 8).toString(16).padStart(2, "0")}:${(i & 255).toString(16).padStart(2, "0")}`;
const lease = (i: number, expiresMs = 1000 + i) => ({
  mac: mac(i),
  address: `10.0.${i >> 8}.${i & 255}`,
  expiresMs,
});

test("a lease is there after a restart, and 3,000 at once share a few commits", async (t) => {
  const path = join(await folder(t), "leases.journal");
  const store = await openLeases(path);
  await Promise.all(Array.from({ length: 3000 }, (_, i) => store.put(lease(i))));
  assert.ok(store.stats.commits <= 5, `${store.stats.commits} commits`);
  await store.close();
  const again = await openLeases(path);
  assert.equal([...again.all()].length, 3000);
  assert.deepEqual(again.get(mac(7)), lease(7));
  assert.deepEqual(again.byAddress("10.0.1.4"), lease(260));
  await again.close();
});

test("put() is visible at once, and a MAC or an address that moves leaves nothing behind", async (t) => {
  const path = join(await folder(t), "leases.journal");
  const store = await openLeases(path);
  const done = store.put(lease(1));
  assert.deepEqual(store.get(mac(1)), lease(1));
  await done;
  await store.put({ ...lease(1), address: "10.0.0.99" });
  assert.equal(store.byAddress("10.0.0.1"), undefined);
  await store.put({ ...lease(2), address: "10.0.0.99" });
  assert.equal(store.get(mac(1)), undefined);
  await store.close();
  const again = await openLeases(path);
  assert.deepEqual([...again.all()], [{ ...lease(2), address: "10.0.0.99" }]);
  await again.close();
  await assert.rejects(again.put(lease(3)), { code: "DISK_IO" });
});

test("a journal cut at any byte opens with every whole line, and goes on from there", async (t) => {
  const path = join(await folder(t), "leases.journal");
  const store = await openLeases(path);
  for (let i = 0; i < 4; i++) await store.put(lease(i));
  await store.close();
  const whole = await readFile(path);
  for (let cut = 0; cut <= whole.length; cut++) {
    await writeFile(path, whole.subarray(0, cut));
    const lines = whole.subarray(0, cut).toString().split("\n").length - 1;
    const torn = await openLeases(path);
    assert.equal([...torn.all()].length, lines, `cut at ${cut}`);
    await torn.put(lease(9));
    await torn.close();
    const again = await openLeases(path);
    assert.deepEqual(again.get(mac(9)), lease(9), `cut at ${cut}`);
    assert.equal(again.stats.skippedLines, 0, `cut at ${cut}`);
    await again.close();
  }
});

test("a damaged line is skipped and counted, the others count", async (t) => {
  const path = join(await folder(t), "leases.journal");
  const store = await openLeases(path);
  for (let i = 0; i < 3; i++) await store.put(lease(i));
  await store.close();
  const text = (await readFile(path, "latin1")).replace("10.0.0.1 ", "10.0.0.7 ");
  await writeFile(path, text);
  await appendFile(path, "nonsense\n\n");
  const again = await openLeases(path);
  assert.deepEqual([...again.all()], [lease(0), lease(2)]);
  assert.equal(again.stats.skippedLines, 3);
  await again.close();
});

test("renewals do not make the journal grow without end", async (t) => {
  const path = join(await folder(t), "leases.journal");
  const store = await openLeases(path);
  for (let round = 0; round < 20; round++)
    await Promise.all(Array.from({ length: 500 }, (_, i) => store.put(lease(i, round * 1000))));
  assert.ok(store.stats.compactions > 0);
  const { size } = await stat(path);
  assert.ok(size < 6000 * 60, `${size} bytes`);
  await store.close();
  const again = await openLeases(path);
  assert.deepEqual(again.get(mac(499)), lease(499, 19_000));
  await again.close();
});

test("a disk that fails: the lease is refused with a code, and the journal heals when the disk does", async (t) => {
  const dir = await folder(t);
  const path = join(dir, "leases.journal");
  const store = await openLeases(path);
  await store.put(lease(1));
  // A prototype of a sick disk: the handle writes half and fails.
  const { FileHandle } = await handleClass(path);
  const { write } = FileHandle;
  const sick = t.mock.method(FileHandle, "write", async function (this: unknown, lines: string) {
    await (write as (this: unknown, text: string) => Promise<unknown>).call(this, lines.slice(0, 10));
    throw Object.assign(new Error("no space left"), { code: "ENOSPC" });
  } as never);
  await assert.rejects(store.put(lease(2)), { code: "DISK_FULL" });
  sick.mock.restore();
  await store.put(lease(3));
  await store.close();
  const again = await openLeases(path);
  assert.deepEqual(again.get(mac(1)), lease(1));
  assert.deepEqual(again.get(mac(3)), lease(3));
  assert.equal(again.stats.skippedLines + again.stats.tornBytes, 0);
  await again.close();
  await truncate(path, 0);
});

async function handleClass(path: string) {
  const { open } = await import("node:fs/promises");
  const handle = await open(path, "r");
  const FileHandle = Object.getPrototypeOf(handle) as { write: (text: string) => Promise<unknown> };
  await handle.close();
  return { FileHandle };
}

/** Run from the sources, or built. */
const UNBUILT = import.meta.url.endsWith(".ts");
const VICTIM = `
import { openLeases } from ${JSON.stringify(fileURLToPath(new URL(UNBUILT ? "leases.ts" : "leases.js", import.meta.url)))};
const store = await openLeases(process.argv[1]);
for (let i = 0; ; i++) {
  const mac = "02:00:00:00:" + (i >> 8).toString(16).padStart(2, "0") + ":" + (i & 255).toString(16).padStart(2, "0");
  await store.put({ mac, address: "10.0." + (i >> 8) + "." + (i & 255), expiresMs: 1000 + i });
  console.log(i);
}`;

test("kill -9 loses no lease that was acknowledged", async (t) => {
  const path = join(await folder(t), "leases.journal");
  const loader = UNBUILT ? ["--import", "tsx"] : [];
  const child = spawn(process.execPath, [...loader, "--input-type=module", "-e", VICTIM, path], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let last = -1;
  for await (const line of createInterface({ input: child.stdout })) {
    last = Number(line);
    if (last === 200) child.kill("SIGKILL");
  }
  if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
  assert.ok(last >= 200);
  const store = await openLeases(path);
  for (let i = 0; i <= last; i++) assert.deepEqual(store.get(mac(i)), lease(i));
  await store.close();
});
