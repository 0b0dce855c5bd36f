import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import fc from "fast-check";
import { shared } from "../../../test/tools.ts";
import { concat } from "../../base/bytes.ts";
import { fromHex, hex, toLatin1 } from "../../base/text.ts";
import { BLANK } from "./blank.ts";
import { raspberryBootMenu } from "./option43.ts";
import {
  addressBytes,
  messageType,
  OPTION,
  optionAddress,
  optionNumber,
  optionText,
  u32Bytes,
} from "./options.ts";
import { type DhcpPacket, decode, encode, MESSAGE } from "./packet.ts";

const blank = (more: Partial<DhcpPacket> = {}): DhcpPacket => ({
  ...BLANK,
  xid: 0x1234,
  chaddr: "b8:27:eb:00:00:01",
  options: new Map(),
  ...more,
});

interface Fixture {
  id: string;
  hex: string;
}

test("decode() and encode() give back every captured packet byte for byte", (t) => {
  const path = shared(t, "fixtures/pi/dhcp/packets.json");
  if (!path) return;
  const { packets } = JSON.parse(readFileSync(path, "utf8")) as { packets: Fixture[] };
  assert.ok(packets.length >= 10);
  for (const { id, hex: text } of packets) {
    const again = hex(encode(decode(fromHex(text))));
    assert.equal(again, text.padEnd(600, "0"), id);
  }
});

test("decode() reads the fields of a Pi 3 boot ROM's DISCOVER and of the accepted OFFER", (t) => {
  const path = shared(t, "fixtures/pi/dhcp/packets.json");
  if (!path) return;
  const { packets } = JSON.parse(readFileSync(path, "utf8")) as { packets: Fixture[] };
  const find = (id: string) => decode(fromHex(packets.find((p) => p.id === id)?.hex ?? ""));
  const discover = find("pi3b-rom-discover");
  assert.equal(discover.xid, 0x26f30339);
  assert.equal(discover.chaddr, "b8:27:eb:28:f6:6d");
  assert.equal(messageType(discover), MESSAGE.DISCOVER);
  assert.deepEqual([...discover.options.keys()], [53, 55, 93, 94, 97, 60]);
  const offer = find("dnsmasq-offer-full-dhcp-pi3");
  assert.equal(offer.yiaddr, "192.168.1.139");
  assert.equal(offer.siaddr, "192.168.1.1");
  assert.equal(optionAddress(offer, OPTION.SERVER_ID), "192.168.1.1");
  assert.equal(optionNumber(offer, OPTION.LEASE_SECONDS), 43200);
  assert.equal(optionText(offer, OPTION.VENDOR_CLASS), "PXEClient");
  assert.equal(find("dnsmasq-offer-proxy").broadcast, true);
});

test("raspberryBootMenu() is the documented option, with the three spaces that the boot ROM wants", (t) => {
  assert.equal(
    hex(raspberryBootMenu()),
    "0601030a0400505845091700001452617370626572727920506920426f6f74202020ff",
  );
  const path = shared(t, "fixtures/pi/dhcp/option43.json");
  if (!path) return;
  const { vectors } = JSON.parse(readFileSync(path, "utf8")) as { vectors: { text: string; hex: string }[] };
  for (const { text, hex: bytes } of vectors) assert.equal(hex(raspberryBootMenu(text)), bytes);
});

test("decode() joins an option that came in parts, and encode() cuts a long one (RFC 3396)", () => {
  const long = Uint8Array.from({ length: 600 }, (_, i) => i & 255);
  const bytes = encode(blank({ options: new Map([[43, long]]) }));
  assert.deepEqual([bytes[240], bytes[241], bytes[497], bytes[498]], [43, 255, 43, 255]);
  assert.deepEqual(decode(bytes).options.get(43), long);
});

test("decode() reads options out of file and sname when option 52 says so, file first", () => {
  const bytes = encode(blank());
  bytes.set([52, 1, 3, 43, 1, 0xaa, 255], 240);
  bytes.set([43, 1, 0xbb, 255], 108);
  bytes.set([43, 1, 0xcc, 12, 2, 0x70, 0x69, 255], 44);
  const packet = decode(bytes);
  assert.deepEqual(packet.options.get(43), Uint8Array.of(0xaa, 0xbb, 0xcc));
  assert.equal(optionText(packet, OPTION.HOST_NAME), "pi");
  assert.equal(packet.file, "");
  assert.equal(packet.sname, "");
  assert.ok(!packet.options.has(52));
  assert.deepEqual(decode(encode(packet)), packet);
});

test("decode() copies: the packet survives the reuse of the buffer", () => {
  const bytes = encode(blank({ options: new Map([[60, toLatin1("PXEClient")]]) }));
  const packet = decode(bytes);
  bytes.fill(0xff);
  assert.equal(optionText(packet, 60), "PXEClient");
});

test("decode() says what is wrong", () => {
  const good = encode(blank({ options: new Map([[60, toLatin1("PXEClient")]]) }));
  const broken = (change: (bytes: Uint8Array) => void) => {
    const bytes = good.slice();
    change(bytes);
    return () => decode(bytes);
  };
  assert.throws(() => decode(good.subarray(0, 100)), { code: "WIRE_SHORT", message: /sname/ });
  assert.throws(
    broken((b) => b.fill(0, 236, 240)),
    { code: "WIRE_VALUE", message: /BOOTP/ },
  );
  assert.throws(
    broken((b) => b.set([3], 0)),
    { code: "WIRE_VALUE", message: /op/ },
  );
  assert.throws(
    broken((b) => b.set([20], 2)),
    { code: "WIRE_VALUE", message: /hlen/ },
  );
  assert.throws(() => decode(concat([good.subarray(0, 240), Uint8Array.of(60, 9, 1)])), {
    code: "WIRE_SHORT",
    message: /option 60/,
  });
});

test("encode() refuses what has no place on the wire", () => {
  assert.throws(() => encode(blank({ file: "x".repeat(129) })), { code: "WIRE_VALUE" });
  assert.throws(() => encode(blank({ sname: "a\0b" })), { code: "WIRE_VALUE" });
  for (const code of [0, 52, 255, 300])
    assert.throws(() => encode(blank({ options: new Map([[code, u32Bytes(1)]]) })), { code: "WIRE_VALUE" });
});

test("options of one or several addresses, and numbers of odd length", () => {
  assert.equal(hex(addressBytes("10.0.0.1", "255.255.255.0")), "0a000001ffffff00");
  const packet = blank({ options: new Map([[51, Uint8Array.of(1, 2, 3)]]) });
  assert.equal(optionNumber(packet, 51), undefined);
  assert.equal(optionAddress(packet, 51), undefined);
  assert.equal(messageType(packet), 0);
});

const address = fc.ipV4();
const text = (max: number) =>
  fc
    .array(fc.integer({ min: 1, max: 255 }), { maxLength: max })
    .map((codes) => String.fromCharCode(...codes));
const anyPacket: fc.Arbitrary<DhcpPacket> = fc.record(
  {
    op: fc.constantFrom(1 as const, 2 as const),
    htype: fc.nat(255),
    hops: fc.nat(255),
    xid: fc.nat(0xffffffff),
    secs: fc.nat(65535),
    broadcast: fc.boolean(),
    ciaddr: address,
    yiaddr: address,
    siaddr: address,
    giaddr: address,
    chaddr: fc.uint8Array({ minLength: 6, maxLength: 6 }).map((b) => hex(b).replace(/..(?=.)/g, "$&:")),
    sname: text(64),
    file: text(128),
    options: fc
      .uniqueArray(
        fc.tuple(
          fc.integer({ min: 1, max: 254 }).filter((n) => n !== 52),
          fc.uint8Array({ maxLength: 700 }),
        ),
        { selector: ([code]) => code, maxLength: 12 },
      )
      .map((entries) => new Map(entries)),
  },
  { noNullPrototype: true },
);

test("any packet survives encode() and decode()", () => {
  fc.assert(fc.property(anyPacket, (packet) => assert.deepEqual(decode(encode(packet)), { ...packet })));
});

test("any bytes give a packet or a BrambleError", () => {
  const head = encode(blank()).subarray(0, 240);
  const noise = fc.uint8Array({ maxLength: 600 });
  const options = noise.map((tail) => concat([head, tail]));
  const overloaded = fc.tuple(noise, noise).map(([fields, tail]) => {
    const bytes = concat([head, Uint8Array.of(52, 1, 3), tail]);
    bytes.set(fields.subarray(0, 192), 44);
    return bytes;
  });
  fc.assert(
    fc.property(fc.oneof(noise, options, overloaded), (bytes) => {
      try {
        const packet = decode(bytes);
        assert.deepEqual(decode(encode(packet)), packet);
      } catch (error) {
        assert.equal((error as Error).name, "BrambleError", String(error));
      }
    }),
    { numRuns: 2000 },
  );
});
