import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { BrambleError } from "../base/errors.ts";
import { NO_TAG, OP } from "../wire/iscsi/pdu.ts";
import { command, dataOut, said, TARGET } from "../wire/iscsi/testing.ts";
import { Client, house, MIB, read10, ready, write10 } from "./iscsi-testing.ts";
import { testDisk } from "./nbd-testing.ts";

/** A door that can be held shut. */
function gate() {
  let open = () => {};
  let shut: Promise<void> | undefined;
  return {
    pass: () => shut ?? Promise.resolve(),
    shut() {
      shut = new Promise((resolve) => {
        open = resolve;
      });
    },
    open() {
      shut = undefined;
      open();
    },
  };
}
const block = (fill: number, count = 1) => new Uint8Array(count * 512).fill(fill);
test("writes are read back, and outlive a kill before their answers leave", async (t) => {
  const log: string[] = [];
  const { port } = await house(t, testDisk(log));
  const client = await ready(await new Client(port).login());
  client.say(command(2, 1, { cdb: write10(8, 2), write: 1024, data: block(5, 2) }));
  assert.equal((await client.heard()).opcode, OP.RESPONSE);
  assert.deepEqual(log, ["write", "endBatch"]);
  client.say(command(3, 2, { cdb: read10(7, 4), read: 2048 }));
  const answer = await client.heard();
  assert.deepEqual([answer.opcode, answer.flags], [OP.DATA_IN, 0x81], "data and GOOD in one PDU");
  assert.deepEqual(answer.data, Buffer.concat([block(0), block(5, 2), block(0)]));
  client.say(command(4, 3, { cdb: write10(0, 1, true), write: 512, data: block(1) }));
  await client.heard();
  assert.deepEqual(log.slice(2), ["read", "write", "flush", "endBatch"], "FUA: durable before its answer");
});

test("the answers to one receive leave in one write", async (t) => {
  const { port } = await house(t, testDisk());
  const client = await ready(await new Client(port).login());
  const before = client.receives;
  client.say(...Array.from({ length: 32 }, (_, i) => command(i, 1 + i, { cdb: read10(i, 1), read: 512 })));
  for (let i = 0; i < 32; i++) assert.equal((await client.heard()).tag, i);
  assert.equal(client.receives, before + 1);
});

test("a long read comes in PDUs of the initiator's size and bursts, in order, with the status on the last", async (t) => {
  for (const waiting of [false, true]) {
    const disk = testDisk([], waiting ? () => turn() : undefined);
    for (let i = 0; i < 64; i++) disk.bytes.fill(i, i * 512, (i + 1) * 512);
    const { port } = await house(t, disk);
    const client = await ready(
      await new Client(port).login({ MaxRecvDataSegmentLength: "8192", MaxBurstLength: "12288" }),
    );
    client.say(command(2, 1, { cdb: read10(0, 64), read: 40000 }));
    const parts = [];
    do parts.push(await client.heard());
    while ((parts.at(-1)?.flags ?? 0) % 2 === 0);
    assert.deepEqual(Buffer.concat(parts.map(({ data }) => data)), disk.bytes.subarray(0, 32768));
    assert.deepEqual(
      parts.map(({ flags, view }) => [flags, view.getUint32(36), view.getUint32(40)]),
      [
        [0, 0, 0],
        [0x80, 1, 8192],
        [0, 2, 12288],
        [0x80, 3, 20480],
        [0x83, 4, 24576],
      ],
    );
    assert.equal(parts.at(-1)?.view.getUint32(44), 40000 - 32768, "the residual");
  }
});

test("a slow command does not hold up the next; a write's data outlives its receive buffer", async (t) => {
  const door = gate();
  const disk = testDisk([], () => door.pass());
  const { port } = await house(t, disk);
  const client = await ready(await new Client(port).login());
  door.shut();
  client.say(command(2, 1, { cdb: write10(0, 8), write: 4096, data: block(1, 8) }));
  client.say(command(3, 2, { cdb: write10(8, 8), write: 4096, data: block(2, 8) }));
  client.say(said(OP.NOP_OUT, { tag: 9, immediate: true, words: { 20: NO_TAG } }));
  assert.equal((await client.heard()).tag, 9);
  for (let i = 0; i < 20; i++) {
    client.say(said(OP.NOP_OUT, { tag: 9, immediate: true, words: { 20: NO_TAG }, data: block(0xee, 16) }));
    await client.heard();
  }
  door.open();
  assert.deepEqual(new Set([(await client.heard()).tag, (await client.heard()).tag]), new Set([2, 3]));
  assert.deepEqual(disk.bytes.subarray(0, 8192), Buffer.concat([block(1, 8), block(2, 8)]));
});

test("a disk's error is that command's alone: a full store, a broken read", async (t) => {
  for (const waiting of [false, true]) {
    const disk = testDisk();
    const fail = (code: "DISK_FULL" | "DISK_IO") => {
      const error = new BrambleError(code, "broken on purpose");
      if (waiting) return turn().then(() => Promise.reject(error));
      throw error;
    };
    const { port, event } = await house(t, {
      ...disk,
      write: () => fail("DISK_FULL"),
      read: (into, offset) => (offset >= MIB ? fail("DISK_IO") : disk.read(into, offset)),
    });
    const client = await ready(await new Client(port).login({ MaxRecvDataSegmentLength: "65536" }));
    client.say(command(2, 1, { cdb: write10(0, 1), write: 512, data: block(1) }));
    const full = await client.heard();
    assert.deepEqual([full.view.getUint8(3), full.data[4], full.data[14], full.data[15]], [2, 7, 0x27, 7]);
    client.say(
      command(3, 2, { cdb: read10(2040, 16), read: 8192 }),
      command(4, 3, { cdb: read10(4096, 512), read: 262144 }),
    );
    assert.equal((await client.heard()).tag, 3);
    const broken = await client.heard();
    assert.deepEqual([broken.opcode, broken.tag, broken.data[4], broken.data[14]], [OP.RESPONSE, 4, 3, 0x11]);
    await event("error");
  }
});

test("ABORT TASK is answered when the disk has let go, and the task is not answered any more", async (t) => {
  const log: string[] = [];
  const door = gate();
  const { port } = await house(
    t,
    testDisk(log, () => door.pass()),
  );
  const client = await ready(await new Client(port).login());
  door.shut();
  client.say(command(2, 1, { cdb: write10(0, 1), write: 512, data: block(1) }));
  client.say(said(OP.TASK, { flags: 0x81, tag: 50, immediate: true, words: { 20: 2 } }));
  client.say(said(OP.NOP_OUT, { tag: 9, immediate: true, words: { 20: NO_TAG } }));
  assert.equal((await client.heard()).tag, 9, "not yet");
  door.open();
  const answer = await client.heard();
  assert.deepEqual([answer.opcode, answer.tag, answer.view.getUint8(2)], [OP.TASK_RESPONSE, 50, 0]);
  assert.ok(log.includes("write done"));
  client.say(said(OP.TASK, { flags: 0x81, tag: 51, immediate: true, words: { 20: 2 } }));
  const none = await client.heard();
  assert.deepEqual([none.tag, none.view.getUint8(2)], [51, 1], "no such task");
  client.say(said(OP.TASK, { flags: 0x85, tag: 52, immediate: true, words: { 8: 0x00050000 } }));
  assert.equal((await client.heard()).view.getUint8(2), 2, "no such LUN");
  client.say(said(OP.TASK, { flags: 0x88, tag: 53, immediate: true }));
  assert.equal((await client.heard()).view.getUint8(2), 4, "no reassignment");
});

test("a reset ends data that is being gathered, and other sessions' tasks", async (t) => {
  const door = gate();
  const { port } = await house(
    t,
    testDisk([], () => door.pass()),
  );
  const [one, two] = [
    await ready(await new Client(port).login()),
    await ready(await new Client(port).login({}, 0x71000000)),
  ];
  one.say(command(2, 1, { cdb: write10(0, 16), write: 8192 }));
  assert.equal((await one.heard()).opcode, OP.R2T);
  door.shut();
  two.say(command(2, 1, { cdb: read10(0, 1), read: 512 }));
  one.say(said(OP.TASK, { flags: 0x85, tag: 50, immediate: true }));
  assert.equal((await one.heard()).view.getUint8(2), 0);
  const aborted = await two.heard();
  assert.deepEqual([aborted.tag, aborted.view.getUint8(3)], [2, 0x40], "TASK ABORTED");
  door.open();
  one.say(dataOut(2, block(1, 16), { transfer: 1 }), command(3, 2, { cdb: read10(0, 1), read: 512 }));
  assert.equal((await one.heard()).tag, 3, "late data is dropped");
});

test("the same initiator and ISID again: the old session ends, and its writes, before the new one begins", async (t) => {
  const log: string[] = [];
  const door = gate();
  const { port, sessions, event } = await house(
    t,
    testDisk(log, () => door.pass()),
  );
  const old = await ready(await new Client(port).login());
  door.shut();
  old.say(command(2, 1, { cdb: write10(0, 1), write: 512, data: block(1) }));
  old.say(said(OP.NOP_OUT, { tag: 9, immediate: true, words: { 20: NO_TAG } }));
  await old.heard();
  const anew = new Client(port);
  const loggedIn = anew.login().then(() => log.push("logged in"));
  await old.end();
  assert.deepEqual(sessions, ["opened"]);
  door.open();
  await loggedIn;
  await event("reinstated");
  assert.deepEqual(log, ["write", "write done", "logged in"]);
  assert.deepEqual(sessions, ["opened", "closed: its initiator has logged in anew", "opened"]);
  await (await new Client(port).login({}, 0x72000000)).socket.end();
});

test("drop() resolves when nothing of the target's sessions touches its disk any more", async (t) => {
  const log: string[] = [];
  const door = gate();
  const { port, drop, sessions, event } = await house(
    t,
    testDisk(log, () => door.pass()),
  );
  const client = await ready(await new Client(port).login());
  door.shut();
  client.say(command(2, 1, { cdb: write10(0, 1), write: 512, data: block(1) }));
  client.say(said(OP.NOP_OUT, { tag: 9, immediate: true, words: { 20: NO_TAG } }));
  await client.heard();
  const dropped = drop(TARGET, "another boot").then(() => log.push("dropped"));
  await client.end();
  await turn();
  assert.deepEqual(log, ["write"]);
  door.open();
  await dropped;
  assert.deepEqual(log, ["write", "write done", "dropped"]);
  assert.deepEqual(sessions.at(-1), "closed: another boot");
  await event("lost");
});

test("a logout ends what is open, is answered, and the line is cut", async (t) => {
  const { port, event, sessions } = await house(t, testDisk());
  const client = await ready(await new Client(port).login());
  client.say(said(OP.LOGOUT, { flags: 0x82, tag: 4, cmdSN: 1, words: { 20: 0 } }));
  const cannot = await client.heard();
  assert.deepEqual(
    [cannot.opcode, cannot.view.getUint8(2)],
    [OP.LOGOUT_RESPONSE, 2],
    "no recovery of connections",
  );
  client.say(said(OP.LOGOUT, { flags: 0x81, tag: 5, cmdSN: 2, words: { 20: 0x00070000 } }));
  assert.equal((await client.heard()).view.getUint8(2), 1, "no such connection");
  client.say(said(OP.LOGOUT, { tag: 6, cmdSN: 3 }));
  assert.deepEqual([(await client.heard()).tag], [6]);
  await client.end();
  await event("logout");
  assert.deepEqual(sessions, ["opened", "closed: logged out"]);
});
