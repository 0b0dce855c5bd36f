import assert from "node:assert/strict";
import { test } from "node:test";
import { serveTftp } from "./tftp.ts";
import { ack, client, FILES, noise, read, served } from "./tftp-testing.ts";

test("serveTftp() gives a Pi its OACK and no data before ACK 0, then the file, from a port of its own", async (t) => {
  const { port, event } = await served(t);
  const pi = await client(t);
  pi.say(read("/round", { tsize: 0, blksize: 1024, timeout: 200 }), port);
  const oack = await pi.hear();
  assert.deepEqual(oack.packet, {
    type: "oack",
    options: new Map([
      ["tsize", "2048"],
      ["blksize", "1024"],
      ["timeout", "200"], // a busy machine is no reason to send again
    ]),
  });
  assert.notEqual(oack.port, port);
  const got: number[] = [];
  for (let block = 0; block <= 3; block++) {
    assert.equal(pi.heard.length, 0, "one packet for each ACK");
    pi.say(ack(block), oack.port);
    if (block === 3) break;
    const data = await pi.hear();
    assert.ok(data.packet.type === "data" && data.packet.block === block + 1 && data.port === oack.port);
    got.push(...data.packet.bytes);
  }
  assert.deepEqual(Uint8Array.from(got), noise(2048));
  const sent = await event("sent");
  assert.deepEqual(
    [sent.path, sent.bytes, sent.blockSize, sent.windowSize, sent.retransmits, sent.client.port],
    ["round", 2048, 1024, 1, 0, pi.port],
  );
  assert.ok((sent.ms ?? -1) >= 0);
});

test("serveTftp() answers a request that comes again once, while the first answer is under way", async (t) => {
  let asked = 0;
  const { port, events } = await served(t, {
    find: async (path) => {
      asked += 1;
      return FILES.get(path);
    },
  });
  const pi = await client(t);
  for (let i = 0; i < 5; i++) pi.say(read("round", { tsize: 0 }), port);
  pi.say(read("empty"), port); // another file from the same port: the 3B's ROM does that
  const answers = [await pi.hear(), await pi.hear()];
  assert.deepEqual(answers.map(({ packet }) => packet.type).sort(), ["data", "oack"]);
  assert.notEqual(answers[0]?.port, answers[1]?.port);
  assert.equal(asked, 2);
  assert.equal(events.filter(({ kind }) => kind === "read").length, 2);
  assert.equal(pi.heard.length, 0);
});

for (const [who, code, text] of [
  ["a Pi", 0, "Early terminate"],
  ["EDK2", 8, "User aborted the transfer"],
] as const) {
  test(`serveTftp() takes ${who}'s probe for what it is, and drops it without a word`, async (t) => {
    const { port, event } = await served(t);
    const pi = await client(t);
    pi.say(read("kernel8.img", { tsize: 0 }), port);
    const { port: tid } = await pi.hear();
    pi.say({ type: "error", code, text }, tid);
    assert.equal((await event("probe")).why, `error ${code} ${text}`);
    pi.say(ack(0), tid); // too late
    pi.say(read("nothing"), port);
    assert.equal((await pi.hear()).packet.type, "error"); // of "nothing": the first thing that it hears
  });
}

test("serveTftp() calls it aborted when a client stops in the middle", async (t) => {
  const { port, event } = await served(t);
  const pi = await client(t);
  pi.say(read("kernel8.img"), port);
  for (let block = 1; block < 4; block++) pi.say(ack(block), (await pi.hear()).port);
  pi.say({ type: "error", code: 3, text: "full" }, (await pi.hear()).port);
  const { why, bytes } = await event("aborted");
  assert.deepEqual([why, bytes], ["error 3 full", 3 * 512]);
});

test("serveTftp() survives any packet on any of its ports, and says so once a second", async (t) => {
  const { port, event, events } = await served(t);
  const [pi, stranger] = [await client(t), await client(t)];
  const begun = performance.now();
  pi.say(read("round"), port);
  const { port: tid } = await pi.hear();
  for (let seed = 1; seed < 300; seed++) {
    const junk = noise(300).subarray(seed, seed + (seed % 40));
    for (const bytes of [junk, Uint8Array.of(0, seed % 8, ...junk)]) {
      stranger.say(bytes, seed % 2 ? port : tid);
      if (bytes[1] !== 4 && bytes[1] !== 5) pi.say(bytes, tid);
    }
  }
  pi.say(Uint8Array.of(0, 5), tid); // an ERROR that is cut short ends nothing
  await event("bad-packet");
  pi.say(ack(1), tid);
  while (true) {
    const { packet } = await pi.hear();
    if (packet.type === "data" && packet.block === 2) break;
  }
  const seconds = Math.ceil((performance.now() - begun) / 1000);
  assert.ok(events.filter(({ kind }) => kind === "bad-packet").length <= 2 * (1 + seconds));
});

test("serveTftp() caps the block size where it is told to", async (t) => {
  const { port } = await served(t, { limits: { blockSize: 1400 } });
  const pi = await client(t);
  pi.say(read("round", { blksize: 1468, windowsize: 99 }), port);
  const { packet } = await pi.hear();
  assert.deepEqual(packet, {
    type: "oack",
    options: new Map([
      ["blksize", "1400"],
      ["windowsize", "16"],
    ]),
  });
});

test("serveTftp() turns small texts into netascii, and refuses it for large files", async (t) => {
  const { port } = await served(t, {
    find: async (path) => (path === "big" ? { size: 1 << 21, read: () => {} } : FILES.get(path)),
  });
  const pi = await client(t);
  pi.say(read("text", { tsize: 0 }, "NetASCII"), port);
  const oack = await pi.hear();
  assert.deepEqual(oack.packet, { type: "oack", options: new Map([["tsize", "9"]]) });
  pi.say(ack(0), oack.port);
  const { packet } = await pi.hear();
  assert.ok(packet.type === "data");
  assert.equal(Buffer.from(packet.bytes).toString(), "a\r\nb\r\0c\r\n");
  pi.say(ack(1), oack.port);
  pi.say(read("big", {}, "netascii"), port);
  const refusal = await pi.hear();
  assert.ok(refusal.packet.type === "error" && /octet/.test(refusal.packet.text));
});

test("serveTftp() says when the kernel gave less buffer than asked", async (t) => {
  const { warnings } = await served(t, { limits: { receiveBuffer: 2 ** 30 } });
  assert.match(warnings.join(), /net\.core\.rmem_max/);
  assert.deepEqual((await served(t, { limits: { receiveBuffer: 65536 } })).warnings, []);
});

test("serveTftp() throws where its port is taken, and leaves nothing open", async (t) => {
  const { port } = await served(t);
  await assert.rejects(serveTftp({ host: "127.0.0.1", port, find: async () => undefined, on: () => {} }), {
    code: "EADDRINUSE",
  });
});

test("serveTftp() may be closed while a file is still being looked for", async (t) => {
  let asked = () => {};
  let answer = (_file: undefined) => {};
  const looking = new Promise<void>((done) => {
    asked = done;
  });
  const find = () =>
    new Promise<undefined>((done) => {
      answer = done;
      asked();
    });
  const { port, close, events } = await served(t, { find });
  const pi = await client(t);
  pi.say(read("late"), port);
  await looking;
  await close();
  answer(undefined);
  await new Promise(setImmediate); // an answer through a closed socket would end the process here
  assert.deepEqual(events, []);
});
