import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { connect } from "node:net";
import { type TestContext, test } from "node:test";
import { STATUS } from "../wire/nfs/status.ts";
import { XdrReader, type XdrWriter } from "../wire/xdr.ts";
import { AUTH_NONE, encodeCall, fragments, RpcClient, RpcRefusal } from "./nfs-client-rpc-testing.ts";
import { args } from "./nfs-client-testing.ts";
import { mounted, PATH } from "./nfs-testing.ts";
import { deferred } from "./throttle.ts";

/** Calls by datagrams; the results, after an accepted head. */
function caller(t: TestContext, port: number) {
  const socket = createSocket("udp4");
  t.after(() => socket.close());
  let xid = 100;
  return async (program: number, version: number, procedure: number, write: (w: XdrWriter) => void) => {
    xid += 1;
    const call = { program, version, procedure, args: args(write), auth: AUTH_NONE, xid };
    socket.send(encodeCall(call), port, "127.0.0.1");
    const [reply] = (await once(socket, "message")) as [Buffer];
    const r = new XdrReader().over(reply);
    assert.deepEqual([r.u32(), r.u32(), r.u32(), r.u32(), r.u32()], [xid, 1, 0, 0, 0]);
    const status = r.u32();
    if (status !== 0) throw new RpcRefusal([0, status]);
    return r;
  };
}

test("U-Boot's way: MOUNT, LOOKUP and READ by datagrams", async (t) => {
  const { client, root, port } = await mounted(t, { udp: true });
  const { fh } = await client.create(root, "kernel8.img");
  await client.write(fh, 0, Buffer.from("a kernel"));
  const call = caller(t, port);
  const mount = await call(100005, 3, 1, (w) => w.text(PATH));
  assert.equal(mount.u32(), 0);
  const directory = mount.opaque(64);
  const found = await call(100003, 3, 3, (w) => w.opaque(directory).text("kernel8.img"));
  assert.equal(found.u32(), 0);
  const file = found.opaque(64);
  assert.deepEqual(Buffer.from(file), Buffer.from(fh));
  const read = await call(100003, 3, 6, (w) => w.opaque(file).u64(0).u32(1024));
  read.skip(4 + 88 + 8);
  assert.equal(Buffer.from(read.opaque(1024)).toString(), "a kernel");
  await assert.rejects(
    call(100003, 2, 4, () => {}),
    { words: [0, 2] },
  );
});

test("nothing is changed by datagrams: their address proves nothing", async (t) => {
  const { root, port, tree } = await mounted(t, { udp: true });
  const call = caller(t, port);
  const remove = await call(100003, 3, 12, (w) => w.opaque(root).text("file"));
  assert.equal(remove.u32(), STATUS.ROFS);
  const write = await call(100003, 3, 7, (w) => w.opaque(root).u64(0).u32(0).u32(0).u32(0));
  assert.equal(write.u32(), STATUS.ROFS);
  assert.equal(tree.settles.count, 0);
});

test("drop() waits for datagrams that are in the tree, too", async (t) => {
  const gate = deferred();
  let inside = () => {};
  const entered = new Promise<void>((resolve) => {
    inside = resolve;
  });
  const { client, root, port, server } = await mounted(t, {
    udp: true,
    hooks: {
      before(what) {
        if (what !== "read") return undefined;
        inside();
        return gate.promise;
      },
    },
  });
  const { fh } = await client.create(root, "file");
  const reply = caller(t, port)(100003, 3, 6, (w) => w.opaque(fh).u64(0).u32(10));
  await entered;
  let dropped = false;
  const drop = server.drop(7, "the node boots again").then(() => {
    dropped = true;
  });
  await client.rpc.end();
  await new Promise(setImmediate);
  assert.equal(dropped, false);
  gate.resolve();
  await drop;
  assert.equal((await reply).u32(), 0);
});

test("datagrams of nonsense are not answered, and those after them are", async (t) => {
  const { port, event } = await mounted(t, { udp: true });
  const socket = createSocket("udp4");
  t.after(() => socket.close());
  for (const bytes of [Buffer.alloc(0), Buffer.alloc(3), Buffer.alloc(100, 0xff), Buffer.from("hello")])
    socket.send(bytes, port, "127.0.0.1");
  await event("refused");
  await caller(t, port)(100003, 3, 0, () => {});
});

test("the port mapper names the port of both programs, and of no other", async (t) => {
  const { port, server } = await mounted(t, { udp: true, rpcbind: 0 });
  const mapper = server.rpcbindPort as number;
  const udp = caller(t, mapper);
  const tcp = await RpcClient.open(mapper);
  t.after(() => tcp.close());
  const ask = async (program: number, version: number, protocol: number) => {
    const write = (w: XdrWriter) => w.u32(program).u32(version).u32(protocol).u32(0);
    const call = { program: 100000, version: 2, procedure: 3, args: args(write), auth: AUTH_NONE };
    const byTcp = new XdrReader().over(await tcp.call(call)).u32();
    assert.equal((await udp(100000, 2, 3, write)).u32(), byTcp);
    return byTcp;
  };
  const [TCP, UDP] = [6, 17];
  assert.equal(await ask(100003, 3, TCP), port);
  assert.equal(await ask(100003, 2, UDP), port, "it says itself which version it speaks");
  assert.equal(await ask(100005, 3, UDP), port);
  assert.equal(await ask(100021, 4, TCP), 0);
  assert.equal(await ask(100003, 3, 1), 0);
  const dump = await udp(100000, 2, 4, () => {});
  const programs: number[] = [];
  while (dump.bool()) {
    programs.push(dump.u32());
    dump.skip(12);
  }
  assert.deepEqual(programs, [100000, 100000, 100003, 100005, 100003, 100005]);
  assert.equal(await ask(100000, 2, UDP), mapper);
  for (const [version, procedure, words] of [
    [3, 3, [0, 2]],
    [2, 5, [0, 3]],
  ] as const)
    await assert.rejects(
      udp(100000, version, procedure, () => {}),
      { words },
    );
  assert.equal((await udp(100000, 2, 1, (w) => w.u32(1).u32(1).u32(6).u32(9))).bool(), false);
  await assert.rejects(
    udp(100003, 3, 0, () => {}),
    { words: [0, 1] },
  );
});

test("the port mapper hangs up on what is no call, and on a record without an end", async (t) => {
  const { server } = await mounted(t, { rpcbind: 0 });
  for (const bytes of [fragments(Buffer.alloc(50, 1)), Buffer.from("80002000", "hex")]) {
    const socket = connect({ port: server.rpcbindPort as number, host: "127.0.0.1" });
    socket.on("error", () => {});
    socket.write(bytes);
    socket.resume();
    await once(socket, "close");
  }
});
