import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { type TestContext, test } from "node:test";
import { serveTftp } from "./tftp.ts";
import { openUdp, type UdpOptions, type UdpPlane } from "./udp.ts";
import { openBatchedUdp } from "./udp-batched.ts";

const PLANES = { openUdp, openBatchedUdp };
const LOOPBACK = "127.0.0.1";
const onError = (error: Error) => assert.fail(error);

/** Collects what it hears until `enough` came. */
function ear(enough: number) {
  const heard: { bytes: Uint8Array; port: number }[] = [];
  let done = () => {};
  const all = new Promise<void>((resolve) => {
    done = resolve;
  });
  return {
    heard,
    all,
    hear(bytes: Uint8Array, { port }: { port: number }) {
      heard.push({ bytes: bytes.slice(), port });
      if (heard.length === enough) done();
    },
  };
}

async function client(t: TestContext, enough: number, host = LOOPBACK, at = 0) {
  const { heard, all, hear } = ear(enough);
  const socket = createSocket("udp4", hear).bind(at, host);
  await once(socket, "listening");
  socket.setRecvBufferSize(1 << 20);
  t.after(() => socket.close());
  return { socket, heard, all, host, port: socket.address().port };
}

for (const [name, open] of Object.entries(PLANES)) {
  const plane = async (t: TestContext, onMessage: UdpOptions["onMessage"], host = LOOPBACK) => {
    const opened: UdpPlane = await open({ host, port: 0, receiveBuffer: 1 << 20, onMessage, onError });
    t.after(() => opened.close());
    return opened;
  };

  test(`${name}(): a sender's bytes are its own again at once, lengths and order stay, several receivers`, async (t) => {
    const lengths = [512, 512, 100, 512, 4, 512, 9000, 0, 1472, 1472, 1472, 1, 2048, 2049, 512, 512];
    const a = await client(t, 3 * lengths.length);
    const b = await client(t, 3 * lengths.length, "127.0.0.2", a.port);
    const ours = await plane(t, () => {}, "0.0.0.0");
    let room = new Uint8Array(9000);
    const send = (i: number, { port, host }: typeof a) => {
      room.fill(i + 1);
      if (!ours.send(room.subarray(0, lengths[i]), port, host)) room = new Uint8Array(9000);
    };
    for (const to of [a, b, a, b]) {
      for (const i of lengths.keys()) send(i, to);
      if (to === b) await new Promise(setImmediate); // what is queued has left
    }
    for (const i of lengths.keys()) for (const to of [a, b]) send(i, to);
    await Promise.all([a.all, b.all]);
    for (const { heard } of [a, b]) {
      assert.deepEqual(
        heard.map(({ bytes }) => bytes.length),
        [...lengths, ...lengths, ...lengths],
      );
      heard.forEach(({ bytes, port }, n) => {
        assert.ok(bytes.every((byte) => byte === (n % lengths.length) + 1));
        assert.equal(port, ours.port);
      });
    }
  });

  test(`${name}(): more datagrams than one call takes, both ways, each from whom it came`, async (t) => {
    const COUNT = 600;
    const here = ear(2 * COUNT);
    const ours = await plane(t, here.hear);
    const both = await Promise.all([client(t, COUNT), client(t, COUNT)]);
    for (let i = 0; i < COUNT; i++)
      for (const { socket } of both) socket.send(Uint16Array.of(i), ours.port, LOOPBACK);
    await here.all;
    for (const { port, heard, all } of both) {
      const told = here.heard.filter((one) => one.port === port);
      assert.equal(told.length, COUNT);
      for (const { bytes } of told) ours.send(bytes, port, LOOPBACK);
      await all;
      assert.deepEqual(
        heard.map(({ bytes }) => bytes[0]),
        told.map(({ bytes }) => bytes[0]),
      );
    }
  });

  test(`${name}(): the receive buffer is told, a port that is taken is Node's error`, async (t) => {
    const ours = await plane(t, () => {});
    assert.equal(ours.single, undefined);
    assert.ok(ours.receiveBuffer.got > 0 && ours.receiveBuffer.asked === 1 << 20);
    const again = { host: LOOPBACK, port: ours.port, receiveBuffer: 4096, onMessage: () => {}, onError };
    await assert.rejects(open(again), { code: "EADDRINUSE" });
  });
}

test("serveTftp() sends the same file in windows over batched ports", async (t) => {
  const file = Uint8Array.from({ length: 100_000 }, (_, i) => (i * 7) ^ (i >> 8));
  const server = await serveTftp({
    host: LOOPBACK,
    port: 0,
    udp: "batched",
    find: async () => ({
      size: file.length,
      read: (into, at) => into.set(file.subarray(at, at + into.length)),
    }),
    on: () => {},
  });
  t.after(() => server.close());
  const socket = createSocket("udp4").bind(0, LOOPBACK);
  await once(socket, "listening");
  t.after(() => socket.close());
  const got: Uint8Array[] = [];
  const last = Math.floor(file.length / 1024) + 1;
  const done = new Promise<void>((resolve) => {
    socket.on("message", (bytes: Buffer, { port }) => {
      const block = bytes[1] === 6 ? 0 : bytes.readUInt16BE(2);
      if (block > 0) {
        assert.equal(block, got.length + 1);
        got.push(bytes.subarray(4));
      }
      if (block % 16 === 0 || block === last) socket.send(Uint8Array.of(0, 4, block >> 8, block), port);
      if (block === last) resolve();
    });
  });
  socket.send("\0\x01kernel\0octet\0blksize\x001024\0windowsize\x0016\0", server.port, LOOPBACK);
  await done;
  assert.deepEqual(Buffer.concat(got), Buffer.from(file));
});
