import assert from "node:assert/strict";
import { test } from "node:test";
import { hex } from "../base/text.ts";
import { arpFrame, readFrame, udpFrame } from "./raw-frames.ts";

const PI = "b8:27:eb:00:00:01";
const SERVER = "02:00:00:00:00:01";

test("a virtual Pi's datagram looks like boot firmware's: TTL 128, id 0, no UDP checksum", () => {
  const from = { address: "0.0.0.0", port: 68 };
  const frame = udpFrame(
    PI,
    "ff:ff:ff:ff:ff:ff",
    from,
    { address: "255.255.255.255", port: 67 },
    Uint8Array.of(1, 2, 3),
  );
  // 0x45, length 31, id 0, no flags, TTL 0x80, UDP, checksum of that header.
  assert.equal(hex(frame.subarray(14, 34)), "4500001f0000000080113acf00000000ffffffff");
  assert.equal(hex(frame.subarray(34)), "00440043000b0000010203");
  const heard = readFrame(frame, SERVER);
  assert.deepEqual(heard?.frame, {
    kind: "udp",
    from,
    to: { address: "255.255.255.255", port: 67 },
    bytes: Uint8Array.of(1, 2, 3),
    broadcast: true,
  });
});

test("ARP goes both ways; frames for others, of others' protocols and cut ones are not heard", () => {
  const ask = arpFrame("request", { mac: SERVER, address: "10.0.0.1" }, { address: "10.0.0.9" });
  assert.deepEqual(readFrame(ask, PI)?.frame, {
    kind: "arp",
    what: "request",
    sender: "10.0.0.1",
    mac: SERVER,
    target: "10.0.0.9",
    broadcast: true,
  });
  const answer = arpFrame("reply", { mac: PI, address: "10.0.0.9" }, { mac: SERVER, address: "10.0.0.1" });
  assert.equal(readFrame(answer, SERVER)?.frame.broadcast, false);
  assert.equal(readFrame(answer, "b8:27:eb:00:00:02"), undefined);
  assert.equal(readFrame(ask, SERVER), undefined, "its own frames");
  const data = udpFrame(
    SERVER,
    PI,
    { address: "10.0.0.1", port: 9 },
    { address: "10.0.0.9", port: 9 },
    new Uint8Array(40),
  );
  for (let cut = 0; cut < 42; cut++) assert.equal(readFrame(data.subarray(0, cut), PI), undefined);
  data[20] = 0x20; // a fragment
  assert.equal(readFrame(data, PI), undefined);
});

test("what was heard stays as it was when the buffer takes the next frame, a Buffer too", () => {
  const [from, to] = [
    { address: "10.0.0.1", port: 9 },
    { address: "10.0.0.9", port: 9 },
  ];
  const buffer = Buffer.from(udpFrame(SERVER, PI, from, to, Uint8Array.of(1, 2, 3)));
  const heard = readFrame(buffer, PI)?.frame;
  buffer.fill(0xff);
  assert.deepEqual(heard?.kind === "udp" && heard.bytes, Uint8Array.of(1, 2, 3));
});
