import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import type { SimBoot, VirtualPi } from "../../src/sim/board.ts";
import { messageType } from "../../src/wire/dhcp/options.ts";
import { MESSAGE } from "../../src/wire/dhcp/packet.ts";
import { captureDhcp, TCPDUMP } from "../bed/capture.ts";
import { bramble } from "../bed/cli.ts";
import { dhclient, dnsmasq, makeHost, udhcpc } from "../bed/host.ts";
import { makeNetwork, type Network } from "../bed/network.ts";
import { boardOf, makeRack } from "../bed/rack.ts";
import { leases, rightFiles, type SmallBramble, startSmall } from "../bed/small.ts";
import type { Scenario, Stage } from "../scenario.ts";

const MODELS = ["3B", "3B+", "4B", "5"] as const;
/** Two computers that want an address and nothing else. */
const [ISC_MAC, BUSYBOX_MAC] = ["02:00:00:00:0c:01", "02:00:00:00:0c:02"];

/** Beside a home router that gives the addresses, and on a network where Bramble gives them itself. */
export const scenario: Scenario = {
  name: "router-beside",
  tier: "ci",
  budgetSeconds: 90,
  needs: [
    { tool: "dnsmasq", package: "dnsmasq-base" },
    { tool: "dhclient", package: "isc-dhcp-client" },
    { tool: "busybox", package: "busybox-static" },
    TCPDUMP,
  ],
  assets: ["agent-packages"],
  async run(t) {
    await besideRouter(t, await makeNetwork());
    await aloneInFull(t, await makeNetwork());
  },
};

async function besideRouter(t: Stage, network: Network): Promise<void> {
  const router = await makeHost(t);
  await router.plug(network, "eth0", { address: `${network.host(254)}/24` });
  const home = await dnsmasq(router, network);
  const server = await startSmall(t, network, "--mode", "proxy");
  const heard = await captureDhcp(t, network.interface);
  const boots = await bootAll(t, network, server);
  const computer = await makeHost(t);
  await computer.plug(network, "eth0", { mac: ISC_MAC });
  const address = await dhclient(t, computer, "eth0");

  const fromRouter = new RegExp(`^${network.host(1).replace(/1$/, "")}1\\d\\d$`);
  for (const [pi, boot] of boots) {
    assert.match(boot.address ?? "", fromRouter);
    assert.ok(home.text().includes(`${boot.address} ${pi.mac}`), `dnsmasq gave ${boot.address} to ${pi.mac}`);
    assert.equal(boot.server, network.address, "boot files come from Bramble");
  }
  assert.match(address, fromRouter);
  assert.match(home.text(), new RegExp(`DHCPACK\\(eth0\\) ${address} ${ISC_MAC}`));
  assert.doesNotMatch(home.text(), /wrong server|DHCPNAK|DHCPDECLINE/);

  const packets = await heard();
  const ours = packets.filter(({ from, packet }) => from === network.address && packet.op === 2);
  const pis = new Set(boots.map(([pi]) => pi.mac));
  assert.deepEqual(new Set(ours.map(({ packet }) => packet.chaddr)), pis, "a proxy speaks to Pis only");
  for (const { packet } of ours)
    assert.deepEqual([messageType(packet), packet.yiaddr], [MESSAGE.OFFER, "0.0.0.0"]);
  const requests = packets.filter(({ packet }) => packet.op === 1 && messageType(packet) === MESSAGE.REQUEST);
  assert.ok(requests.some(({ packet }) => packet.chaddr === ISC_MAC));
  t.say(`proxy: ${requests.length} REQUESTs heard, none answered; ${ours.length} OFFERs without an address`);

  const four = boots.find(([pi]) => pi.model === "4B")?.[0];
  const told = await server.explain(four?.mac ?? "");
  assert.ok(told.events.some(({ words }) => words.startsWith("REQUEST → silence")));
  const { out } = await bramble(server.data, "node", "tree", four?.mac ?? "", "--file", "kernel8.img");
  const { kernel } = boots.find(([pi]) => pi === four)?.[1] ?? {};
  assert.equal(createHash("sha256").update(out, "latin1").digest("hex"), kernel?.sha256);
  await server.server.stop();
}

async function aloneInFull(t: Stage, network: Network): Promise<void> {
  const pool = [`${network.host(50)}-${network.host(80)}`, "--router", network.host(254)];
  const server = await startSmall(t, network, "--mode", "full", "--pool", ...pool);
  const boots = await bootAll(t, network, server);
  const [isc, busybox] = [await makeHost(t), await makeHost(t)];
  await isc.plug(network, "eth0", { mac: ISC_MAC });
  await busybox.plug(network, "eth0", { mac: BUSYBOX_MAC });
  const got = new Map(boots.map(([pi, boot]) => [pi.mac, boot.address]));
  got.set(ISC_MAC, await dhclient(t, isc, "eth0"));
  got.set(BUSYBOX_MAC, await udhcpc(busybox, "eth0"));

  assert.equal(new Set(got.values()).size, got.size, "no address is given twice");
  const book = await leases(server.data);
  for (const [mac, address] of got) {
    assert.match(address ?? "", /\.(5\d|6\d|7\d|80)$/);
    assert.equal(book.get(mac), address, `the lease of ${mac} is on the disk`);
  }
  const events = await server.cli<{ node?: string; words: string }[]>("event", "list", "--limit", "500");
  for (const mac of [ISC_MAC, BUSYBOX_MAC]) {
    const address = got.get(mac) ?? "";
    const ack = events.find(({ words }) => words.startsWith(`REQUEST → ACK ${address}`));
    assert.ok(ack && ack.node === undefined, `an event for ${mac}, which is no node`);
  }
  const nodes = await server.cli<unknown[]>("node", "list");
  assert.equal(nodes.length, MODELS.length, "computers are no nodes");
  t.say(`full: ${got.size} addresses given, each on the disk`);
  await server.server.stop();
}

async function bootAll(t: Stage, network: Network, server: SmallBramble): Promise<[VirtualPi, SimBoot][]> {
  const rack = await makeRack(t, network);
  const boots = await Promise.all(
    MODELS.map(async (model, n): Promise<[VirtualPi, SimBoot]> => {
      const pi = boardOf(model, n);
      return [pi, await rack.boot(pi)];
    }),
  );
  for (const [pi, boot] of boots) {
    await rightFiles(server.api, pi, boot);
    t.say(
      `Pi ${pi.model}: ${boot.requests.length} requests in ${(boot.ms / 1000).toFixed(1)} s, ${boot.address}`,
    );
  }
  const book = await server.cli<{ node: string; stage: string; outcome?: string }[]>("boot", "list");
  assert.equal(book.length, boots.length, "one boot for each board in the book");
  for (const boot of book) assert.deepEqual([boot.stage, boot.outcome], ["kernel", undefined]);
  return boots;
}
