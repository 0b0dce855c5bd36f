import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { onceScript } from "./once.ts";

const quote = (text: string) => `'${text.replaceAll("'", "'\\''")}'`;
const digest = (text: string) => createHash("sha256").update(text).digest("hex");

/** A node's root in a folder: the script's own paths are moved there, programs come from its bin/. */
function node(t: TestContext) {
  const root = mkdtempSync(join(tmpdir(), "once-"));
  t.after(() => rmSync(root, { recursive: true }));
  for (const name of ["run", "bin"]) mkdirSync(join(root, name));
  writeFileSync(join(root, "run/member"), `printf '%s|%s\\n' "$2" "$3" >> ${root}/told\n`);
  return {
    root,
    boot(commands: string[], { packages = [] as string[], instance = "i-1" } = {}) {
      const script = onceScript({ instance, packages, commands, digest, quote }) ?? "";
      const here = script
        .replaceAll("/run/bramble/", `${root}/run/`)
        .replaceAll("/var/lib/bramble/", `${root}/`)
        .replace("PATH=", `PATH=${root}/bin:`);
      return spawnSync("sh", ["-c", here], { cwd: root, encoding: "utf8", env: { HOME: root } });
    },
    program: (name: string, text: string) =>
      writeFileSync(join(root, "bin", name), `#!/bin/sh\n${text}\n`, { mode: 0o755 }),
    read: (name: string) => readFileSync(join(root, name), { encoding: "utf8", flag: "a+" }),
  };
}

test("onceScript() does each command once for the life of a clone, new ones at the next boot", (t) => {
  const n = node(t);
  const say = (word: string) => `echo ${word} >> ${n.root}/out`;
  n.boot([say("a"), say("b")]);
  n.boot([say("a"), say("b")]);
  assert.equal(n.read("out"), "a\nb\n");
  assert.equal(n.read("told"), "done|2 steps\n", "what was done already is not told again");
  n.boot([say("a"), say("c"), say("b"), say("b")]);
  assert.equal(n.read("out"), "a\nb\nc\nb\n", "a line that stands twice is done twice");
  n.boot([say("a")], { instance: "i-2" });
  assert.equal(n.read("out"), "a\nb\nc\nb\na\n", "a clone that was reset begins anew");
});

test("onceScript() stops at what fails, tells so without the command, and goes on there at the next boot", (t) => {
  const n = node(t);
  const commands = [
    `echo a >> ${n.root}/out`,
    `test -e ${n.root}/ready # hunter2`,
    `echo c >> ${n.root}/out`,
  ];
  assert.equal(n.boot(commands).status, 1);
  assert.equal(n.read("out"), "a\n");
  assert.match(n.read("told"), /^failed\|command 2 of the profile ended with 1: the rest waits/);
  assert.doesNotMatch(n.read("told") + n.read("once/done"), /hunter2/);
  writeFileSync(join(n.root, "ready"), "");
  assert.equal(n.boot(commands).status, 0);
  assert.equal(n.read("out"), "a\nc\n");
});

test("onceScript() installs the packages that are not there, by what the system has for it", (t) => {
  const n = node(t);
  n.program("dpkg-query", '[ "$4" = curl ] && printf installed || exit 1');
  n.program("apt-get", `echo "$@" >> ${n.root}/apt`);
  assert.equal(n.boot([], { packages: ["curl", "docker.io"] }).status, 0);
  assert.match(n.read("apt"), /update\n.*-y.* install docker\.io\n$/);
  n.boot([], { packages: ["docker.io", "curl"] });
  assert.equal(n.read("apt").split("\n").length, 3, "the same packages in another order are the same");
  n.program("apt-get", "exit 100");
  assert.equal(n.boot([], { packages: ["tini"] }).status, 1);
  assert.match(n.read("told"), /failed\|packages of the profile ended with 100/);
});

test("onceScript() is nothing where there is nothing to do", () => {
  assert.equal(onceScript({ instance: "i", packages: [], commands: [], digest, quote }), undefined);
});
