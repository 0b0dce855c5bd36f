import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

/** On every Debian machine. */
const ESSENTIAL = ["coreutils", "dash", "dpkg", "mount", "tar", "util-linux"];
/** A list's package that has the other's programs too. */
const SAME: Record<string, string> = { busybox: "busybox-static", dnsmasq: "dnsmasq-base" };
/** What tests ask with needs(), and what scenarios list. */
const NAMED = [/needs\(t, "[^"]+", "([^"]+)"/g, /tool: "[^"]+", package: "([^"]+)"/g];

const sources = ["src", "test", "e2e", "bench"].flatMap((folder) =>
  readdirSync(folder, { recursive: true })
    .map((name) => join(folder, String(name)))
    .filter((path) => path.endsWith(".ts")),
);

function listOf(path: string): string[] {
  const lines = readFileSync(path, "utf8").trim().split("\n");
  const listed = lines.filter((line) => !line.startsWith("#"));
  assert.deepEqual(listed, [...new Set(listed)].sort(), path);
  return listed;
}

function namedIn(paths: readonly string[]): string[] {
  const wanted = new Set<string>();
  for (const path of paths) {
    const text = readFileSync(path, "utf8");
    for (const pattern of NAMED) for (const [, name = ""] of text.matchAll(pattern)) wanted.add(name);
  }
  return [...wanted].map((name) => SAME[name] ?? name);
}

/** What scenarios of tier full alone call by name; the beds' needs may be theirs, too. */
const isFull = (path: string) =>
  path.startsWith(join("e2e", "bed")) || /tier: "full"/.test(readFileSync(path, "utf8"));

test(".ci/packages lists every package that a test or a scenario of tier ci needs, once and in order", () => {
  const there = new Set([...listOf(".ci/packages"), ...ESSENTIAL]);
  const wanted = namedIn(sources.filter((path) => !isFull(path)));
  assert.ok(wanted.length > 20, "found no needs");
  assert.deepEqual(
    wanted.filter((name) => !there.has(name)),
    [],
  );
});

test(".ci/packages-full lists what tier full needs beside them, and nothing else", () => {
  const ci = listOf(".ci/packages");
  const there = new Set([...ci, ...ESSENTIAL]);
  assert.deepEqual(
    namedIn(sources)
      .filter((name) => !there.has(name))
      .sort(),
    listOf(".ci/packages-full"),
  );
});
