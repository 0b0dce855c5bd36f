import assert from "node:assert/strict";
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { type TestContext, test } from "node:test";
import { BrambleError } from "../base/errors.ts";
import type { FileBytes } from "../base/tree.ts";
import { decode, encode, type Packet } from "../wire/tftp/packet.ts";
import { serveTftp, type TftpEvent, type TftpOptions } from "./tftp.ts";

const inMemory = (bytes: Uint8Array): FileBytes => ({
  size: bytes.length,
  read: (into, offset) => into.set(bytes.subarray(offset, offset + into.length)),
});
/** The same, but from a disk that answers in its own time. */
const onDisk = (bytes: Uint8Array): FileBytes => ({
  size: bytes.length,
  read: async (into, offset) => {
    await new Promise(setImmediate);
    into.set(bytes.subarray(offset, offset + into.length));
  },
});
const noise = (length: number) => Uint8Array.from({ length }, (_, i) => (i * 2654435761) >>> 13);

const FILES = new Map<string, FileBytes>([
  ["kernel8.img", inMemory(noise(300_000))],
  ["from/disk", onDisk(noise(100_000))],
  ["round", inMemory(noise(2048))],
  ["text", inMemory(new TextEncoder().encode("a\nb\rc\n"))],
  ["empty", inMemory(noise(0))],
]);

/** A server of FILES with its events; it is closed when the test ends, and then nothing of it may be left. */
async function served(t: TestContext, more: Partial<TftpOptions> = {}) {
  const events: TftpEvent[] = [];
  const waiting = new Set<() => void>();
  const server = await serveTftp({
    host: "127.0.0.1",
    port: 0,
    find: async (path) => FILES.get(path),
    on: (event) => {
      events.push(event);
      for (const look of waiting) look();
    },
    ...more,
  });
  let open = true;
  const close = async () => {
    if (open) await server.close();
    open = false;
  };
  t.after(close);
  /** The first event of a kind, when it comes. */
  const event = (kind: TftpEvent["kind"]) =>
    new Promise<TftpEvent>((done) => {
      const look = () => {
        const found = events.find((e) => e.kind === kind);
        if (!found) return;
        waiting.delete(look);
        done(found);
      };
      waiting.add(look);
      look();
    });
  return { ...server, close, events, event };
}

interface Heard {
  packet: Packet;
  port: number;
}

/** A client's socket: what it hears waits in a queue. */
async function client(t: TestContext, port = 0) {
  const socket: Socket = createSocket("udp4");
  socket.bind(port, "127.0.0.1");
  await once(socket, "listening");
  t.after(() => socket.close());
  const heard: Heard[] = [];
  let wake = () => {};
  socket.on("message", (bytes, from) => {
    heard.push({ packet: decode(bytes), port: from.port });
    wake();
  });
  return {
    port: socket.address().port,
    heard,
    say: (packet: Packet | Uint8Array, to: number) =>
      socket.send(packet instanceof Uint8Array ? packet : encode(packet), to, "127.0.0.1"),
    async hear(): Promise<Heard> {
      while (heard.length === 0) await new Promise<void>((done) => (wake = done));
      return heard.shift() as Heard;
    },
  };
}

const read = (path: string, options: Record<string, string | number> = {}, mode = "octet"): Packet => ({
  type: "read",
  path,
  mode,
  options: new Map(Object.entries(options).map(([name, value]) => [name, String(value)])),
});
const ack = (block: number): Packet => ({ type: "ack", block });

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

test("serveTftp() survives any packet on any of its ports, and says so once a second", async (t) => {
  const { port, event, events } = await served(t);
  const [pi, stranger] = [await client(t), await client(t)];
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
  assert.ok(events.filter(({ kind }) => kind === "bad-packet").length <= 4);
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
