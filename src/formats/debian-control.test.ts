import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { BrambleError } from "../base/errors.ts";
import { parseDepends, parseStanza, parseStanzas, releaseFiles } from "./debian-control.ts";

test("parseStanza() joins continuation lines, lowers field names, skips comments", () => {
  const stanza = parseStanza("Package: nbd-client\n# no\nDescription: Network\n Block\n .\nSize: 46412\n");
  assert.equal(stanza.get("package"), "nbd-client");
  assert.equal(stanza.get("description"), "Network\nBlock\n.");
  assert.equal(stanza.get("size"), "46412");
});

test("parseStanza() names the line that is none", () => {
  assert.throws(() => parseStanza("Package: a\nnonsense\n"), /"nonsense" is no field/);
  assert.throws(() => parseStanza(" begins in the middle\n"), BrambleError);
});

test("parseStanzas() cuts at empty lines, also with blanks in them", () => {
  assert.deepEqual(
    parseStanzas("Types: deb\nURIs: a\n\n \nTypes: deb-src\n\n\n").map((s) => s.get("types")),
    ["deb", "deb-src"],
  );
});

test("parseDepends() keeps alternatives and drops versions and architectures", () => {
  assert.deepEqual(parseDepends("libc6 (>= 2.38), debconf (>= 0.5) | debconf-2.0, libstdc++6:any [arm64]"), [
    ["libc6"],
    ["debconf", "debconf-2.0"],
    ["libstdc++6"],
  ]);
  assert.deepEqual(parseDepends(""), []);
});

test("releaseFiles() reads the SHA256 section only", () => {
  const hash = "ab".repeat(32);
  const release = parseStanza(
    `Suite: stable\nMD5Sum:\n ${"1".repeat(32)} 7 main/x\nSHA256:\n ${hash}  9614192 main/binary-arm64/Packages.xz\n`,
  );
  assert.deepEqual(
    [...releaseFiles(release)],
    [["main/binary-arm64/Packages.xz", { sha256: hash, size: 9614192 }]],
  );
});

test("any text gives a stanza or a clear error", () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      try {
        releaseFiles(parseStanza(text));
        parseDepends(text);
      } catch (error) {
        assert.ok(error instanceof BrambleError);
      }
    }),
  );
});
