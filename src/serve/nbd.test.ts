import assert from "node:assert/strict";
import { test } from "node:test";
import { BrambleError, type Code } from "../base/errors.ts";
import { serveNbd } from "./nbd.ts";
import { Client, FLUSH, FUA, house, MIB, READ, request, testDisk, WRITE } from "./nbd-testing.ts";

test("a write is in the journal before its reply, FUA and flush are durable before theirs", async (t) => {
  const log: string[] = [];
  const { port } = await house(t, testDisk(log));
  const client = await new Client(port).attach();
  client.say(request(WRITE, 0, 4), "01020304");
  await client.reply();
  assert.deepEqual(log.splice(0), ["write", "endBatch"]);
  client.say(request(WRITE, 0, 4, { flags: FUA }), "01020304", request(FLUSH, 0, 0));
  await client.reply();
  await client.reply();
  assert.deepEqual(log, ["write", "flush", "flush", "endBatch"]);
});

test("when the journal fails, no reply to the write leaves", async (t) => {
  const disk = testDisk();
  disk.endBatch = () => {
    throw new BrambleError("DISK_FULL", "no space for the journal");
  };
  const { port, events } = await house(t, disk);
  const client = await new Client(port).attach();
  client.say(request(WRITE, 0, 4), "01020304");
  await assert.rejects(client.reply(), /hung up after 0/);
  assert.ok(events.some((e) => e.kind === "error" && e.why === "no space for the journal"));
});

test("the disk's errors become the client's, and the connection goes on", async (t) => {
  const disk = testDisk();
  let failure: unknown;
  disk.write = () => {
    throw failure;
  };
  let sync = false;
  disk.read = () => {
    if (sync) throw failure;
    return Promise.reject(failure);
  };
  const { port } = await house(t, disk);
  const client = await new Client(port).attach();
  const rows: [Code | undefined, number][] = [
    ["DISK_FULL", 28],
    ["DISK_READ_ONLY", 1],
    ["DISK_IO", 5],
    [undefined, 5],
  ];
  for (const [code, errno] of rows) {
    failure = code ? new BrambleError(code, "planted") : new TypeError("a bug");
    client.say(request(WRITE, 0, 1, { cookie: 1 }), "ff");
    assert.deepEqual(await client.reply(), { errno, cookie: 1 });
    for (sync of [false, true]) {
      client.say(request(READ, 0, 512, { cookie: 2 }));
      assert.deepEqual(await client.reply(), { errno, cookie: 2 });
    }
  }
});

test("replies come as the disk ends, in any order, and slow writes keep their own bytes", async (t) => {
  const waiting: (() => void)[] = [];
  const gate = () => new Promise<void>((resolve) => waiting.push(resolve));
  const disk = testDisk([], gate);
  const { port } = await house(t, disk);
  const client = await new Client(port).attach();
  const until = async (count: number) => {
    while (waiting.length < count) await new Promise(setImmediate);
  };
  for (let i = 0; i < 20; i++) {
    client.say(request(WRITE, i * 512, 512, { cookie: i }), Buffer.alloc(512, i + 1));
    await until(i + 1); // one receive each, so that the buffer is used again while the disk has not read it
  }
  for (const go of waiting.splice(0).reverse()) go();
  const cookies = [];
  for (let i = 0; i < 20; i++) cookies.push((await client.reply()).cookie);
  assert.deepEqual(cookies, [...Array(20).keys()].reverse());
  for (let i = 0; i < 20; i++) assert.equal(disk.bytes.readUInt8(i * 512 + 511), i + 1);
  client.say(request(READ, 0, 4, { cookie: 1 }), request(READ, 512, 4, { cookie: 2 }));
  await until(2);
  for (const go of waiting.splice(0).reverse()) go();
  assert.equal((await client.reply()).cookie, 2);
  assert.equal((await client.take(4)).toString("hex"), "02020202");
  assert.equal((await client.reply()).cookie, 1);
  assert.equal((await client.take(4)).toString("hex"), "01010101");
});

test("a read under way keeps its place in the reply buffer, whatever else is sent meanwhile", async (t) => {
  const waiting: (() => void)[] = [];
  const disk = testDisk([], () => new Promise<void>((resolve) => waiting.push(resolve)));
  disk.bytes.fill(0xaa, 0, 4096).fill(0xbb, 4096, 8192);
  const { port } = await house(t, disk);
  const [a, b] = [await new Client(port).attach(), await new Client(port).attach()];
  a.say(request(READ, 0, 4096));
  while (waiting.length < 1) await new Promise(setImmediate);
  a.say(request(99, 0, 0)); // refused at once: that reply leaves, and its buffer would be free
  assert.equal((await a.reply()).errno, 22);
  b.say(request(READ, 4096, 4096));
  while (waiting.length < 2) await new Promise(setImmediate);
  for (const go of waiting) go();
  await Promise.all([a.reply(), b.reply()]);
  assert.ok((await a.take(4096)).equals(disk.bytes.subarray(0, 4096)));
  assert.ok((await b.take(4096)).equals(disk.bytes.subarray(4096, 8192)));
});

test("a client that writes faster than the disk is not read from until the disk has caught up", async (t) => {
  let go = () => {};
  const opened = new Promise<void>((resolve) => {
    go = resolve;
  });
  const disk = testDisk([], () => opened);
  const { port } = await house(t, disk, { limits: { bytes: MIB } });
  const fast = await new Client(port).attach();
  const size = 128 << 10;
  const message = Buffer.concat([request(WRITE, 0, size), Buffer.alloc(size, 0x77)]);
  for (let i = 0; i < 512; i++) fast.socket.write(message);
  for (let i = 0; i < 50; i++) {
    const other = await new Client(port).attach();
    other.socket.destroy();
  }
  const left = fast.socket.writableLength;
  assert.ok(left > 32 * MIB, `only ${left >> 20} of 64 MiB were not taken`);
  go();
  for (let i = 0; i < 512; i++) assert.equal((await fast.reply()).errno, 0);
});

test("garbage, a reset in the middle of a reply and a reader that never reads harm nobody else", async (t) => {
  let readBytes = 0;
  const disk = testDisk();
  const { read } = disk;
  disk.read = (into, offset) => {
    readBytes += into.length;
    return read(into, offset);
  };
  const { port, sessions, event } = await house(t, disk);
  const good = await new Client(port).attach();

  const garbage = new Client(port);
  garbage.say(Buffer.alloc(100_000, 0xa5));
  await garbage.end();
  await event("refused");

  const reset = await new Client(port).attach();
  for (let i = 0; i < 4; i++) reset.say(request(READ, 0, 32 * MIB));
  await reset.take(MIB);
  reset.socket.resetAndDestroy();
  await event("detached", 1);

  readBytes = 0;
  const stuck = await new Client(port).attach();
  stuck.socket.pause();
  const asked = Buffer.concat(Array.from({ length: 4000 }, () => request(READ, 0, MIB)));
  stuck.say(asked);
  while (readBytes < 32 * MIB) await new Promise(setImmediate);
  for (let i = 0; i < 20; i++) {
    good.say(request(READ, 0, 512));
    await good.reply();
    await good.take(512);
  }
  assert.ok(readBytes <= 130 * MIB, `${readBytes / MIB} MiB were read for a client that takes nothing`);
  stuck.socket.resume(); // and when it does, it gets all it asked for
  for (let i = 0; i < 200; i++) {
    await stuck.reply();
    await stuck.take(MIB);
  }
  stuck.socket.destroy();
  await event("detached", 2);
  assert.deepEqual(sessions, ["opened", "opened", "closed", "opened", "closed"]);
});

test("a large write that comes in crumbs is whole on the disk", async (t) => {
  const disk = testDisk();
  const { port } = await house(t, disk);
  const client = await new Client(port).attach();
  const data = Buffer.from(Array.from({ length: 3 * MIB }, (_, i) => (i * 7) & 0xff));
  const message = Buffer.concat([request(WRITE, 12345, data.length), data, request(FLUSH, 0, 0)]);
  for (let at = 0; at < message.length; at += 100_003) client.say(message.subarray(at, at + 100_003));
  await client.reply();
  await client.reply();
  assert.ok(disk.bytes.subarray(12345, 12345 + data.length).equals(data));
});

test("drop() ends the sessions of that export and waits for what they have in the disk", async (t) => {
  let finish = () => {};
  const log: string[] = [];
  const gate = () =>
    new Promise<void>((resolve) => {
      finish = resolve;
    });
  const { port, sessions, events, drop } = await house(t, testDisk(log, gate));
  const client = await new Client(port).attach();
  client.say(request(WRITE, 0, 4), "01020304");
  while (!log.includes("write")) await new Promise(setImmediate);
  await drop("another", "not meant");
  let dropped = false;
  const dropping = drop("clone of pi01", "a second boot").then(() => {
    dropped = true;
  });
  await client.end();
  assert.equal(dropped, false);
  assert.deepEqual(sessions, ["opened"]);
  finish();
  await dropping;
  assert.deepEqual(sessions, ["opened", "closed"]);
  assert.deepEqual(log, ["write", "write done"]);
  assert.equal(events.find((e) => e.kind === "detached")?.why, "a second boot");
});

test("LIST shows a stranger nothing; a find() that fails is an unknown export, and an event", async (t) => {
  const { port, events } = await house(t, testDisk(), {
    find: async () => {
      throw new BrambleError("BAD_INPUT", "the fleet is away");
    },
  });
  const client = new Client(port);
  client.say("00000003", "49484156454f5054", "00000003", "00000000");
  assert.equal(
    (await client.take(38)).subarray(18).toString("hex"),
    "0003e889045565a9000000030000000100000000",
  );
  client.say("49484156454f5054", "00000006", "00000007", "00000001", "78", "0000");
  assert.equal((await client.take(20)).readUInt32BE(12), 0x80000006);
  assert.deepEqual(
    events.map((e) => [e.kind, e.why]),
    [["error", "the fleet is away"]],
  );
});

test("limits: a handshake that does not end, connections of one address, a message that does not end", async (t) => {
  const limits = { handshakeMs: 50, stallMs: 60, connectionsPerAddress: 2 };
  const { port, events } = await house(t, testDisk(), { limits });
  const idle = await new Client(port).attach();
  const lazy = new Client(port);
  await lazy.take(18);
  const third = new Client(port);
  await third.end();
  assert.equal(events.at(-1)?.why, "too many connections");
  await lazy.end();
  const halting = await new Client(port).attach();
  halting.say(request(WRITE, 0, 4), "01");
  await halting.end();
  assert.equal(events.at(-1)?.why, "nothing moved for 60 ms");
  idle.say(request(FLUSH, 0, 0)); // who only has nothing to say stays
  await idle.reply();
});

test("a stranger makes one event a second, however often he knocks", async (t) => {
  const { port, events } = await house(t, testDisk());
  for (let i = 0; i < 20; i++) {
    const client = new Client(port);
    client.say(Buffer.alloc(64, 1));
    await client.end();
  }
  assert.ok(events.length >= 1 && events.length <= 3, `${events.length} events`);
});

test("close() ends every connection, gives the port back and leaves nothing running", async () => {
  const server = await serveNbd({ host: "127.0.0.1", port: 0, find: () => undefined });
  const client = new Client(server.port);
  await client.take(18);
  await server.close();
  await client.end();
  const again = await serveNbd({ host: "127.0.0.1", port: server.port, find: () => undefined });
  await assert.rejects(serveNbd({ host: "127.0.0.1", port: again.port, find: () => undefined }), {
    code: "EADDRINUSE",
  });
  await again.close();
  for (let turn = 0; turn < 3; turn++) await new Promise(setImmediate); // handles are freed at a turn's end
  assert.deepEqual(
    process.getActiveResourcesInfo().filter((what) => /TCP|Timeout/.test(what)),
    [],
  );
});
