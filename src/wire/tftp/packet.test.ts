import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import fc from "fast-check";
import { shared } from "../../../test/tools.ts";
import { BrambleError } from "../../base/errors.ts";
import { fromHex, hex } from "../../base/text.ts";
import { ackedBlock, decode, encode, type Packet, putDataHeader } from "./packet.ts";

const wire = (text: string) => fromHex(text.replaceAll(" ", ""));
const options = (...pairs: [string, string][]) => new Map(pairs);
const read = (path: string, ...pairs: [string, string][]): Packet => ({
  type: "read",
  path,
  mode: "octet",
  options: options(...pairs),
});

// What boards and dnsmasq send, bit for bit; the last two are made by hand.
const CAPTURED: [string, string, Packet][] = [
  [
    "the 3B boot ROM asks for bootcode.bin",
    "0001626f6f74636f64652e62696e006f6374657400",
    read("bootcode.bin"),
  ],
  [
    "bootcode.bin asks for its prefix",
    "000138396562396262392f73746172742e656c66006f63746574007473697a65003000",
    read("89eb9bb9/start.elf", ["tsize", "0"]),
  ],
  [
    "a Pi 4 of 2019 asks for 1024-byte blocks",
    "000164393738303535382f73746172742e656c66006f63746574007473697a65003000626c6b73697a65003130323400",
    read("d9780558/start.elf", ["tsize", "0"], ["blksize", "1024"]),
  ],
  [
    "a Pi 5 asks for 1468-byte blocks",
    "000164393035643439392f626f6f742e696d67006f63746574007473697a65003000626c6b73697a65003134363800",
    read("d905d499/boot.img", ["tsize", "0"], ["blksize", "1468"]),
  ],
  [
    "dnsmasq answers bootcode.bin",
    "00067473697a65003636363000",
    { type: "oack", options: options(["tsize", "6660"]) },
  ],
  [
    "a Pi ends a probe",
    "000500004561726c79207465726d696e61746500",
    { type: "error", code: 0, text: "Early terminate" },
  ],
  ["a Pi takes the OACK", "00040000", { type: "ack", block: 0 }],
  ["the last block before the wrap", "0004ffff", { type: "ack", block: 65535 }],
];

for (const [name, bytes, packet] of CAPTURED) {
  test(`decode() and encode() ${name}`, () => {
    assert.deepEqual(decode(wire(bytes)), packet);
    assert.equal(hex(encode(packet)), bytes);
  });
}

test("decode() reads every packet of the boards' collection, encode() gives the same bytes", (t) => {
  const file = shared(t, "fixtures/pi/tftp/packets.json");
  if (!file) return;
  const { packets } = JSON.parse(readFileSync(file, "utf8")) as { packets: { id: string; hex: string }[] };
  assert.ok(packets.length >= 10);
  for (const packet of packets) assert.equal(hex(encode(decode(wire(packet.hex)))), packet.hex, packet.id);
});

test("decode() takes what careless senders leave out: the NUL of an ERROR, the tail of the options", () => {
  assert.deepEqual(decode(wire("0005 0008 416275")), { type: "error", code: 8, text: "Abu" });
  assert.deepEqual(decode(wire("0005 0000")), { type: "error", code: 0, text: "" });
  assert.deepEqual(
    decode(wire("0001 6100 4f4354455400 5453495a4500 3000 626c6b7369")),
    read("a", ["tsize", "0"]),
  );
});

test("decode() counts the first of two options of one name, whatever its case", () => {
  const twice = encode(read("a", ["BLKSIZE", "512"], ["blksize", "1468"]));
  assert.deepEqual(decode(twice), read("a", ["blksize", "512"]));
});

test("decode() names the field it could not read", () => {
  assert.throws(() => decode(wire("0004 00")), {
    code: "WIRE_SHORT",
    message: "TFTP: block at byte 2 needs 2 bytes, 1 left",
  });
  assert.throws(() => decode(wire("0001 6100 6f63")), { code: "WIRE_VALUE" });
  assert.throws(() => decode(wire("0009 0000")), { code: "WIRE_VALUE", message: /9 is none of TFTP's/ });
});

const char = fc.integer({ min: 1, max: 255 }).map((c) => String.fromCharCode(c));
const text = fc.string({ unit: char });
const some = fc
  .array(fc.tuple(fc.stringMatching(/^[a-z]{1,10}$/), text), { maxLength: 6 })
  .map((pairs) => new Map(pairs));
const plain = { noNullPrototype: true };
const anyPacket = fc.oneof(
  fc.record(
    {
      type: fc.constantFrom("read" as const, "write" as const),
      path: text,
      mode: fc.constant("octet"),
      options: some,
    },
    plain,
  ),
  fc.record({ type: fc.constant("ack" as const), block: fc.nat(65535) }, plain),
  fc.record({ type: fc.constant("error" as const), code: fc.nat(65535), text }, plain),
  fc.record({ type: fc.constant("oack" as const), options: some }, plain),
  fc.record(
    {
      type: fc.constant("data" as const),
      block: fc.nat(65535),
      bytes: fc.uint8Array({ maxLength: 1468 }),
    },
    plain,
  ),
);

test("encode() then decode() is the same packet", () => {
  fc.assert(
    fc.property(anyPacket, (packet) => assert.deepEqual(decode(encode(packet)), packet)),
    { numRuns: 1000 },
  );
});

test("decode() answers any bytes with a packet or a BrambleError, nothing else", () => {
  const nearly = fc
    .tuple(fc.integer({ min: 0, max: 7 }), fc.uint8Array({ maxLength: 600 }))
    .map(([op, rest]) => Uint8Array.from([0, op, ...rest]));
  fc.assert(
    fc.property(fc.oneof(nearly, fc.uint8Array({ maxLength: 600 })), (bytes) => {
      try {
        decode(bytes);
      } catch (error) {
        assert.ok(error instanceof BrambleError, String(error));
      }
    }),
    { numRuns: 10000 },
  );
});

test("ackedBlock() and putDataHeader(), the short ways, agree with decode() and encode()", () => {
  fc.assert(
    fc.property(anyPacket, (packet) => {
      assert.equal(ackedBlock(encode(packet)), packet.type === "ack" ? packet.block : -1);
      if (packet.type !== "data") return;
      const bytes = new Uint8Array(4 + packet.bytes.length);
      bytes.set(packet.bytes, 4);
      putDataHeader(bytes, packet.block + 65536 * 3);
      assert.deepEqual(bytes, encode(packet));
    }),
  );
  assert.equal(ackedBlock(wire("0004 00")), -1);
});
