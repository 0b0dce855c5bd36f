import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { parseSubnet } from "../base/addresses.ts";
import { fromHex, toLatin1 } from "../base/text.ts";
import { BLANK } from "../wire/dhcp/blank.ts";
import { addressBytes, messageType } from "../wire/dhcp/options.ts";
import { type DhcpPacket, decode, encode, MESSAGE } from "../wire/dhcp/packet.ts";
import { decide } from "./dhcp.ts";
import { identify } from "./identify.ts";
import { type Lease, Pool } from "./pool.ts";

const SUBNET = parseSubnet("10.0.0.0/24");
const LEASE_SECONDS = 60;

test("a pool outside its subnet, or upside down, is refused", () => {
  const make = (from: string, to: string) => () =>
    new Pool({
      subnet: SUBNET,
      range: { from, to },
      taken: [],
      leases: { get: () => undefined, byAddress: () => undefined },
      isReserved: () => false,
    });
  assert.throws(make("10.0.1.5", "10.0.1.9"), { code: "BAD_INPUT" });
  assert.throws(make("10.0.0.9", "10.0.0.5"), { code: "BAD_INPUT" });
  make("10.0.0.5", "10.0.0.9")();
});

test("a client tends to the same address even when the lease book is lost", () => {
  const make = () =>
    new Pool({
      subnet: SUBNET,
      range: { from: "10.0.0.10", to: "10.0.0.200" },
      taken: [],
      leases: { get: () => undefined, byAddress: () => undefined },
      isReserved: () => false,
    });
  const wish = { mac: "dc:a6:32:01:02:03", nowMs: 0 };
  assert.equal(make().choose(wish).address, make().choose(wish).address);
});

/** The server as its edge runs it: decisions, then their effects; a crash forgets all but the lease book. */
class Server {
  readonly book = new Map<string, Lease>();
  pool = this.#fresh();

  #fresh() {
    return new Pool({
      subnet: SUBNET,
      range: { from: "10.0.0.10", to: "10.0.0.15" },
      taken: ["10.0.0.1"],
      leases: this.#view,
      isReserved: (address) => address === "10.0.0.12",
    });
  }
  get #view() {
    return {
      get: (mac: string) => this.book.get(mac),
      byAddress: (address: string) => [...this.book.values()].find((lease) => lease.address === address),
    };
  }

  hear(bytes: Uint8Array, nowMs: number): DhcpPacket | undefined {
    const packet = decode(bytes);
    const sender = identify(packet);
    const decision = decide(packet, sender, {
      mode: "full",
      server: "10.0.0.1",
      network: { subnet: SUBNET, leaseSeconds: LEASE_SECONDS },
      pool: this.pool,
      leases: this.#view,
      node: {
        answer: true,
        reason: "",
        ...(sender.mac === MACS[0] && { nodeId: "a", reservedAddress: "10.0.0.12" }),
      },
      nowMs,
    });
    if (decision.unhold) this.pool.unhold(sender.mac);
    if (decision.hold !== undefined) this.pool.hold(decision.hold, sender.mac, nowMs);
    if (decision.quarantine !== undefined) this.pool.quarantine(decision.quarantine, nowMs);
    if (decision.lease) {
      const { lease } = decision;
      for (const other of [...this.book.values()])
        if (other.address === lease.address) this.book.delete(other.mac);
      this.book.set(lease.mac, lease);
    }
    return decision.reply && decode(encode(decision.reply.packet));
  }
  crash(): void {
    this.pool = this.#fresh();
  }
}

const MACS = Array.from({ length: 9 }, (_, i) => `dc:a6:32:00:00:0${i}`);
/** The last three are Pi 3 boot ROMs: they take the address of an OFFER and use it. */
const isRom = (client: number) => client >= 6;
const romOptions: [number, Uint8Array][] = [
  [93, Uint8Array.of(0, 0)],
  [97, fromHex(`00${"44".repeat(16)}`)],
  [60, toLatin1("PXEClient:Arch:00000:UNDI:002001")],
];

interface Client {
  offer?: string;
  address?: string;
  untilMs: number;
}

const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant("discover" as const),
      client: fc.nat(8),
      wants: fc.option(fc.nat(20)),
    }),
  },
  { weight: 6, arbitrary: fc.record({ do: fc.constant("select" as const), client: fc.nat(8) }) },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant("reboot" as const), client: fc.nat(8), wants: fc.nat(20) }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("renew" as const), client: fc.nat(8) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("release" as const), client: fc.nat(8) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("decline" as const), client: fc.nat(8) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("wait" as const), seconds: fc.nat(50) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("crash" as const) }) },
);

test("never one address to two clients: an army that discovers, reboots, renews, declines, waits, and a server that crashes", () => {
  let acks = 0;
  fc.assert(
    fc.property(fc.array(step, { minLength: 20, maxLength: 150, size: "max" }), (steps) => {
      const server = new Server();
      const clients: Client[] = MACS.map(() => ({ untilMs: 0 }));
      let now = 1_800_000_000_000;
      const say = (client: number, type: number, options: [number, Uint8Array][], ciaddr = "0.0.0.0") =>
        server.hear(
          encode({
            ...BLANK,
            xid: client,
            ciaddr,
            chaddr: MACS[client] ?? "",
            options: new Map([[53, Uint8Array.of(type)], ...(isRom(client) ? romOptions : []), ...options]),
          }),
          now,
        );
      const has = (client: Client) => (client.untilMs > now ? client.address : undefined);
      const take = (client: Client, answer: DhcpPacket | undefined) => {
        if (!answer) return;
        if (messageType(answer) === MESSAGE.NAK) delete client.address;
        if (messageType(answer) !== MESSAGE.ACK) return;
        acks++;
        Object.assign(client, { address: answer.yiaddr, untilMs: now + LEASE_SECONDS * 1000 });
      };
      for (const one of steps) {
        if (one.do === "wait") now += one.seconds * 1000;
        else if (one.do === "crash") server.crash();
        else {
          const client = clients[one.client] as Client;
          const address = has(client);
          if (one.do === "discover") {
            const wants: [number, Uint8Array][] =
              one.wants === null ? [] : [[50, addressBytes(`10.0.0.${one.wants}`)]];
            const offer = say(one.client, MESSAGE.DISCOVER, wants);
            if (offer) client.offer = offer.yiaddr;
            if (offer && isRom(one.client))
              Object.assign(client, { address: offer.yiaddr, untilMs: now + LEASE_SECONDS * 1000 });
          } else if (one.do === "select" && client.offer !== undefined && !isRom(one.client))
            take(
              client,
              say(one.client, MESSAGE.REQUEST, [
                [54, addressBytes("10.0.0.1")],
                [50, addressBytes(client.offer)],
              ]),
            );
          else if (one.do === "reboot" && !isRom(one.client))
            take(client, say(one.client, MESSAGE.REQUEST, [[50, addressBytes(`10.0.0.${one.wants}`)]]));
          else if (one.do === "renew" && address !== undefined && !isRom(one.client))
            take(client, say(one.client, MESSAGE.REQUEST, [], address));
          else if (one.do === "release" && address !== undefined) {
            say(one.client, MESSAGE.RELEASE, [], address);
            delete client.address;
          } else if (one.do === "decline" && address !== undefined) {
            say(one.client, MESSAGE.DECLINE, [[50, addressBytes(address)]]);
            delete client.address;
          }
        }
        const used = clients.map(has).filter((address) => address !== undefined);
        assert.equal(new Set(used).size, used.length, `two clients use one address: ${used.join(" ")}`);
        assert.ok(
          clients.every((c, i) => has(c) !== "10.0.0.12" || i === 0),
          "a reserved address went to another",
        );
      }
    }),
    { numRuns: 120 },
  );
  assert.ok(acks > 300, `the army must have been served, or this proves nothing: ${acks} ACKs`);
});
