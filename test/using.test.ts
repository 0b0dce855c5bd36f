import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import type { Command } from "commander";
import { makeProgram } from "../src/app/program.ts";

/** `image add`, `node set`, … with their long options. */
function commands(command: Command, path: string[] = []): { path: string; options: string[] }[] {
  const here =
    command.commands.length > 0
      ? []
      : [{ path: path.join(" "), options: command.options.map((o) => o.long ?? "") }];
  return [...here, ...command.commands.flatMap((sub) => commands(sub, [...path, sub.name()]))];
}

test("docs/using.md names every command and every option", () => {
  const page = readFileSync("docs/using.md", "utf8");
  const all = commands(makeProgram());
  assert.ok(all.length > 25, "found no commands");
  const absent = all.flatMap(({ path, options }) => [
    ...(page.includes(`\`${path}`) ? [] : [path]),
    ...options.filter((option) => !page.includes(option)).map((option) => `${path} ${option}`),
  ]);
  assert.deepEqual(absent, []);
});
