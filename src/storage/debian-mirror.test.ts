import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { hostMirrors } from "./debian-mirror.ts";

function aptFolder(t: { after(f: () => void): void }, files: Record<string, string>): string {
  const folder = mkdtempSync(join(tmpdir(), "apt-"));
  t.after(() => rmSync(folder, { recursive: true }));
  mkdirSync(join(folder, "sources.list.d"));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  return folder;
}

test("hostMirrors() takes Debian's lines of both styles, in apt's order, and Debian's own address last", async (t) => {
  const folder = aptFolder(t, {
    "sources.list": `# deb http://old.example/debian bookworm main
deb [arch=amd64 signed-by=/x.gpg] http://one.example/debian/ trixie main # ours
deb-src http://src.example/debian trixie main
deb https://packages.example/cloud cloud main`,
    "sources.list.d/b.sources": `Types: deb
URIs: http://two.example/debian http://three.example/debian-security
Suites: trixie

Types: deb
URIs: http://off.example/debian
Enabled: no
`,
    "sources.list.d/a.list": "deb http://archive.raspberrypi.com/debian trixie main\n",
    "sources.list.d/c.sources": "this is no stanza",
    "sources.list.d/d.save": "deb http://backup.example/debian trixie main\n",
  });
  assert.deepEqual(await hostMirrors(folder), [
    "http://one.example/debian",
    "http://two.example/debian",
    "http://deb.debian.org/debian",
  ]);
});

test("a host without apt gets Debian's own address", async () => {
  assert.deepEqual(await hostMirrors("/nonexistent"), ["http://deb.debian.org/debian"]);
});
