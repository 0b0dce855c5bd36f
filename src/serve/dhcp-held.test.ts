import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { test } from "node:test";
import { fromHex, toLatin1 } from "../base/text.ts";
import { BLANK } from "../wire/dhcp/blank.ts";
import { messageType } from "../wire/dhcp/options.ts";
import { type DhcpPacket, decode, encode, MESSAGE } from "../wire/dhcp/packet.ts";
import { serveDhcp } from "./dhcp.ts";
import { HeldDiscovers } from "./dhcp-held.ts";

const PI4 = "dc:a6:32:01:02:03";
const FROM = { address: "0.0.0.0", port: 68 };
const discover = (xid: number): DhcpPacket => ({
  ...BLANK,
  xid,
  chaddr: PI4,
  options: new Map([
    [53, Uint8Array.of(MESSAGE.DISCOVER)],
    [55, Uint8Array.of(1, 3, 43, 60, 66, 67)],
    [93, Uint8Array.of(0, 0)],
    [97, fromHex(`0034695052${"1431d000"}32010203${"78563412"}`)],
    [60, toLatin1("PXEClient:Arch:00000:UNDI:002001")],
  ]),
});

test("a board listens three seconds after its first DISCOVER, then as long as it did between the last two", () => {
  const held = new HeldDiscovers(10);
  held.keep(discover(1), FROM, 0);
  assert.equal(held.take(PI4, 3_001), undefined);
  held.keep(discover(1), FROM, 4_000);
  held.keep(discover(1), FROM, 12_000);
  assert.equal(held.take(PI4, 20_001), undefined);
  assert.ok(held.take(PI4, 19_900));
  assert.equal(held.take(PI4, 19_900), undefined, "once");
  held.keep(discover(1), FROM, 28_000);
  assert.equal(held.take(PI4, 43_500), undefined, "its attempt is nearly over");
  held.keep(discover(2), FROM, 50_000);
  assert.equal(held.take(PI4, 54_000), undefined, "a new attempt begins with short pauses");
  assert.ok(held.take(PI4, 52_000));
  assert.equal(held.take("other", 0), undefined);
});

test("who is told to wait gets its OFFER when its turn comes, without asking again", async (t) => {
  let turn = false;
  const server = await serveDhcp({
    interfaces: [{ address: "127.0.0.1", subnet: "127.0.0.0/24", mode: "proxy" }],
    port: 0,
    proxyPort: 0,
    leases: { get: () => undefined, byAddress: () => undefined, put: async () => {} },
    ask: () =>
      turn ? { answer: true, reason: "its turn" } : { answer: false, later: true, reason: "in line" },
    on(event) {
      for (const wake of heard.splice(0)) wake(event.message);
    },
  });
  const heard: ((message: string) => void)[] = [];
  const client = createSocket("udp4");
  client.bind(0, "127.0.0.1");
  await once(client, "listening");
  t.after(async () => {
    client.close();
    await server.close();
  });
  const silence = new Promise<string>((wake) => heard.push(wake));
  client.send(encode(discover(7)), server.ports[0]?.dhcp ?? 0, "127.0.0.1");
  assert.equal(await silence, "DISCOVER → silence");
  assert.equal(server.again("dc:a6:32:00:00:00"), false);
  turn = true;
  assert.equal(server.again(PI4), true);
  const offer = decode((await once(client, "message"))[0] as Buffer);
  assert.deepEqual([messageType(offer), offer.xid], [MESSAGE.OFFER, 7]);
});
