// Each counter-measure against a Pi 3 that has the bug: with it the Pi boots, without it the bug bites.

import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { fromHex, toLatin1 } from "../base/text.ts";
import type { Lease } from "../fleet/pool.ts";
import type { QuirkSwitches } from "../fleet/quirks.ts";
import { BLANK } from "../wire/dhcp/blank.ts";
import { type DhcpPacket, decode, encode, MESSAGE } from "../wire/dhcp/packet.ts";
import type { DhcpEvent, DhcpInterface } from "./dhcp.ts";
import { LIMITS, Telling } from "./dhcp-limits.ts";
import { DhcpLink } from "./dhcp-link.ts";
import type { Raw } from "./raw.ts";

const ME = "10.0.0.1";
const MAC = "b8:27:eb:28:f6:6d";
const STRANGER = "02:00:00:00:00:99";

interface Bugs {
  /** Answers within 2 s are lost (row 2). */
  early?: boolean;
  /** An OFFER is dropped unless another broadcast came since the DISCOVER, and it is a broadcast itself (row 3). */
  flush?: boolean;
}

/** A boot ROM on a wire of its own: hears frames in order, with the time. */
class FakeRom {
  offer: DhcpPacket | undefined;
  #bugs: Bugs;
  #askedAt = 0;
  #woken = false;
  constructor(bugs: Bugs) {
    this.#bugs = bugs;
  }
  discover(now: number): Uint8Array {
    this.#askedAt = now;
    this.#woken = false;
    return said(MAC, ROM);
  }
  hearBroadcast(): void {
    this.#woken = true;
  }
  hearAnswer(bytes: Uint8Array, broadcast: boolean, now: number): void {
    const packet = decode(bytes);
    if (packet.chaddr !== MAC) return;
    if (this.#bugs.early && now - this.#askedAt < 2000) return;
    if (this.#bugs.flush && !(this.#woken && broadcast)) return;
    this.offer = packet;
  }
}

const ROM: [number, Uint8Array][] = [
  [93, Uint8Array.of(0, 0)],
  [97, fromHex(`00${"44".repeat(16)}`)],
  [60, toLatin1("PXEClient:Arch:00000:UNDI:002001")],
];

const said = (mac: string, options: [number, Uint8Array][]) =>
  encode({
    ...BLANK,
    xid: 0x26f30339,
    chaddr: mac,
    options: new Map([[53, Uint8Array.of(MESSAGE.DISCOVER)], ...options]),
  });

interface Scene {
  bugs?: Bugs;
  quirks?: QuirkSwitches;
  mode?: DhcpInterface["mode"];
  /** Somebody answers ARP for every address of the pool's first two. */
  squatted?: string[];
  known?: boolean;
  /** What the machine cannot do. */
  noFrames?: boolean;
}

/** Time stands still but for tick(): nothing here waits for a clock. */
function scene(
  t: TestContext,
  { bugs = {}, quirks, mode = "full", squatted = [], known = true, noFrames = false }: Scene,
) {
  t.mock.timers.enable({ apis: ["setTimeout", "setInterval"] });
  let now = 1_800_000_000_000;
  const rom = new FakeRom(bugs);
  const pins = new Map<string, string>();
  const leases = new Map<string, Lease>();
  const events: DhcpEvent[] = [];
  const frames: string[] = [];
  let arpAnswers: { mac: string; address: string }[] = [];
  const raw: Raw = {
    lost: [],
    boundSocket: () => undefined,
    sendTo: (_mac, _from, _to, bytes) => {
      if (noFrames) return false;
      frames.push("frame");
      rom.hearAnswer(bytes, false, now);
      return true;
    },
    askArp: (target) => {
      if (noFrames) return false;
      frames.push(`arp ${target}`);
      if (squatted.includes(target)) arpAnswers.push({ mac: STRANGER, address: target });
      rom.hearBroadcast();
      return true;
    },
    heardArp: () => arpAnswers.splice(0),
    hushArp: () => {
      arpAnswers = [];
    },
    pin: (address, mac) => Boolean(pins.set(address, mac)),
    unpin: (address) => void pins.delete(address),
    close: () => {},
  };
  const on: DhcpInterface = {
    address: ME,
    subnet: "10.0.0.0/24",
    mode,
    pool: { from: "10.0.0.50", to: "10.0.0.53" },
  };
  const link = new DhcpLink(on, {
    interfaces: [on],
    ask: () => ({ answer: true, reason: "boot", ...(known && { nodeId: "pi" }) }),
    leases: {
      get: (mac) => leases.get(mac),
      byAddress: (address) => [...leases.values()].find((lease) => lease.address === address),
      put: async (lease) => void leases.set(lease.mac, lease),
    },
    on: (event) => events.push(event),
    ...(quirks && { quirks }),
    now: () => now,
    telling: new Telling(LIMITS, now),
    raw,
  });
  const socket = {
    port: 67,
    send: (bytes: Uint8Array, to: { address: string }) => {
      frames.push(`to ${to.address}`);
      rom.hearAnswer(bytes, to.address === "255.255.255.255", now);
    },
    close: async () => {},
  };
  link.start(socket, socket);
  t.after(() => link.close());
  const settle = async () => {
    for (let i = 0; i < 20; i++) await Promise.resolve();
  };
  return {
    rom,
    pins,
    leases,
    events,
    frames,
    link,
    tick: async (ms: number) => {
      for (let passed = 0; passed < ms; passed += 5) {
        now += 5;
        t.mock.timers.tick(5);
        await settle();
      }
    },
    discover: async () => {
      link.hear(rom.discover(now), { address: "0.0.0.0", port: 68 }, false);
      await settle();
    },
    other: async () => {
      link.hear(said("dc:a6:32:00:00:01", []), { address: "0.0.0.0", port: 68 }, false);
      await settle();
    },
  };
}

/** As the ROM does: five DISCOVERs, 5 s apart. */
async function boots(s: ReturnType<typeof scene>): Promise<boolean> {
  for (let i = 0; i < 5 && !s.rom.offer; i++) {
    await s.discover();
    await s.tick(5000);
  }
  return s.rom.offer !== undefined;
}

test("row 2: a ROM that loses early answers hears the delayed OFFER, in both modes; without the delay it never does", async (t) => {
  assert.equal(await boots(scene(t, { bugs: { early: true } })), true);
  t.mock.timers.reset();
  assert.equal(await boots(scene(t, { bugs: { early: true }, mode: "proxy" })), true);
  t.mock.timers.reset();
  assert.equal(await boots(scene(t, { bugs: { early: true }, quirks: { "delayed-offer": [] } })), false);
});

test("row 2: no other stage waits", async (t) => {
  const s = scene(t, { quirks: { "delayed-offer": ["eeprom2711"] } });
  await s.discover();
  assert.ok(s.rom.offer);
});

test("row 3: a ROM with the flush bug hears the OFFER after an ARP request; without it never", async (t) => {
  const s = scene(t, { bugs: { flush: true } });
  assert.equal(await boots(s), true);
  assert.deepEqual(s.frames.slice(-2), [`arp ${s.rom.offer?.yiaddr}`, "to 255.255.255.255"]);
  t.mock.timers.reset();
  const proxied = scene(t, { bugs: { flush: true }, mode: "proxy" });
  assert.equal(await boots(proxied), true);
  assert.deepEqual(proxied.frames.slice(-2), [`arp ${ME}`, "to 255.255.255.255"]);
  t.mock.timers.reset();
  // A probe's ARP comes 2 s earlier and would wake it too: this node has its lease already.
  const off = scene(t, { bugs: { flush: true }, quirks: { "frame-before-offer": [] } });
  off.leases.set(MAC, { mac: MAC, address: "10.0.0.50", expiresMs: Number.MAX_SAFE_INTEGER });
  assert.equal(await boots(off), false);
});

test("row 4: a ROM that stops answering ARP stays reachable, and its entry goes when TFTP is over", async (t) => {
  const s = scene(t, {});
  await s.discover();
  await s.tick(2000);
  assert.equal(s.pins.get(s.rom.offer?.yiaddr ?? ""), MAC);
  await s.tick(110_000);
  assert.equal(s.pins.size, 1);
  await s.tick(11_000);
  assert.equal(s.pins.size, 0);
  t.mock.timers.reset();
  const off = scene(t, { quirks: { "pinned-neighbour": [] } });
  await off.discover();
  await off.tick(2000);
  assert.ok(off.rom.offer);
  assert.equal(off.pins.size, 0);
});

test("row 4: closing takes the pinned entries away", async (t) => {
  const s = scene(t, {});
  await s.discover();
  await s.tick(2000);
  assert.equal(s.pins.size, 1);
  s.link.close();
  assert.equal(s.pins.size, 0);
});

test("row 7: the ROM's lease stands when its OFFER leaves, though no REQUEST ever comes", async (t) => {
  const s = scene(t, {});
  await s.discover();
  await s.tick(2000);
  assert.equal(s.leases.get(MAC)?.address, s.rom.offer?.yiaddr);
  await s.tick(61_000);
  t.mock.timers.reset();
  const off = scene(t, { quirks: { "lease-at-offer": [] } });
  await off.discover();
  await off.tick(2000);
  assert.ok(off.rom.offer);
  assert.equal(off.leases.size, 0);
});

test("row 7: a known node does not wait for the conflict probe; a stranger does", async (t) => {
  const known = scene(t, { quirks: { "delayed-offer": [] } });
  await known.discover();
  assert.ok(known.rom.offer, "at once");
  t.mock.timers.reset();
  const stranger = scene(t, { known: false, quirks: { "delayed-offer": [] } });
  await stranger.discover();
  assert.equal(stranger.rom.offer, undefined);
  await stranger.tick(350);
  assert.ok(stranger.rom.offer);
});

test("an address that somebody uses is not offered to a stranger: the next one is, and the event says who has it", async (t) => {
  const squatted = ["10.0.0.50", "10.0.0.51", "10.0.0.52"];
  const s = scene(t, { known: false, squatted });
  await s.discover();
  await s.tick(5000);
  const conflicts = s.events.filter(({ kind }) => kind === "conflict");
  assert.equal(s.rom.offer?.yiaddr, "10.0.0.53");
  assert.match(conflicts[0]?.reason ?? "", /02:00:00:00:00:99 answers there by ARP/);
});

test("a known node's conflict is told, and its next DISCOVER gets another address", async (t) => {
  const squatted = ["10.0.0.50", "10.0.0.51", "10.0.0.52"];
  const s = scene(t, { squatted });
  for (let i = 0; i < 4; i++) {
    await s.discover();
    await s.tick(5000);
  }
  assert.equal(s.rom.offer?.yiaddr, "10.0.0.53");
});

test("without frames and ARP the answers still leave, as broadcasts", async (t) => {
  const s = scene(t, { noFrames: true, known: false });
  await s.other();
  assert.deepEqual(s.frames, ["to 255.255.255.255"]);
});

test("with frames, a client without an address is answered by a frame of its own", async (t) => {
  const s = scene(t, {});
  await s.other();
  assert.equal(s.frames.at(-1), "frame");
  assert.ok(!s.frames.includes("to 255.255.255.255"));
});
