import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { Command } from "commander";
import { templateOptions, templatesPatch } from "./template-options.ts";

const patch = (...words: string[]) =>
  templatesPatch(templateOptions(new Command()).parse(words, { from: "user" }).opts());

test("a text is its file's, and - takes back texts, files and lists; what is not said stays", (t) => {
  const folder = mkdtempSync(join(tmpdir(), "options-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "text");
  writeFileSync(file, "#!ipxe\n");
  chmodSync(file, 0o640);
  assert.deepEqual(patch("--ipxe", file, "--file", `/etc/motd=${file}`, "--file", "/etc/issue=-"), {
    ipxe: "#!ipxe\n",
    files: [
      { path: "/etc/motd", mode: 0o640, text: "#!ipxe\n" },
      { path: "/etc/issue", mode: 0, text: null },
    ],
  });
  for (const [option, name] of [
    ["--ipxe", "ipxe"],
    ["--user-data", "userData"],
    ["--meta-data", "metaData"],
    ["--network-config", "networkConfig"],
    ["--file", "files"],
  ] as const)
    assert.deepEqual(patch(option, "-"), { [name]: null });
  assert.deepEqual(patch("--command", "-", "--value", "a=-"), { commands: [], values: { a: null } });
  assert.deepEqual(patch(), {});
});
