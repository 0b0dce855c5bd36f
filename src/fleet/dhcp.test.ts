import assert from "node:assert/strict";
import { test } from "node:test";
import { fromHex, hex, toLatin1 } from "../base/text.ts";
import { raspberryBootMenu } from "../wire/dhcp/option43.ts";
import {
  addressBytes,
  messageType,
  OPTION,
  optionAddress,
  optionNumber,
  optionText,
} from "../wire/dhcp/options.ts";
import { type DhcpPacket, MESSAGE } from "../wire/dhcp/packet.ts";
import type { DhcpContext } from "./dhcp-context.ts";
import {
  linux,
  ME,
  NOW,
  type Options,
  PC,
  PI3,
  PI4,
  packet,
  pi4,
  reserved,
  rom,
  sent,
  uefi,
  world,
} from "./dhcp-test-world.ts";

test("proxy: every byte that a Pi's firmware wants, and no address", () => {
  const decision = world().decide(packet(MESSAGE.DISCOVER, PI4, pi4), { mode: "proxy" });
  const offer = sent(decision);
  assert.deepEqual([...offer.options.keys()], [53, 54, 66, 60, 97, 43]);
  assert.equal(optionText(offer, OPTION.VENDOR_CLASS), "PXEClient");
  assert.equal(optionText(offer, OPTION.TFTP_SERVER), ME);
  assert.equal(optionAddress(offer, OPTION.SERVER_ID), ME);
  assert.equal(hex(offer.options.get(97) ?? new Uint8Array()), "00346950521431d0003201020378563412");
  assert.deepEqual(offer.options.get(43), raspberryBootMenu());
  assert.deepEqual([offer.siaddr, offer.yiaddr, offer.file, offer.broadcast], [ME, "0.0.0.0", "", true]);
  assert.deepEqual(decision.reply?.to, { how: "broadcast", address: "255.255.255.255" });
});

test("proxy: ordinary clients, REQUESTs and nodes that may not boot get silence with its reason", () => {
  const { decide: ask } = world({ mode: "proxy" });
  const rows: [DhcpPacket, RegExp, Partial<DhcpContext>?][] = [
    [packet(MESSAGE.DISCOVER, PC, linux(1, 3)), /ordinary client/],
    [packet(MESSAGE.DISCOVER, PC, [[60, toLatin1("MSFT 5.0")]]), /ordinary client/],
    [packet(MESSAGE.REQUEST, PI4, [...pi4, [50, addressBytes("10.0.0.7")]]), /only listens/],
    [packet(MESSAGE.RELEASE, PC, []), /not a proxy/],
    [
      packet(MESSAGE.DISCOVER, PI4, pi4),
      /12th in line/,
      { node: { answer: false, reason: "waiting, 12th in line" } },
    ],
    [packet(MESSAGE.DISCOVER, PC, uefi), /no boot file is set for uefi/],
  ];
  for (const [said, why, change] of rows) {
    const decision = ask(said, change);
    assert.equal(decision.action, "silent");
    assert.equal(decision.reply, undefined);
    assert.match(decision.reason, why);
  }
  const learned = ask(packet(MESSAGE.REQUEST, PI4, [...pi4, [50, addressBytes("10.0.0.7")]]));
  assert.equal(learned.learned, "10.0.0.7");
  assert.equal(ask(packet(MESSAGE.REQUEST, PI4, pi4, { ciaddr: "10.0.0.8" })).learned, "10.0.0.8");
});

test("full: a Pi gets address and menu whatever it asked for, in the order of an accepted answer", () => {
  const decision = world().decide(packet(MESSAGE.DISCOVER, PI4, pi4));
  const offer = sent(decision);
  assert.deepEqual([...offer.options.keys()], [53, 54, 51, 58, 59, 1, 28, 3, 66, 60, 97, 43]);
  assert.equal(optionNumber(offer, OPTION.LEASE_SECONDS), 3600);
  assert.equal(decision.hold, offer.yiaddr);
  assert.equal(decision.lease, undefined, "an EEPROM sends a REQUEST: nothing is written before");
  assert.deepEqual(decision.reply?.to, { how: "raw", address: offer.yiaddr, mac: PI4 });
  assert.equal(decision.reply?.delayMs, 0);
});

test("full: an ordinary client gets only what it asked for, in the order asked, and no menu", () => {
  const { decide: ask } = world({ node: { answer: false, reason: "a stranger", hostname: "pi-7" } });
  const offer = sent(ask(packet(MESSAGE.DISCOVER, PC, linux(12, 6, 43, 1, 77, 3, 66))));
  assert.deepEqual([...offer.options.keys()], [53, 54, 51, 12, 6, 1, 3]);
  assert.equal(offer.siaddr, "0.0.0.0");
  const bare = sent(ask(packet(MESSAGE.DISCOVER, PC, [])));
  assert.deepEqual([...bare.options.keys()], [53, 54, 51, 1, 3, 6, 15, 12]);
});

test("full: UEFI, HTTP boot, iPXE and U-Boot get their boot file, each in its own way", () => {
  const { decide: ask } = world({ node: { answer: true, reason: "boot", bootFile: "ipxe.efi" } });
  const pxe = sent(ask(packet(MESSAGE.DISCOVER, PC, uefi)));
  assert.deepEqual(
    [pxe.file, pxe.siaddr, optionText(pxe, 67), optionText(pxe, 60)],
    ["ipxe.efi", ME, "ipxe.efi", "PXEClient"],
  );
  assert.equal(hex(pxe.options.get(43) ?? new Uint8Array()), "0601080a0400505845ff");
  const http: Options = [
    [93, Uint8Array.of(0, 19)],
    [60, toLatin1("HTTPClient:Arch:00019:UNDI:003000")],
  ];
  const url = `http://10.0.0.1/${"x".repeat(200)}.efi`;
  const long = sent(
    ask(packet(MESSAGE.DISCOVER, PC, http), { node: { answer: true, reason: "", bootFile: url } }),
  );
  assert.deepEqual([long.file, optionText(long, 67), optionText(long, 60)], ["", url, "HTTPClient"]);
  assert.ok(!long.options.has(43));
  const ipxe = sent(ask(packet(MESSAGE.DISCOVER, PC, [[77, toLatin1("iPXE")]])));
  assert.equal(hex(ipxe.options.get(175) ?? new Uint8Array()), "b00101");
  const uboot = sent(ask(packet(MESSAGE.DISCOVER, PC, [[60, toLatin1("U-Boot.armv8")]])));
  assert.equal(uboot.file, "ipxe.efi");
});

test("the Pi 3 boot ROM: leased at the OFFER, late, after a broadcast ARP, pinned, as a broadcast, without a router", () => {
  const decision = world().decide(packet(MESSAGE.DISCOVER, PI3, rom));
  const offer = sent(decision);
  assert.deepEqual(decision.lease, { mac: PI3, address: offer.yiaddr, expiresMs: NOW + 3_600_000 });
  assert.equal(decision.hold, undefined);
  assert.equal(decision.reply?.delayMs, 2000);
  assert.equal(decision.reply?.arpBefore, offer.yiaddr);
  assert.equal(decision.reply?.pinNeighbour?.mac, PI3);
  assert.equal(decision.reply?.to.how, "broadcast");
  assert.ok(!offer.options.has(OPTION.ROUTER));
  assert.equal(offer.hops, 0);
  const off = world({
    quirks: { "delayed-offer": [], "frame-before-offer": [], "pinned-neighbour": [], "lease-at-offer": [] },
  }).decide(packet(MESSAGE.DISCOVER, PI3, rom));
  assert.deepEqual(
    [off.reply?.delayMs, off.reply?.arpBefore, off.reply?.pinNeighbour, off.lease, off.reply?.to.how],
    [0, undefined, undefined, undefined, "raw"],
  );
  const proxied = world({ mode: "proxy" }).decide(packet(MESSAGE.DISCOVER, PI3, rom));
  assert.equal(proxied.reply?.arpBefore, ME, "the Pi's address is the router's secret: we announce our own");
});

test("only an unknown client waits for the conflict probe; a lease that it has is not probed", () => {
  const { decide: ask } = world();
  const fresh = ask(packet(MESSAGE.DISCOVER, PI4, pi4));
  assert.deepEqual(fresh.probe, { address: fresh.address, wait: false });
  const stranger = ask(packet(MESSAGE.DISCOVER, PC, []), { node: { answer: true, reason: "" } });
  assert.equal(stranger.probe?.wait, true);
  const again = world({}, [{ mac: PI4, address: "10.0.0.70", expiresMs: NOW + 1 }]);
  assert.equal(again.decide(packet(MESSAGE.DISCOVER, PI4, pi4)).probe, undefined);
  const slow = world({ quirks: { "no-probe-delay": [] } }).decide(packet(MESSAGE.DISCOVER, PI4, pi4));
  assert.equal(slow.probe?.wait, true);
  assert.equal(
    ask(packet(MESSAGE.DISCOVER, PI4, pi4, { giaddr: "10.0.0.9" })).probe,
    undefined,
    "ARP does not pass a relay",
  );
});

test("which address: reservation, then what it had, then what it asks for; nobody gets another node's", () => {
  const had = { mac: PI4, address: "10.0.0.70", expiresMs: NOW - 5 };
  const discover = packet(MESSAGE.DISCOVER, PI4, [...pi4, [50, addressBytes("10.0.0.80")]]);
  assert.equal(world({ node: reserved("10.0.0.9") }, [had]).decide(discover).address, "10.0.0.9");
  assert.equal(world({}, [had]).decide(discover).address, "10.0.0.70");
  assert.equal(world().decide(discover).address, "10.0.0.80");
  for (const no of ["10.0.0.60", "10.0.0.10", "10.0.0.255", ME, "192.168.0.1"]) {
    const wish = packet(MESSAGE.DISCOVER, PI4, [...pi4, [50, addressBytes(no)]]);
    assert.notEqual(world().decide(wish).address, no);
  }
  const squatted = world({ node: reserved("10.0.0.9") }, [
    { mac: PC, address: "10.0.0.9", expiresMs: NOW + 1 },
  ]);
  assert.match(squatted.decide(discover).reason, /its reserved address 10\.0\.0\.9 is leased to 02:00/);
});

test("an empty pool is said, not guessed around", () => {
  const many = Array.from({ length: 50 }, (_, i) => ({
    mac: `02:00:00:00:01:${i.toString(16).padStart(2, "0")}`,
    address: `10.0.0.${50 + i}`,
    expiresMs: NOW + 1000,
  }));
  const { decide: ask } = world({}, many);
  assert.match(ask(packet(MESSAGE.DISCOVER, PI4, pi4)).reason, /no address is free/);
  const later = ask(packet(MESSAGE.DISCOVER, PI4, pi4), { nowMs: NOW + 2000 });
  assert.equal(later.action, "offer", "leases end");
});

test("DECLINE, RELEASE and INFORM are believed of the client's own address only", () => {
  const mine = { mac: PC, address: "10.0.0.70", expiresMs: NOW + 1000 };
  const { decide: ask } = world({}, [mine]);
  const decline = (address: string) => ask(packet(MESSAGE.DECLINE, PC, [[50, addressBytes(address)]]));
  assert.equal(decline("10.0.0.70").quarantine, "10.0.0.70");
  assert.equal(decline("10.0.0.70").lease?.expiresMs, NOW);
  assert.equal(decline("10.0.0.71").quarantine, undefined);
  assert.match(ask(packet(MESSAGE.DECLINE, PC, [])).reason, /declines nothing/);
  assert.equal(ask(packet(MESSAGE.RELEASE, PC, [], { ciaddr: "10.0.0.70" })).lease?.expiresMs, NOW);
  assert.equal(ask(packet(MESSAGE.RELEASE, PC, [], { ciaddr: "10.0.0.71" })).lease, undefined);
  const inform = ask(packet(MESSAGE.INFORM, PC, linux(1, 51, 3), { ciaddr: "10.0.0.200" }));
  const ack = sent(inform);
  assert.deepEqual([inform.kind, messageType(ack), ack.yiaddr], ["inform", MESSAGE.ACK, "0.0.0.0"]);
  assert.deepEqual([...ack.options.keys()], [53, 54, 1, 3], "no lease time for an address that is not ours");
  assert.equal(
    ask(packet(MESSAGE.INFORM, PC, [], { ciaddr: "1.2.3.4" })).reply,
    undefined,
    "no answers to addresses of others",
  );
});

test("by way of a relay: to the relay, with option 82 last; a NAK as a broadcast there", () => {
  const { decide: ask } = world();
  const relayed: Options = [[82, fromHex("0102aabb")]];
  const offer = ask(packet(MESSAGE.DISCOVER, PI4, [...relayed, ...pi4], { giaddr: "10.0.0.2", hops: 1 }));
  assert.deepEqual(offer.reply?.to, { how: "relay", address: "10.0.0.2" });
  assert.deepEqual([...sent(offer).options.entries()].at(-1), [82, fromHex("0102aabb")]);
  const nak = ask(
    packet(MESSAGE.REQUEST, PI4, [...relayed, [50, addressBytes("192.168.0.9")]], { giaddr: "10.0.0.2" }),
  );
  assert.deepEqual([nak.action, nak.reply?.to.how, sent(nak).broadcast], ["nak", "relay", true]);
  assert.deepEqual([...sent(nak).options.keys()], [53, 54, 56, 82]);
  assert.match(ask(packet(MESSAGE.DISCOVER, PI4, pi4, { giaddr: ME })).reason, /claims that we relayed/);
  const lost = ask(packet(MESSAGE.DISCOVER, PI4, pi4, { giaddr: "10.9.9.9" }), {
    network: undefined,
    pool: undefined,
  });
  assert.match(lost.reason, /relayed by 10\.9\.9\.9/);
});

test("a client with the broadcast bit is answered by broadcast", () => {
  const decision = world().decide(packet(MESSAGE.DISCOVER, PC, [], { broadcast: true }));
  assert.equal(decision.reply?.to.how, "broadcast");
});

test("mode off, servers' messages and unknown types are silence", () => {
  const { decide: ask } = world();
  assert.match(ask(packet(MESSAGE.DISCOVER, PI4, pi4), { mode: "off" }).reason, /off/);
  assert.match(ask(packet(MESSAGE.OFFER, PI4, pi4, { op: 2 })).reason, /server/);
  assert.match(ask(packet(13, PI4, pi4)).reason, /13/);
});

test("two new clients are offered two addresses, though neither has a lease yet", () => {
  const { decide: ask, pool } = world();
  const wish: Options = [[50, addressBytes("10.0.0.80")]];
  const first = ask(packet(MESSAGE.DISCOVER, PI4, wish));
  pool.hold(first.hold ?? "", PI4, NOW);
  const second = ask(packet(MESSAGE.DISCOVER, PC, wish));
  assert.equal(first.address, "10.0.0.80");
  assert.notEqual(second.address, "10.0.0.80");
  const later = ask(packet(MESSAGE.DISCOVER, PC, wish), { nowMs: NOW + 61_000 });
  assert.equal(later.address, "10.0.0.80", "an offer that nobody takes lapses after a minute");
});
