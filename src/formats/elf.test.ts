import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import fc from "fast-check";
import { needs, run, which } from "../../test/tools.ts";
import { BrambleError } from "../base/errors.ts";
import { elfNeeds } from "./elf.ts";

test("elfNeeds() agrees with readelf about programs of this machine", (t) => {
  if (!needs(t, "readelf", "binutils")) return;
  let checked = 0;
  for (const tool of ["ls", "readelf", "mke2fs", "tar"]) {
    const path = which(tool);
    if (!path) continue;
    const bytes = readFileSync(path);
    if (bytes.subarray(1, 4).toString() !== "ELF" || bytes[5] !== 1) continue;
    const theirs = run("readelf", ["-dlW", path]);
    const got = elfNeeds(bytes);
    assert.deepEqual(
      got.libraries,
      [...theirs.matchAll(/NEEDED\).*\[(.*)\]/g)].map((m) => m[1]),
    );
    assert.equal(got.interpreter, /interpreter: (.*)\]/.exec(theirs)?.[1]);
    checked++;
  }
  assert.ok(checked > 0, "no program here to compare");
});

test("elfNeeds() names what is no ELF file, and one that is cut", () => {
  assert.throws(() => elfNeeds(Buffer.from("#!/bin/sh\n")), /no little-endian ELF file/);
  assert.throws(() => elfNeeds(Buffer.from("\x7fELF\x02\x01\x01")), { code: "FORMAT_SHORT" });
});

test("garbage after the magic harms nobody", () => {
  fc.assert(
    fc.property(fc.constantFrom(1, 2), fc.uint8Array({ maxLength: 400 }), (bits, noise) => {
      try {
        elfNeeds(new Uint8Array([0x7f, 0x45, 0x4c, 0x46, bits, 1, 1, ...noise]));
      } catch (error) {
        assert.ok(error instanceof BrambleError, String(error));
      }
    }),
  );
});
