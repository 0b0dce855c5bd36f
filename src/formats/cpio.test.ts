import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, readlinkSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { needs, run } from "../../test/tools.ts";
import { toUtf8 } from "../base/text.ts";
import { type CpioEntry, writeCpio } from "./cpio.ts";

const some: CpioEntry[] = [
  { kind: "file", path: "lib/odd", mode: 0o644, bytes: toUtf8("12345") },
  { kind: "file", path: "init", mode: 0o755, bytes: toUtf8("#!/bin/sh\n") },
  { kind: "symlink", path: "bin/sh", target: "busybox" },
  { kind: "directory", path: "proc", mode: 0o555 },
];

test("GNU cpio unpacks what was written: bytes, modes, links and the folders in between", (t) => {
  if (!needs(t, "cpio", "cpio")) return;
  const folder = mkdtempSync(join(tmpdir(), "cpio-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const input = writeCpio([
    ...some,
    { kind: "character", path: "dev/console", mode: 0o600, major: 5, minor: 1 },
  ]);
  const listed = run("cpio", ["-itv"], { input });
  assert.match(listed, /crw-------\s+1 root\s+root\s+5,\s+1 Jan\s+1\s+1970 dev\/console/);
  run("cpio", ["-id", "-D", folder, "init", "lib*", "bin*", "proc"], { input: writeCpio(some) });
  assert.equal(readFileSync(join(folder, "lib/odd"), "utf8"), "12345");
  assert.equal(readlinkSync(join(folder, "bin/sh")), "busybox");
  assert.equal(statSync(join(folder, "init")).mode & 0o7777, 0o755);
  assert.equal(statSync(join(folder, "proc")).mode & 0o7777, 0o555);
});

test("the order of the entries does not change one byte, and everything ends at a multiple of 4", () => {
  const whole = writeCpio(some);
  assert.deepEqual(writeCpio([...some].reverse()), whole);
  assert.equal(whole.length % 4, 0);
});

test("any bytes of any length are followed by the next header", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 70 }), fc.stringMatching(/^[a-z]{1,9}$/), (bytes, path) => {
      const text = Buffer.from(writeCpio([{ kind: "file", path, mode: 0o644, bytes }])).toString("latin1");
      const start = Math.ceil((110 + path.length + 1) / 4) * 4;
      assert.equal(text.slice(start, start + bytes.length), Buffer.from(bytes).toString("latin1"));
      assert.equal(text.slice(start + Math.ceil(bytes.length / 4) * 4).slice(0, 6), "070701");
    }),
  );
});
