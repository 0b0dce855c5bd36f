import assert from "node:assert/strict";
import { test } from "node:test";
import { BrambleError } from "../base/errors.ts";
import type { Packet } from "../wire/tftp/packet.ts";
import type { TftpEvent } from "./tftp.ts";
import { ack, client, read, served } from "./tftp-testing.ts";

const refused: [string, Packet, number, TftpEvent["kind"]][] = [
  ["a file that is not there", read("89eb9bb9/nothing"), 1, "missing"],
  ["a write", { ...read("x"), type: "write" } as Packet, 2, "refused"],
  ["a way out of the tree", read("a/../../etc/passwd"), 2, "refused"],
  ["mail", read("text", {}, "mail"), 4, "refused"],
];
for (const [what, request, code, kind] of refused) {
  test(`serveTftp() refuses ${what} at once with ERROR ${code}`, async (t) => {
    const { port, event } = await served(t);
    const pi = await client(t);
    pi.say(request, port);
    const { packet, port: tid } = await pi.hear();
    assert.ok(packet.type === "error" && packet.code === code, JSON.stringify(packet));
    await event(kind);
    pi.say(ack(1), tid); // tftp-hpa acknowledges an ERROR
    pi.say(read("empty"), port);
    assert.equal((await pi.hear()).packet.type, "data");
  });
}

test("serveTftp() tells a client our own words for a failure, but not somebody else's", async (t) => {
  const { port, events } = await served(t, {
    find: async (path) => {
      throw path === "ours" ? new BrambleError("BAD_INPUT", "no image yet") : new Error("/secret/path: EIO");
    },
  });
  const pi = await client(t);
  pi.say(read("ours"), port);
  assert.deepEqual((await pi.hear()).packet, { type: "error", code: 0, text: "no image yet" });
  pi.say(read("theirs"), port);
  assert.deepEqual((await pi.hear()).packet, { type: "error", code: 0, text: "internal error" });
  assert.deepEqual(
    events.map(({ kind, why }) => [kind, why]),
    [
      ["refused", "no image yet"],
      ["refused", "/secret/path: EIO"],
    ],
  );
});

test("serveTftp() ends a transfer whose file cannot be read, with an ERROR and a reason", async (t) => {
  const reads = [
    () => {
      throw new Error("bad sector");
    },
    async () => {
      throw new Error("bad sector");
    },
  ];
  for (const fail of reads) {
    const { port, event } = await served(t, { find: async () => ({ size: 9000, read: fail }) });
    const pi = await client(t);
    pi.say(read("kernel8.img"), port);
    const { packet } = await pi.hear();
    assert.ok(packet.type === "error" && packet.code === 0 && !packet.text.includes("sector"));
    assert.match((await event("refused")).why ?? "", /bad sector/);
  }
});

test("serveTftp() answers a stranger on a transfer's port with ERROR 5, once a second, and the transfer goes on", async (t) => {
  const { port, event } = await served(t);
  const [pi, stranger] = [await client(t), await client(t)];
  pi.say(read("round"), port);
  let { port: tid } = await pi.hear();
  for (let i = 0; i < 3; i++) stranger.say(ack(1), tid);
  stranger.say(Uint8Array.of(0, 5), tid);
  const { packet } = await stranger.hear();
  assert.ok(packet.type === "error" && packet.code === 5);
  for (let block = 1; block <= 4; block++) {
    pi.say(ack(block), tid);
    ({ port: tid } = await pi.hear());
  }
  pi.say(ack(5), tid);
  assert.equal((await event("sent")).bytes, 2048);
  assert.equal(stranger.heard.length, 0);
});

test("serveTftp() lets requests beyond its limits wait, and serves them in turn", async (t) => {
  const { port, events } = await served(t, { limits: { transfers: 2, perAddress: 8, tids: 2 } });
  const boards = await Promise.all(Array.from({ length: 6 }, () => client(t)));
  for (const pi of boards) pi.say(read("empty"), port);
  const served1 = await Promise.all(
    boards.map(async (pi) => {
      const { packet, port: tid } = await pi.hear();
      pi.say(ack(1), tid);
      return packet.type;
    }),
  );
  assert.deepEqual(served1, Array(6).fill("data"));
  assert.equal(events.filter(({ kind }) => kind === "refused").length, 0);
});

test("serveTftp() keeps silent where even the waiting room is full, with an event, and goes on", async (t) => {
  const { port, event } = await served(t, { limits: { transfers: 1, queued: 1, tids: 2 } });
  const boards = await Promise.all(Array.from({ length: 3 }, () => client(t)));
  for (const pi of boards) pi.say(read("empty"), port);
  assert.match((await event("refused")).why ?? "", /too many/);
  const first = await Promise.race(boards.map(async (pi) => ({ pi, heard: await pi.hear() })));
  first.pi.say(ack(1), first.heard.port);
});
