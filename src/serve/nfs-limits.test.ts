import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { type TestContext, test } from "node:test";
import { authSys, encodeCall, fragments } from "./nfs-client-rpc-testing.ts";
import { args, connectNfs } from "./nfs-client-testing.ts";
import { house, mounted, PATH } from "./nfs-testing.ts";
import { deferred } from "./throttle.ts";

const MIB = 1 << 20;
const auth = authSys({ uid: 0, gid: 0, gids: [] });
const call = (xid: number, procedure: number, write: Parameters<typeof args>[0]) =>
  encodeCall({ program: 100003, version: 3, procedure, args: args(write), auth, xid });
const readOf = (xid: number, fh: Uint8Array, count: number) =>
  fragments(call(xid, 6, (w) => w.opaque(fh).u64(0).u32(count)));

/** A connection that reads only when it is told to. */
async function stubborn(t: TestContext, port: number): Promise<Socket> {
  const socket = connect({ port, host: "127.0.0.1" });
  socket.on("error", () => {});
  socket.pause();
  await once(socket, "connect");
  t.after(() => socket.destroy());
  return socket;
}

test("a client that asks for gigabytes and takes nothing is read no further, and gets all of it when it does", async (t) => {
  let reads = 0;
  const { client, root, port } = await mounted(t, {
    hooks: {
      before(what) {
        if (what === "read") reads += 1;
      },
    },
  });
  const { fh } = await client.create(root, "file");
  await client.write(fh, 0, new Uint8Array(MIB).fill(7));
  const socket = await stubborn(t, port);
  const COUNT = 300;
  const flushed = new Promise((resolve) => {
    socket.write(Buffer.concat(Array.from({ length: COUNT }, (_, i) => readOf(i, fh, MIB))), resolve);
  });
  await flushed;
  for (let before = -1; before !== reads; await client.getattr(root)) before = reads;
  assert.ok(reads < 40, `${reads} of ${COUNT} reads were done for a client that takes nothing`);
  let got = 0;
  socket.on("data", (data) => {
    got += data.length;
    if (got >= COUNT * (MIB + 132)) socket.end();
  });
  socket.resume();
  await once(socket, "close");
  assert.equal(got, COUNT * (4 + 24 + 104 + MIB));
  assert.equal(reads, COUNT);
});

test("requests of one connection that wait for a cold disk are bounded; others are answered meanwhile", async (t) => {
  const gate = deferred();
  let open = 0;
  const { client, root, port } = await mounted(t, {
    limits: { requests: 16 },
    hooks: {
      before(what) {
        if (what !== "read") return undefined;
        open += 1;
        return gate.promise;
      },
    },
  });
  const { fh } = await client.create(root, "file");
  const other = await connectNfs(port);
  t.after(() => other.close());
  const xids = Array.from({ length: 200 }, (_, i) => 1000 + i);
  const replies = xids.map((xid) => other.rpc.expect(xid));
  other.rpc.socket.write(Buffer.concat(xids.map((xid) => readOf(xid, fh, 100))));
  while (open < 16) await client.getattr(root);
  for (let i = 0; i < 10; i++) await client.getattr(root);
  assert.equal(open, 16);
  gate.resolve();
  await Promise.all(replies);
  assert.equal(open, 200);
});

for (const [whose, limits, most] of [
  ["all connections together hold no more than the server may", { serverBytes: 4 * MIB }, 9],
  ["all connections of one address hold no more than it may", { addressBytes: 4 * MIB, bytes: MIB }, 13],
] as const)
  test(`${whose}: the others wait, and all are served`, async (t) => {
    const gate = deferred();
    let open = 0;
    const { client, root, port } = await mounted(t, {
      limits,
      hooks: {
        before(what) {
          if (what !== "read") return undefined;
          open += 1;
          return gate.promise;
        },
      },
    });
    const { fh } = await client.create(root, "file");
    await client.write(fh, 0, new Uint8Array(MIB));
    const others = await Promise.all(Array.from({ length: 12 }, () => connectNfs(port)));
    t.after(() => {
      for (const other of others) other.close();
    });
    const all = others.flatMap((other) => Array.from({ length: 3 }, () => other.read(fh, 0, MIB)));
    const writes = others.map((other) => other.write(fh, 0, new Uint8Array(MIB), 0));
    while (open < most - 1) await new Promise(setImmediate);
    for (let i = 0; i < 20; i++) await new Promise(setImmediate);
    assert.ok(open <= most, `${open} reads of 1 MiB are open`);
    gate.resolve();
    for (const { data } of await Promise.all(all)) assert.equal(data.length, MIB);
    await Promise.all(writes);
  });

test("large writes arrive whole, in whatever pieces, one after the other", async (t) => {
  const { client, root } = await mounted(t);
  const { fh } = await client.create(root, "file");
  const size = 9 * MIB;
  const data = Buffer.alloc(size);
  for (let i = 0; i < size; i += 4) data.writeUInt32LE((i * 2654435761) >>> 0, i);
  await Promise.all(
    Array.from({ length: 9 }, (_, i) => client.write(fh, i * MIB, data.subarray(i * MIB, (i + 1) * MIB), 0)),
  );
  const record = call(77, 7, (w) =>
    w
      .opaque(fh)
      .u64(0)
      .u32(300_000)
      .u32(0)
      .opaque(data.subarray(size - 300_000)),
  );
  const reply = client.rpc.expect(77);
  client.rpc.socket.write(fragments(record, 10, 0, 100_000, 1, 70_000));
  await reply;
  data.copy(data, 0, size - 300_000);
  assert.ok((await client.readAll(fh)).equals(data));
});

test("an address that leaves many large records unfinished keeps nobody else from writing", async (t) => {
  const { client, root, connect: open } = await mounted(t, { limits: { serverBytes: 64 * MIB } });
  const { fh } = await client.create(root, "file");
  const record = fragments(
    call(1, 7, (w) => w.opaque(fh).u64(0).u32(MIB).u32(0).opaque(new Uint8Array(MIB))),
  );
  const others = await Promise.all(Array.from({ length: 40 }, () => open({ localAddress: "127.0.0.6" })));
  for (const other of others) other.rpc.socket.write(record.subarray(0, 100_000));
  await Promise.all(
    others.map(
      (other) => new Promise((done) => other.rpc.socket.write(record.subarray(100_000, 200_000), done)),
    ),
  );
  for (let i = 0; i < 20; i++) assert.equal((await client.write(fh, 0, new Uint8Array(MIB), 0)).count, MIB);
  for (const other of others.slice(0, 30)) other.close();
  const last = others.slice(30).map((other) => {
    const reply = other.rpc.expect(1);
    other.rpc.socket.write(record.subarray(200_000));
    return reply;
  });
  for (const reply of await Promise.all(last)) assert.equal(reply[3], 0);
});

test("a record that announces 1 GB ends the connection before a byte of it was kept", async (t) => {
  const { port, event } = await house(t);
  const before = process.memoryUsage().arrayBuffers;
  for (const mark of ["c0000000", "40000000", "80120000"]) {
    const client = await connectNfs(port);
    client.rpc.socket.write(Buffer.from(mark, "hex"));
    await client.rpc.end();
  }
  assert.match((await event("refused")).why ?? "", /fragment/);
  assert.ok(process.memoryUsage().arrayBuffers - before < 8 * MIB);
});

test("one address has so many connections and no more; another one has its own", async (t) => {
  const { port, connect: open, event } = await house(t, { limits: { connectionsPerAddress: 3 } });
  const mine = await Promise.all([open(), open(), open()]);
  await Promise.all(mine.map((client) => client.null()));
  const fourth = await open();
  await fourth.rpc.end();
  assert.equal((await event("refused")).why, "too many connections");
  const other = await open({ localAddress: "127.0.0.5" });
  await other.null();
  mine[0]?.close();
  for (let served = false; !served; ) {
    const again = await connectNfs(port);
    served = await again.null().then(
      () => true,
      () => false,
    );
    again.close();
  }
});

test("who is not let in, leaves a record unfinished or takes no reply is cut off; who is idle is not", async (t) => {
  const { client, root, port, events } = await mounted(t, {
    limits: { strangerMs: 100, stallMs: 100, bytes: MIB },
  });
  const { fh } = await client.create(root, "file");
  await client.write(fh, 0, new Uint8Array(MIB));
  const stranger = await connectNfs(port);
  await stranger.null();
  const halfway = await connectNfs(port);
  await halfway.mnt(PATH);
  halfway.rpc.socket.write(fragments(call(1, 0, () => {})).subarray(0, 30));
  const deaf = await stubborn(t, port);
  deaf.write(Buffer.concat(Array.from({ length: 50 }, (_, i) => readOf(i, fh, MIB))));
  await Promise.all([stranger.rpc.end(), halfway.rpc.end()]);
  while (events.filter((event) => event.kind === "refused").length < 1) await client.getattr(root);
  while (!(await cutOff(deaf))) await client.getattr(root);
  await client.getattr(root);
});
/** Does the server not read from it any more? Its replies are thrown away. */
async function cutOff(socket: Socket): Promise<boolean> {
  return await new Promise((resolve) => {
    socket.write(Buffer.alloc(4), (error) => resolve(error !== undefined && error !== null));
  });
}

test("drop() ends those who used an export, and waits until their calls have left its tree", async (t) => {
  const gate = deferred();
  let inside = false;
  const {
    client,
    root,
    server,
    connect: open,
  } = await mounted(t, {
    hooks: {
      before(what) {
        if (what !== "create") return undefined;
        inside = true;
        return gate.promise;
      },
    },
  });
  const other = await open();
  await other.null();
  const lost = client.create(root, "file").catch((error: Error) => error.message);
  while (!inside) await other.null();
  let dropped = false;
  const drop = server.drop(7, "the node boots again").then(() => {
    dropped = true;
  });
  assert.match(String(await lost), /hung up/);
  await other.null();
  assert.equal(dropped, false);
  gate.resolve();
  await drop;
  await other.null();
  await server.drop(99, "nobody uses that one");
});

test("close() ends everybody and leaves nothing behind", async (t) => {
  const { client, root, server } = await mounted(t);
  await client.getattr(root);
  await server.close();
  await client.rpc.end();
  await assert.rejects(connectNfs(server.port), { code: "ECONNREFUSED" });
});

test("a port that is taken is an error, and nothing stays open; the port mapper's is told, and NFS is served", async (t) => {
  const { server } = await house(t);
  await assert.rejects(house(t, { port: server.port }), { code: "EADDRINUSE" });
  const without = await mounted(t, { rpcbind: server.port });
  assert.match(without.server.rpcbindFailed ?? "", /EADDRINUSE/);
  await without.client.getattr(without.root);
});
