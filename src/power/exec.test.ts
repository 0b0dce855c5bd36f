import assert from "node:assert/strict";
import { test } from "node:test";
import { exec, readingOfText, runArgv } from "./exec.ts";

const now = () => 1;
const soon = () => AbortSignal.timeout(10_000);
const NODE = process.execPath;

test("a program gets its arguments whole: no shell reads them", async () => {
  const print = [
    NODE,
    "-e",
    "console.log(JSON.stringify(process.argv.slice(1)))",
    "{state}",
    "{port}",
    "{what}",
  ];
  const said = await runArgv(print, { state: "on", port: "3; rm -rf / $(id) 'x'" }, soon());
  assert.deepEqual(JSON.parse(said), ["on", "3; rm -rf / $(id) 'x'", "{what}"]);
});

test("its exit code decides, and what it said is told", async () => {
  const fails = [NODE, "-e", "console.error('no such outlet'); process.exit(3)"];
  await assert.rejects(runArgv(fails, {}, soon()), {
    code: "POWER_REFUSED",
    message: /ended with 3: no such outlet/,
  });
  await assert.rejects(runArgv(["/no/such/program"], {}, soon()), { code: "POWER_REFUSED" });
  await assert.rejects(runArgv([NODE, "-e", "setInterval(() => {}, 1000)"], {}, AbortSignal.timeout(50)), {
    name: "TimeoutError",
  });
});

test("status is asked of it, and its answer read", async () => {
  const argv = [
    NODE,
    "-e",
    "console.log(process.argv[1] === 'status' ? '{\"state\":\"off\"}' : '')",
    "{state}",
  ];
  const driver = exec({ argv, reads: true, now });
  assert.deepEqual(await driver.get({ port: "1" }, soon()), { state: "off", adminOn: false, atMs: 1 });
  await driver.set({ port: "1" }, true, soon());
  assert.equal((await exec({ argv, reads: false, now }).get({ port: "1" }, soon())).state, "unknown");
});

test("answers of programs and webhooks: JSON or a word", () => {
  assert.equal(readingOfText('{"state": "ON", "watts": 4.26}', 1).milliwatts, 4260);
  assert.equal(readingOfText("on\n", 1).state, "on");
  assert.equal(readingOfText("Delivering power", 1).state, "on");
  assert.deepEqual(readingOfText("", 1), { state: "unknown", adminOn: null, atMs: 1 });
  assert.equal(readingOfText("null", 1).state, "unknown");
});
