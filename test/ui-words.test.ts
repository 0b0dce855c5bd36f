// What the page says and asks, against what there is: every verb of the API, every command that it teaches.
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { Command } from "commander";
import { ROUTES } from "../src/api/contract.ts";
import { packageFolder } from "../src/app/package.ts";
import { makeProgram } from "../src/app/program.ts";

const folder = packageFolder("ui/src");
const read = (ending: RegExp) =>
  readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((file) => ending.test(file))
    .map((file) => readFileSync(join(folder, file), "utf8"))
    .join("\n");
const sources = read(/\.tsx?$/);

/** Verbs that the page does without, and why. */
const WITHOUT: Record<string, string> = {
  firmware: "the list has all",
  image: "the list has all",
  volume: "the list has all",
  power: "the list is live",
  tasks: "each page shows the tasks that it began",
  explain: "node, boot and events are asked for by themselves",
  addresses: "a node's page has its own; the plan is the pools",
  places: "nodes have their places",
  allocateNode: "a program's verb: any node that is ready",
  lifeHistory: "events say the same",
  templateVersion: "the list says what changed",
  inventory: "for other tools",
  nodeInventory: "a board's own words, for programs",
  shutdown: "a program of the server's machine is looked at there",
  setShutdown: "a program of the server's machine is set there",
  deadLetters: "the list of webhooks counts them",
};

test("the page has every verb of the API, or a reason why not", () => {
  const absent = Object.keys(ROUTES).filter((verb) => !(verb in WITHOUT) && !sources.includes(`"${verb}"`));
  assert.deepEqual(absent, []);
});

test("the page's table of verbs without a place is no longer than it must be", () => {
  const known = Object.keys(WITHOUT).filter((verb) => verb in ROUTES);
  assert.deepEqual(
    known.filter((verb) => new RegExp(`(verb: |useResource\\(|call\\(\\s*)"${verb}"`).test(sources)),
    [],
  );
});

test("no field of the page keeps its help where it goes away as one types", () => {
  const all = sources + read(/\.css$/);
  assert.match(all, /\.field \.hint/, "found no styles");
  assert.doesNotMatch(all, /placeholder/i);
});

/** `image add` with its options, by the words of a line; undefined where there is no such command. */
function find(program: Command, words: readonly string[]): { command: Command; rest: string[] } | undefined {
  let command = program;
  let at = 0;
  for (; command.commands.length > 0 && at < words.length; at++) {
    const next = command.commands.find(
      (one) => one.name() === words[at] || one.aliases().includes(words[at] ?? ""),
    );
    if (!next) return undefined;
    command = next;
  }
  return command.commands.length > 0 ? undefined : { command, rest: words.slice(at) };
}

test("every command that the page teaches is one", () => {
  const taught = [...sources.matchAll(/\.\/bramble ([^"`<]+)/g)].map(([, line]) => (line ?? "").trim());
  assert.ok(taught.length > 8, `only ${taught.length} commands found`);
  const program = makeProgram();
  for (const line of taught) {
    if (line === "--help") continue;
    const found = find(program, line.split(/\s+/));
    assert.ok(found, `./bramble ${line}: there is no such command`);
    const options = [...program.options, ...found.command.options].flatMap(({ long, short }) => [
      long,
      short,
    ]);
    const unknown = found.rest.filter((word) => word.startsWith("-") && !options.includes(word));
    assert.deepEqual(unknown, [], `./bramble ${line}`);
    const { registeredArguments } = found.command;
    if (registeredArguments.some(({ variadic }) => variadic)) continue;
    const words = found.rest.filter(
      (word, i) => !word.startsWith("-") && !found.rest[i - 1]?.startsWith("-"),
    );
    assert.ok(words.length <= registeredArguments.length, `./bramble ${line}: too many words`);
  }
});
