import assert from "node:assert/strict";
import { test } from "node:test";
import type { Command } from "commander";
import { makeProgram } from "../src/app/program.ts";
import { RULES } from "../src/fleet/diagnosis.ts";

/** The command that these words begin with, as far as it goes; the first word that is none is an argument. */
function reached(words: readonly string[]): Command {
  let at: Command = makeProgram();
  for (const word of words) {
    const next = at.commands.find((one) => one.name() === word);
    if (!next) break;
    at = next;
  }
  return at;
}

test("every command that a diagnosis recommends is there, with its options", () => {
  let count = 0;
  for (const { cause, todo } of RULES)
    for (const [, line = ""] of todo.matchAll(/`bramble ([^`]+)`/g)) {
      const words = line.split(" ");
      const found = reached(words);
      const isDone = found.commands.length === 0 || (found as { _actionHandler?: unknown })._actionHandler;
      assert.ok(found.parent && isDone, `${cause}: bramble ${line} is no command`);
      for (const option of words.filter((word) => word.startsWith("--")))
        assert.ok(
          found.options.some(({ long }) => long === option),
          `${cause}: ${line}: no ${option}`,
        );
      count += 1;
    }
  assert.ok(count > 15, "found no commands in the table");
});
