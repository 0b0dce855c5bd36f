import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { test } from "node:test";
import { needs, run } from "../../test/tools.ts";
import type { SyslogMessage } from "../wire/syslog/message.ts";
import { LogLimits } from "./log-limits.ts";
import { type NetconsoleLine, serveNetconsole } from "./netconsole.ts";
import { serveSyslog } from "./syslog.ts";

/** Collects what is heard; `take` waits for so many. */
function ear<T>() {
  const heard: T[] = [];
  let wake = () => {};
  return {
    heard: (one: T) => {
      heard.push(one);
      wake();
    },
    async take(count: number): Promise<T[]> {
      while (heard.length < count) await new Promise<void>((go) => (wake = go));
      return heard;
    },
  };
}
const host = "127.0.0.1";
const dropped = () => {};

for (const [form, flag] of [
  ["5424", "--rfc5424"],
  ["3164", "--rfc3164"],
] as const) {
  test(`serveSyslog() hears util-linux's logger in RFC ${form}`, async (t) => {
    if (!needs(t, "logger", "bsdutils")) return;
    const { heard, take } = ear<SyslogMessage>();
    const door = await serveSyslog({ host, port: 0, heard, dropped });
    t.after(() => door.close());
    const at = ["--server", host, "--port", String(door.port), "--udp", flag, "-t", "sshd", "--id=812"];
    run("logger", [...at, "-p", "auth.warning", "Invalid user ünïcode from 10.0.0.9"]);
    const [message] = await take(1);
    assert.equal(message?.format, form);
    assert.equal(message?.facility, 4);
    assert.equal(message?.severity, 4);
    assert.equal(message?.app, "sshd");
    assert.equal(message?.process, "812");
    assert.match(message?.text ?? "", /Invalid user ünïcode from 10\.0\.0\.9$/);
  });
}

test("serveNetconsole() puts a line together that comes in pieces, and ends one that nobody ends", async (t) => {
  const { heard, take } = ear<NetconsoleLine>();
  const door = await serveNetconsole({ host, port: 0, heard, dropped });
  t.after(() => door.close());
  const socket = createSocket("udp4");
  t.after(() => socket.close());
  const send = (text: string) =>
    new Promise<void>((done) => socket.send(text, door.port, host, () => done()));
  await send("[ 1.0] Linux ");
  await send("version 6.12\n[ 1.1] two\n");
  await send("4,12,99,-,ncfrag=0/8;over-");
  await send("4,12,99,-,ncfrag=5/8;run");
  await send("RPi: bootloader without an end");
  assert.deepEqual(await take(4), [
    { text: "[ 1.0] Linux version 6.12" },
    { text: "[ 1.1] two", open: false },
    { text: "over-run", severity: 4 },
    { text: "RPi: bootloader without an end" },
  ]);
});

test("serveNetconsole() hears what nc sends", async (t) => {
  if (!needs(t, "nc", "netcat-openbsd")) return;
  const { heard, take } = ear<NetconsoleLine>();
  const door = await serveNetconsole({ host, port: 0, heard, dropped });
  t.after(() => door.close());
  run("nc", ["-u", "-q", "0", host, String(door.port)], { input: "Kernel panic - not syncing\n" });
  const [line] = await take(1);
  assert.equal(line?.text, "Kernel panic - not syncing");
});

test("LogLimits lets a whole kernel log through, holds a flood back, and forgets who is quiet", () => {
  const limits = new LogLimits();
  let passed = 0;
  for (let i = 0; i < 10_000; i++) if (limits.allows("10.0.0.1", i / 10)) passed += 1;
  assert.ok(passed >= 4_000 && passed < 4_400, `${passed} of 10,000 in a second`);
  assert.ok(limits.allows("10.0.0.2", 1_000), "others are not held back");
  assert.ok(limits.allows("10.0.0.1", 3_000), "later it may again");
  for (let i = 0; i < 50_000; i++) limits.allows(`${i}`, 4_000); // spoofed addresses cost no more than a map
});
