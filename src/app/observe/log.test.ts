import assert from "node:assert/strict";
import { test } from "node:test";
import { openLog } from "./log.ts";

function lines(options: Parameters<typeof openLog>[0]) {
  const out: string[] = [];
  return { out, log: openLog(options, (line) => out.push(line)) };
}

test("the JSON log has a line for each word and event, with level, kind and node", () => {
  const { out, log } = lines({ format: "json", level: "info" });
  log.say("TFTP 10.0.0.1:69");
  log.warn("the disk is nearly full");
  log.event({ kind: "boot", node: "pi-1", words: "boot failed" });
  const [one, two, three] = out.map((line) => JSON.parse(line));
  assert.deepEqual([one.level, one.msg], ["info", "TFTP 10.0.0.1:69"]);
  assert.equal(two.level, "warn");
  assert.deepEqual([three.kind, three.node, three.msg], ["boot", "pi-1", "boot failed"]);
  assert.ok(Math.abs(one.time - Date.now()) < 60_000);
});

test("the log for people shows events only where somebody asked for debug, and keeps below its level", () => {
  const quiet = lines({ format: "pretty", level: "info" });
  quiet.log.event({ kind: "dhcp", words: "x" });
  quiet.log.say("hello");
  assert.equal(quiet.out.length, 1);
  assert.match(quiet.out[0] ?? "", /hello\n$/);
  const loud = lines({ format: "pretty", level: "debug" });
  loud.log.event({ kind: "dhcp", node: "pi-1", words: "DISCOVER" });
  assert.match(loud.out[0] ?? "", /pi-1 dhcp: .*DISCOVER/);
  const errors = lines({ format: "pretty", level: "error" });
  errors.log.warn("x");
  assert.equal(errors.out.length, 0);
});

test("the log blanks what looks like a secret", () => {
  const { out, log } = lines({ format: "json", level: "info" });
  log.say(
    "cmdline bramble.token=abcdef password: hunter22 Authorization: Bearer abcdefghijk http://u:pw1@h/ $6$salt$hash",
  );
  for (const slip of ["abcdef", "hunter22", "abcdefghijk", "pw1", "$6$salt$hash"])
    assert.equal(out.join("").includes(slip), false, slip);
});
