import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { NO_TAG, OP } from "../wire/iscsi/pdu.ts";
import { command, FINAL_LOGIN, INITIATOR, login, said, statusOf, TARGET } from "../wire/iscsi/testing.ts";
import { Client, house, MIB, read10, ready } from "./iscsi-testing.ts";
import { testDisk } from "./nbd-testing.ts";

test("500 half-open logins from one address harm nobody: not who is in, nor who comes then", async (t) => {
  const { port, events } = await house(t, testDisk(), { limits: { loginsPerAddress: 32 } });
  const client = await ready(await new Client(port).login());
  const begun = performance.now();
  const strangers = Array.from({ length: 500 }, (_, i) => {
    const stranger = new Client(port);
    if (i % 2) stranger.say(login({ InitiatorName: INITIATOR }, 0x44));
    return stranger;
  });
  await Promise.all(strangers.slice(0, 400).map((stranger) => stranger.end()));
  client.say(command(2, 1, { cdb: read10(0, 1), read: 512 }));
  assert.equal((await client.heard()).tag, 2);
  const late = await new Client(port).login({}, 0x73000000);
  assert.ok(!late.closed);
  const seconds = Math.ceil((performance.now() - begun) / 1000);
  assert.ok(events.filter(({ kind }) => kind === "refused").length <= 4 + seconds, "one line a second");
  for (const stranger of strangers) stranger.socket.destroy();
});

test("a login has a time, and a target that is not there a status", async (t) => {
  const { port, event, events } = await house(t, testDisk(), { limits: { loginMs: 60 } });
  const silent = new Client(port).say(login({ InitiatorName: INITIATOR }, 0x44));
  await silent.heard();
  await silent.end();
  await event("refused");
  assert.match(events[0]?.why ?? "", /no login within 60 ms/);
  const lost = new Client(port);
  lost.say(login({ InitiatorName: INITIATOR, TargetName: "iqn.2026-11.local.bramble:pi99" }, FINAL_LOGIN));
  assert.equal(statusOf(await lost.heard()), 0x0203);
  await lost.end();
});

test("an initiator that stops reading costs bounded memory, holds nobody up, and is cut off", async (t) => {
  let asked = 0;
  const disk = testDisk();
  const { port, event, events } = await house(
    t,
    {
      ...disk,
      read: (into, offset) => {
        asked += into.length;
        return disk.read(into, offset);
      },
    },
    { limits: { bytes: 4 * MIB, stallMs: 400 } },
  );
  const deaf = await ready(await new Client(port).login());
  deaf.socket.pause();
  for (let i = 0; i < 120; i++) deaf.say(command(i, 1 + i, { cdb: read10(0, 2048), read: MIB }));
  const other = await ready(await new Client(port).login({}, 0x74000000));
  other.say(command(2, 1, { cdb: read10(0, 1), read: 512 }));
  assert.equal((await other.heard()).tag, 2);
  await event("lost");
  assert.match(events.find(({ kind }) => kind === "lost")?.why ?? "", /nothing moved/);
  assert.ok(asked < 40 * MIB, `${asked / MIB} MiB were read for it: what the sockets hold, and its share`);
  deaf.socket.destroy();
});

test("silent initiators are pinged, live ones answer, dead ones are dropped", async (t) => {
  const { port, alive, ping, event, events } = await house(t, testDisk(), {
    limits: { pingMs: 40, pongMs: 80 },
  });
  const client = await new Client(port).login();
  const pinged = await client.heard();
  assert.deepEqual([pinged.opcode, pinged.tag], [OP.NOP_IN, NO_TAG]);
  const pong = (p: typeof pinged) =>
    client.say(said(OP.NOP_OUT, { tag: NO_TAG, immediate: true, words: { 20: p.view.getUint32(20) } }));
  pong(pinged);
  const asked = ping(TARGET, 10_000);
  pong(await client.heard());
  assert.equal(await asked, true);
  client.say(said(OP.NOP_OUT, { tag: 9, immediate: true, words: { 20: NO_TAG } }));
  while ((await client.heard()).tag !== 9); // all that was said has come
  assert.deepEqual(
    alive(TARGET).map(({ client: { initiator, isid, address } }) => [initiator, isid, address]),
    [[INITIATOR, "801234567000", "127.0.0.1"]],
  );
  assert.ok((alive(TARGET)[0]?.quietMs ?? 1e9) < 10_000);
  assert.equal(await ping(TARGET, 20), false, "nobody answers now");
  await client.end();
  await event("lost");
  assert.match(events.at(-1)?.why ?? "", /no answer to a ping/);
  assert.equal(await ping(TARGET, 20), false);
});

test("a planned restart asks for a logout; close() leaves nothing behind", async (t) => {
  const { port, askToLogOut, close } = await house(t, testDisk());
  const client = await new Client(port).login();
  askToLogOut(3);
  const message = await client.heard();
  assert.deepEqual([message.opcode, message.view.getUint8(36), message.view.getUint16(42)], [OP.ASYNC, 1, 3]);
  await close();
  await client.end();
});

test("find() may take its time, and fail: the initiator is told to try again", async (t) => {
  const { port, event } = await house(t, testDisk(), {
    find: async () => {
      await turn();
      throw new Error("the control side is away");
    },
  });
  const client = new Client(port).say(login({ InitiatorName: INITIATOR, TargetName: TARGET }, FINAL_LOGIN));
  assert.equal(statusOf(await client.heard()), 0x0301);
  await event("error");
});

test("noise on the port is an event, not an error", async (t) => {
  const { port, event } = await house(t, testDisk());
  const client = new Client(port).say(Buffer.from("GET / HTTP/1.1\r\n\r\n"));
  await client.end();
  await event("refused");
});
