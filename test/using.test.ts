import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import type { Command, Option } from "commander";
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

/** Options that take a number in another form, and look at it themselves. */
const OTHERWISE = ["--boots-at-once", "--power-cycles", "--back-off", "--number", "--version"];

test("every option that is a number refuses words, before anything is done", () => {
  const options = (command: Command): { where: string; option: Option }[] => [
    ...command.options.map((option) => ({ where: command.name(), option })),
    ...command.commands.flatMap(options),
  ];
  const numbers = options(makeProgram()).filter(
    ({ option: { flags, long } }) =>
      /<(n|port|count|days|seconds|ms|watts)>/.test(flags) && !OTHERWISE.includes(long ?? ""),
  );
  assert.ok(numbers.length > 20, `found only ${numbers.length}`);
  for (const { where, option } of numbers) {
    const read = option.parseArg as ((text: string) => unknown) | undefined;
    assert.ok(read, `${where} ${option.flags}: nobody looks at it`);
    for (const text of ["x", "", "1e400"])
      assert.throws(() => read(text), `${where} ${option.flags}: "${text}"`);
    assert.equal(Number(read("61")), 61, `${where} ${option.flags}`);
  }
});
