import assert from "node:assert/strict";
import { test } from "node:test";
import { addressBytes, messageType } from "../wire/dhcp/options.ts";
import { type DhcpPacket, MESSAGE } from "../wire/dhcp/packet.ts";
import { ME, NOW, type Options, PC, PI4, packet, pi4, reserved, sent, world } from "./dhcp-test-world.ts";

test("REQUEST, by RFC 2131 4.3.2", () => {
  const mine = { mac: PI4, address: "10.0.0.70", expiresMs: NOW + 1000 };
  const theirs = { mac: PC, address: "10.0.0.71", expiresMs: NOW + 1000 };
  const id = (address: string): [number, Uint8Array] => [54, addressBytes(address)];
  const want = (address: string): [number, Uint8Array] => [50, addressBytes(address)];
  const rows: [string, Options, Partial<DhcpPacket>, string, RegExp][] = [
    ["SELECTING ours", [id(ME), want("10.0.0.70")], {}, "ack", /takes our offer/],
    ["SELECTING ours after a restart", [id(ME), want("10.0.0.75")], {}, "ack", /older offer/],
    ["SELECTING what another has", [id(ME), want("10.0.0.71")], {}, "nak", /leased to 02:00/],
    ["SELECTING nonsense", [id(ME), want("10.0.0.1")], {}, "nak", /in use by this network/],
    [
      "SELECTING another server's",
      [id("10.0.0.2"), want("10.0.0.70")],
      {},
      "silent",
      /another DHCP server, 10\.0\.0\.2/,
    ],
    ["INIT-REBOOT right", [want("10.0.0.70")], {}, "ack", /starts again/],
    ["INIT-REBOOT another than its own", [want("10.0.0.72")], {}, "nak", /its address is 10\.0\.0\.70/],
    ["INIT-REBOOT wrong network", [want("192.168.7.7")], {}, "nak", /does not belong/],
    ["RENEWING", [], { ciaddr: "10.0.0.70" }, "ack", /renews its lease/],
    ["RENEWING another's", [], { ciaddr: "10.0.0.71" }, "nak", /leased to 02:00/],
    ["RENEWING in a wrong network", [], { ciaddr: "192.168.7.7" }, "nak", /does not belong/],
    ["nothing", [], {}, "silent", /neither/],
  ];
  for (const [name, options, more, action, why] of rows) {
    const decision = world({}, [mine, theirs]).decide(
      packet(MESSAGE.REQUEST, PI4, [...pi4, ...options], more),
    );
    assert.equal(decision.action, action, name);
    assert.match(decision.reason, why, name);
    if (action === "ack") assert.ok((decision.lease?.expiresMs ?? 0) > NOW, name);
    if (action !== "nak") continue;
    assert.deepEqual(decision.reply?.to, { how: "broadcast", address: "255.255.255.255" }, name);
    const nak = sent(decision);
    assert.deepEqual(
      [messageType(nak), nak.yiaddr, nak.siaddr, nak.ciaddr],
      [MESSAGE.NAK, "0.0.0.0", "0.0.0.0", "0.0.0.0"],
      name,
    );
    assert.deepEqual([...nak.options.keys()], [53, 54, 56], name);
  }
});

test("REQUEST of a client that we know nothing of: silent at INIT-REBOOT, taken over at RENEWING", () => {
  const { decide: ask } = world();
  const reboot = packet(MESSAGE.REQUEST, PC, [[50, addressBytes("10.0.0.77")]]);
  assert.match(ask(reboot).reason, /perhaps another server's/);
  assert.equal(ask(reboot).action, "silent");
  assert.equal(ask(reboot, { node: reserved("10.0.0.77") }).action, "ack");
  const renew = ask(packet(MESSAGE.REQUEST, PC, [], { ciaddr: "10.0.0.77" }));
  assert.equal(renew.action, "ack");
  assert.match(renew.reason, /our book had lost/);
  assert.deepEqual(renew.reply?.to, { how: "unicast", address: "10.0.0.77", mac: PC });
});
