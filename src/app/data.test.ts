import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { dataPath, lock, tryLock } from "./data.ts";

test("one data folder has one holder, and a released one can be taken again", (t) => {
  const root = mkdtempSync(join(tmpdir(), "data-"));
  t.after(() => rmSync(root, { recursive: true }));
  const first = lock(root);
  assert.equal(tryLock(root), undefined);
  assert.throws(() => lock(root), { code: "DATA_LOCKED" });
  first.release();
  lock(root).release();
});

test("the lock of a process that was killed is gone with it", (t) => {
  const root = mkdtempSync(join(tmpdir(), "data-"));
  t.after(() => rmSync(root, { recursive: true }));
  const script = `
    const { lock } = await import(${JSON.stringify(new URL(import.meta.url.replace(".test.", ".")).href)});
    lock(${JSON.stringify(root)});
    process.kill(process.pid, "SIGKILL");`;
  const loader = import.meta.url.endsWith(".ts") ? ["--import", "tsx"] : [];
  const { signal } = spawnSync(process.execPath, [...loader, "--input-type=module", "-e", script]);
  assert.equal(signal, "SIGKILL");
  lock(root).release();
});

test("the data folder is the caller's, under systemd its own, and --data wins", () => {
  assert.equal(dataPath("/x", { STATE_DIRECTORY: "/y" }), "/x");
  assert.equal(dataPath(undefined, { STATE_DIRECTORY: "/y" }), "/y");
  assert.equal(dataPath(undefined, { XDG_DATA_HOME: "/home/ann/data" }), "/home/ann/data/bramble");
});
