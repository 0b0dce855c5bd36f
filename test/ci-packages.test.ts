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

test(".ci/packages lists every package that a test or a scenario needs, once and in order", () => {
  const lines = readFileSync(".ci/packages", "utf8").trim().split("\n");
  const listed = lines.filter((line) => !line.startsWith("#"));
  assert.deepEqual(listed, [...new Set(listed)].sort());
  const wanted = new Set<string>();
  for (const path of sources) {
    const text = readFileSync(path, "utf8");
    for (const pattern of NAMED) for (const [, name = ""] of text.matchAll(pattern)) wanted.add(name);
  }
  assert.ok(wanted.size > 20, "found no needs");
  const there = new Set([...listed, ...ESSENTIAL]);
  assert.deepEqual(
    [...wanted].filter((name) => !there.has(SAME[name] ?? name)),
    [],
  );
});
