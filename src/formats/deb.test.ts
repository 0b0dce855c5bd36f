import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { needs, run } from "../../test/tools.ts";
import { BrambleError } from "../base/errors.ts";
import { toLatin1 } from "../base/text.ts";
import { readDeb } from "./deb.ts";

const member = (name: string, body: string) =>
  `${name.padEnd(16)}${"0".padEnd(12)}${"0".padEnd(6)}${"0".padEnd(6)}${"100644".padEnd(8)}${String(body.length).padEnd(10)}\`\n${body}${body.length % 2 ? "\n" : ""}`;

test("a package's members come out in order, odd sizes padded, slash names cut", () => {
  const bytes = toLatin1(
    `!<arch>\n${member("debian-binary", "2.0\n")}${member("control.tar.xz/", "abc")}${member("data.tar", "")}`,
  );
  assert.deepEqual(
    readDeb(bytes).map((m) => [m.name, Buffer.from(m.bytes).toString("latin1")]),
    [
      ["debian-binary", "2.0\n"],
      ["control.tar.xz", "abc"],
      ["data.tar", ""],
    ],
  );
});

test("binutils' ar agrees", (t) => {
  if (!needs(t, "ar", "binutils")) return;
  const folder = mkdtempSync(join(tmpdir(), "deb-"));
  t.after(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, "debian-binary"), "2.0\n");
  writeFileSync(join(folder, "data.tar"), "x".repeat(1001));
  run("ar", ["rcD", join(folder, "x.deb"), join(folder, "debian-binary"), join(folder, "data.tar")]);
  const got = readDeb(readFileSync(join(folder, "x.deb")));
  assert.deepEqual(
    got.map((m) => [m.name, m.bytes.length]),
    [
      ["debian-binary", 4],
      ["data.tar", 1001],
    ],
  );
});

test("a package cut anywhere is refused with a clear error, never with fewer members", () => {
  const whole = toLatin1(`!<arch>\n${member("debian-binary", "2.0\n")}${member("data.tar", "12345678")}`);
  const ends = new Set([8, 8 + 64, whole.length]);
  for (let cut = 0; cut < whole.length; cut++)
    if (!ends.has(cut)) assert.throws(() => readDeb(whole.subarray(0, cut)), BrambleError, `cut at ${cut}`);
});

test("garbage harms nobody", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (noise) => {
      const bytes = new Uint8Array([...toLatin1("!<arch>\n"), ...noise]);
      try {
        readDeb(bytes);
      } catch (error) {
        assert.ok(error instanceof BrambleError);
      }
    }),
  );
});
