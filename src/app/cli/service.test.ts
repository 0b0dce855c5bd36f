import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { needs, run } from "../../../test/tools.ts";
import { unit } from "./service.ts";

const words = {
  node: [process.execPath],
  main: "/opt/bram ble/dist/main.js",
  up: ["-i", "eth0", "--pool", 'a"$%b'],
};

test("unit() writes what systemd reads without a complaint", (t) => {
  if (!needs(t, "systemd-analyze", "systemd")) return;
  const folder = mkdtempSync(join(tmpdir(), "service-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  for (const data of [undefined, "/srv/bramble"]) {
    const file = join(folder, "bramble.service");
    writeFileSync(file, unit({ ...words, data }));
    assert.equal(run("systemd-analyze", ["verify", "--man=no", "--recursive-errors=no", file]), "");
  }
});

test("unit() stops by the main process, starts again for ever, and quotes words", () => {
  const text = unit({ ...words, data: undefined });
  for (const line of ["Restart=always", "KillMode=mixed", "TimeoutStopSec=30", "StartLimitIntervalSec=0"])
    assert.ok(text.includes(`\n${line}\n`), line);
  assert.ok(text.includes(`"/opt/bram ble/dist/main.js" up -i eth0 --pool "a\\"$$%%b"`), text);
});
