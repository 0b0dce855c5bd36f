import assert from "node:assert/strict";
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { type TestContext, test } from "node:test";
import { fromHex, hex, toLatin1 } from "../base/text.ts";
import type { FleetAnswer } from "../fleet/dhcp-context.ts";
import type { Sender } from "../fleet/identify.ts";
import type { Lease } from "../fleet/pool.ts";
import { BLANK } from "../wire/dhcp/blank.ts";
import { addressBytes, messageType, OPTION, optionAddress, optionText } from "../wire/dhcp/options.ts";
import { type DhcpPacket, decode, encode, MESSAGE } from "../wire/dhcp/packet.ts";
import { type DhcpEvent, type DhcpInterface, type DhcpOptions, serveDhcp } from "./dhcp.ts";
import { LIMITS } from "./dhcp-limits.ts";

const PI4 = "dc:a6:32:01:02:03";
const PI4_OPTIONS: [number, Uint8Array][] = [
  [55, Uint8Array.of(1, 3, 43, 60, 66, 67)],
  [93, Uint8Array.of(0, 0)],
  [97, fromHex(`0034695052${"1431d000"}32010203${"78563412"}`)],
  [60, toLatin1("PXEClient:Arch:00000:UNDI:002001")],
];

function message(type: number, mac: string, options: [number, Uint8Array][], more: Partial<DhcpPacket> = {}) {
  const packet: DhcpPacket = {
    ...BLANK,
    xid: 0x1234,
    chaddr: mac,
    options: new Map([[53, Uint8Array.of(type)], ...options]),
    ...more,
  };
  return encode(packet);
}

/** A lease book whose disk takes as long as the test likes. */
class MemoryLeases {
  readonly byMac = new Map<string, Lease>();
  before: () => Promise<void> = async () => {};
  get = (mac: string) => this.byMac.get(mac);
  byAddress = (address: string) => [...this.byMac.values()].find((lease) => lease.address === address);
  put = async (lease: Lease) => {
    this.byMac.set(lease.mac, lease);
    await this.before();
  };
}

interface Bench {
  server: Awaited<ReturnType<typeof serveDhcp>>;
  client: Socket;
  leases: MemoryLeases;
  events: DhcpEvent[];
  asked: { sender: Sender; relay?: string }[];
  say(bytes: Uint8Array, proxy?: boolean): void;
  hear(): Promise<DhcpPacket>;
  /** Resolves when an event fits. */
  event(fits: (event: DhcpEvent) => boolean): Promise<DhcpEvent>;
}

async function bench(
  t: TestContext,
  on: Partial<DhcpInterface> = {},
  more: Partial<DhcpOptions> & { node?: Partial<FleetAnswer> } = {},
): Promise<Bench> {
  const events: DhcpEvent[] = [];
  const waiting: (() => void)[] = [];
  const asked: Bench["asked"] = [];
  const leases = new MemoryLeases();
  const server = await serveDhcp({
    interfaces: [{ address: "127.0.0.1", subnet: "127.0.0.0/24", mode: "proxy", ...on }],
    port: 0,
    proxyPort: 0,
    leases,
    ask: (sender, via) => {
      asked.push({ sender, ...(via.relay !== undefined && { relay: via.relay }) });
      return { answer: true, reason: "enrolled", ...more.node };
    },
    on: (event) => {
      events.push(event);
      for (const wake of waiting.splice(0)) wake();
    },
    ...more,
  });
  const client = createSocket("udp4");
  client.bind(0, "127.0.0.1");
  await once(client, "listening");
  t.after(async () => {
    client.close();
    await server.close();
  });
  return {
    server,
    client,
    leases,
    events,
    asked,
    say: (bytes, proxy = false) =>
      client.send(bytes, server.ports[0]?.[proxy ? "proxy" : "dhcp"] ?? 0, "127.0.0.1"),
    hear: async () => decode((await once(client, "message"))[0] as Buffer),
    event: async (fits) => {
      for (;;) {
        const found = events.find(fits);
        if (found) return found;
        await new Promise<void>((wake) => waiting.push(wake));
      }
    },
  };
}

const FULL: Partial<DhcpInterface> = {
  mode: "full",
  pool: { from: "127.0.0.50", to: "127.0.0.60" },
  router: "127.0.0.2",
};

test("a proxy tells a Pi where to boot from, and why in an event", async (t) => {
  const b = await bench(t);
  b.say(message(MESSAGE.DISCOVER, PI4, PI4_OPTIONS));
  const offer = await b.hear();
  assert.equal(messageType(offer), MESSAGE.OFFER);
  assert.equal(offer.yiaddr, "0.0.0.0");
  assert.equal(offer.broadcast, true);
  assert.equal(optionText(offer, OPTION.TFTP_SERVER), "127.0.0.1");
  assert.deepEqual(b.asked[0]?.sender.serial, "12345678");
  const [event] = b.events;
  assert.equal(event?.message, "DISCOVER → OFFER");
  assert.equal(event?.serial, "12345678");
  assert.match(event?.reason ?? "", /enrolled/);
});

test("a proxy hears the REQUEST for the router, keeps silent and learns the address", async (t) => {
  const b = await bench(t);
  b.say(message(MESSAGE.DISCOVER, PI4, PI4_OPTIONS));
  await b.hear();
  const address = addressBytes("127.0.0.77");
  b.say(
    message(MESSAGE.REQUEST, PI4, [
      [50, address],
      [54, addressBytes("127.0.0.2")],
      [60, toLatin1("PXEClient:Arch:00000:UNDI:002001")],
    ]),
  );
  const event = await b.event(({ learned }) => learned !== undefined);
  assert.equal(event.learned, "127.0.0.77");
  assert.equal(event.message, "REQUEST → silence");
  assert.equal(event.stage, "eeprom2711", "the REQUEST has no option 97: the DISCOVER's counts");
  assert.equal(event.serial, "12345678");
});

test("the full server's ACK leaves after the lease is on the disk, not before", async (t) => {
  const b = await bench(t, FULL);
  b.say(message(MESSAGE.DISCOVER, PI4, PI4_OPTIONS));
  const offer = await b.hear();
  let written: () => void = () => {};
  const disk = new Promise<void>((resolve) => {
    written = resolve;
  });
  const reached = new Promise<void>((resolve) => {
    b.leases.before = () => {
      resolve();
      return disk;
    };
  });
  let acked = false;
  const ack = b.hear().then((packet) => {
    acked = true;
    return packet;
  });
  b.say(
    message(MESSAGE.REQUEST, PI4, [
      [50, addressBytes(offer.yiaddr)],
      [54, addressBytes("127.0.0.1")],
    ]),
  );
  await reached;
  // A stranger's DISCOVER goes through the same socket meanwhile: had the ACK left early, it would be here first.
  const other = createSocket("udp4");
  other.bind(0, "127.0.0.1");
  await once(other, "listening");
  const heard = once(other, "message");
  other.send(message(MESSAGE.DISCOVER, "02:00:00:00:00:09", []), b.server.ports[0]?.dhcp ?? 0, "127.0.0.1");
  await heard;
  other.close();
  assert.equal(acked, false);
  written();
  const packet = await ack;
  assert.equal(messageType(packet), MESSAGE.ACK);
  assert.equal(packet.yiaddr, offer.yiaddr);
  assert.equal(optionAddress(packet, OPTION.ROUTER), "127.0.0.2");
});

test("a lease that cannot be written is not acknowledged", async (t) => {
  const b = await bench(t, FULL);
  b.leases.before = async () => {
    throw new Error("the disk is full");
  };
  b.say(
    message(MESSAGE.REQUEST, PI4, [
      [50, addressBytes("127.0.0.51")],
      [54, addressBytes("127.0.0.1")],
    ]),
  );
  const event = await b.event(({ kind }) => kind === "error");
  assert.match(event.reason, /the disk is full/);
  assert.equal(event.mac, PI4);
  assert.ok(!b.events.some(({ message }) => message.includes("ACK")));
});

test("a relayed client gets its own network's address, and the relay its option 82 back", async (t) => {
  const relayed = [
    { subnet: "10.7.0.0/24", pool: { from: "10.7.0.50", to: "10.7.0.60" }, router: "10.7.0.1" },
  ];
  const b = await bench(t, { ...FULL, relayed });
  const circuit = fromHex("010677656230303a");
  b.say(message(MESSAGE.DISCOVER, PI4, [...PI4_OPTIONS, [82, circuit]], { giaddr: "10.7.0.1", hops: 1 }));
  const offer = await b.hear();
  assert.match(offer.yiaddr, /^10\.7\.0\.5|^10\.7\.0\.60/);
  assert.equal(offer.giaddr, "10.7.0.1");
  assert.equal(offer.hops, 0);
  assert.equal(hex(offer.options.get(82) ?? new Uint8Array()), hex(circuit));
  assert.equal([...offer.options.keys()].at(-1), 82);
  assert.equal(b.asked[0]?.relay, "10.7.0.1");
  b.say(message(MESSAGE.DISCOVER, PI4, PI4_OPTIONS, { giaddr: "10.8.0.1" }));
  const event = await b.event(({ reason }) => reason.includes("10.8.0.1"));
  assert.match(event.reason, /no network of that address/);
});

test("port 4011 gives UEFI its boot file, and a Pi's own firmware nothing", async (t) => {
  const b = await bench(t, {}, { node: { bootFile: "ipxe-arm64.efi" } });
  const uefi: [number, Uint8Array][] = [
    [93, Uint8Array.of(0, 11)],
    [60, toLatin1("PXEClient:Arch:00011:UNDI:003000")],
  ];
  b.say(message(MESSAGE.REQUEST, PI4, uefi, { ciaddr: "127.0.0.80" }), true);
  const ack = await b.hear();
  assert.equal(messageType(ack), MESSAGE.ACK);
  assert.equal(ack.file, "ipxe-arm64.efi");
  assert.equal(ack.siaddr, "127.0.0.1");
  b.say(message(MESSAGE.REQUEST, PI4, PI4_OPTIONS), true);
  const event = await b.event(({ reason }) => reason.includes("eeprom2711"));
  assert.equal(event.message, "REQUEST → silence");
});

test("broken packets and a fleet that throws end nobody, and cost one event per address and second", async (t) => {
  const at = 1_000_000;
  const b = await bench(t, {}, { now: () => at });
  for (let i = 0; i < 50; i++) b.say(Uint8Array.of(1, 2, 3, i));
  b.say(message(MESSAGE.DISCOVER, PI4, PI4_OPTIONS));
  await b.hear();
  assert.equal(b.events.filter(({ kind }) => kind === "error").length, 1);
  const angry = await bench(
    t,
    {},
    {
      ask: () => {
        throw new Error("the book is closed");
      },
    },
  );
  angry.say(message(MESSAGE.DISCOVER, PI4, PI4_OPTIONS));
  const event = await angry.event(({ kind }) => kind === "error");
  assert.match(event.reason, /the book is closed/);
});

test("a flood of strangers costs a bounded number of events, and a Pi among them still gets its answer", async (t) => {
  const limits = { ...LIMITS, burst: 20, perSecond: 0, remembered: 16 };
  const b = await bench(t, {}, { limits });
  for (let i = 0; i < 200; i++) {
    const mac = `02:00:00:00:00:${i.toString(16).padStart(2, "0")}`;
    b.say(message(MESSAGE.DISCOVER, mac, []));
  }
  b.say(message(MESSAGE.DISCOVER, PI4, PI4_OPTIONS));
  assert.equal(messageType(await b.hear()), MESSAGE.OFFER);
  assert.ok(b.events.length <= 20, `${b.events.length} events`);
});

test("another server's message on our port is told as such", async (t) => {
  const b = await bench(t);
  b.say(message(MESSAGE.OFFER, PI4, [[54, addressBytes("127.0.0.9")]], { op: 2 }));
  const event = await b.event(({ kind }) => kind === "foreign-server");
  assert.match(event.reason, /127\.0\.0\.9/);
});

test("mode off opens no port", async () => {
  const server = await serveDhcp({
    interfaces: [{ address: "127.0.0.1", subnet: "127.0.0.0/24", mode: "off" }],
    leases: new MemoryLeases(),
    ask: () => ({ answer: false, reason: "" }),
    on: () => {},
  });
  assert.deepEqual(server.ports, []);
  await server.close();
});
