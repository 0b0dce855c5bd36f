import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import { needs, run } from "./tools.ts";

const own = import.meta.url.endsWith(".ts") ? "ts" : "js";
const main = fileURLToPath(new URL(`../src/app/main.${own}`, import.meta.url));

/** The program as a person starts it. */
function bramble(...words: string[]) {
  const loader = own === "ts" ? ["--import", "tsx"] : [];
  const env = { ...process.env, NO_COLOR: "1" };
  const { stdout, stderr, status } = spawnSync(process.execPath, [...loader, main, ...words], {
    encoding: "utf8",
    env,
  });
  return { stdout, stderr, status };
}

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), "cli-"));
  t.after(() => rmSync(path, { recursive: true }));
  return path;
}

test("bash completes commands and their options from what the program has", (t) => {
  if (!needs(t, "bash", "bash")) return;
  const script = join(folder(t), "completion.sh");
  writeFileSync(script, bramble("completion").stdout);
  const ask = (words: string[]) =>
    run("bash", [
      "-c",
      `source "$1"; COMP_WORDS=(bramble ${words.map((word) => `"${word}"`).join(" ")}); COMP_CWORD=${words.length}; _bramble; echo "\${COMPREPLY[@]}"`,
      "bash",
      script,
    ]).trim();
  assert.equal(ask(["im"]), "image");
  assert.match(ask(["image", ""]), /\badd\b.*\brm\b/);
  assert.match(ask(["up", "--mo"]), /^--mode$/);
});

test("zsh and fish get scripts of their own", () => {
  assert.match(bramble("completion", "--shell", "zsh").stdout, /^autoload -U \+X bashcompinit/);
  const fish = bramble("completion", "--shell", "fish").stdout;
  assert.match(fish, /__fish_use_subcommand' -a image$/m);
  assert.match(fish, /__fish_seen_subcommand_from image' -a add$/m);
});

test("card pi3-otp adds its line to a config.txt once, whatever the last line looked like", (t) => {
  const card = folder(t);
  writeFileSync(join(card, "config.txt"), "arm_64bit=1");
  for (let i = 0; i < 2; i++) assert.equal(bramble("card", "pi3-otp", card).status, 0);
  assert.equal(readFileSync(join(card, "config.txt"), "utf8"), "arm_64bit=1\nprogram_usb_boot_mode=1\n");
});

test("card bootcode and pi4-boot-order write just their files", (t) => {
  const [card, from] = [folder(t), join(folder(t), "b.bin")];
  writeFileSync(from, "FIRMWARE");
  assert.equal(bramble("card", "bootcode", card, "--from", from).status, 0);
  assert.deepEqual(readdirSync(card).sort(), ["bootcode.bin", "timeout"]);
  assert.equal(readFileSync(join(card, "bootcode.bin"), "utf8"), "FIRMWARE");
  assert.equal(bramble("card", "pi4-boot-order", card).status, 0);
  assert.match(readFileSync(join(card, "bootconf.txt"), "utf8"), /^BOOT_ORDER=0xf21$/m);
});

test("an error is told with what to do: words for people, one line of JSON for programs, and exit code 1", (t) => {
  const nowhere = join(folder(t), "nowhere");
  const people = bramble("card", "pi3-otp", nowhere);
  assert.equal(people.status, 1);
  assert.equal(
    people.stderr,
    `error: ${nowhere} is no folder\nhint:  mount the card's FAT partition and name that folder\n`,
  );
  const program = bramble("card", "pi3-otp", nowhere, "-o", "json");
  assert.equal(program.status, 1);
  assert.deepEqual(JSON.parse(program.stderr), {
    code: "FILE_UNKNOWN",
    title: `${nowhere} is no folder`,
    hint: "mount the card's FAT partition and name that folder",
  });
  assert.match(bramble("--verbose", "card", "pi3-otp", nowhere).stderr, /at mounted/);
});

test("who writes a command wrongly is told what is wrong and how it is written, and nothing of our insides", (t) => {
  const path = folder(t);
  writeFileSync(join(path, "file"), "");
  const rows: [words: string[], told: RegExp][] = [
    [["node", "set"], /^error: which nodes\? name them/],
    [
      ["clone", "rollback", "pi"],
      /missing required argument 'snapshot'\nhint: {2}bramble clone rollback \[options\] <node> <snapshot>\n/,
    ],
    [["node", "nonsense"], /unknown command 'nonsense'\nhint: {2}bramble node --help lists its commands/],
    [
      ["demo", "--port", "http"],
      /'--port <port>' argument 'http' is invalid\. Write a whole number from 0 to 65535/,
    ],
    [
      ["--data", join(path, "file"), "node", "list"],
      /^error: EEXIST.*\nhint: {2}something else is there already/,
    ],
  ];
  for (const [words, told] of rows) {
    const { stderr, status } = bramble("--data", join(path, "data"), ...words);
    assert.match(stderr, told);
    assert.doesNotMatch(stderr, /\n {4}at /, "a stack is for --verbose");
    assert.equal(status, 1, words.join(" "));
  }
  const fault = bramble("--data", join(path, "file"), "-o", "json", "node", "list");
  assert.equal(JSON.parse(fault.stderr).code, "BAD_INPUT");
});
