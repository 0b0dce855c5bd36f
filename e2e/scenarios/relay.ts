import assert from "node:assert/strict";
import { captureDhcp, TCPDUMP } from "../bed/capture.ts";
import { sh } from "../bed/commands.ts";
import { makeHost } from "../bed/host.ts";
import { makeNetwork } from "../bed/network.ts";
import { boardOf, makeRack } from "../bed/rack.ts";
import { leases, rightFiles, startSmall } from "../bed/small.ts";
import type { Scenario } from "../scenario.ts";

const RELAY_AGENT = 82;

/** Boards in another network, behind ISC's relay, which is their router too. */
export const scenario: Scenario = {
  name: "relay",
  tier: "ci",
  budgetSeconds: 90,
  needs: [{ tool: "dhcrelay", package: "isc-dhcp-relay" }, TCPDUMP],
  assets: ["agent-packages"],
  async run(t) {
    const [near, far] = [await makeNetwork(), await makeNetwork()];
    // The server has no foot in the far network: what makeNetwork gave it there goes.
    await sh(`ip link del ${far.interface}`);
    await sh(`ip route add ${far.host(0)}/24 via ${near.host(2)}`);
    const relay = await makeHost(t);
    await relay.plug(near, "eth0", { address: `${near.host(2)}/24` });
    await relay.plug(far, "eth1", { address: `${far.host(1)}/24` });
    await relay.run("sysctl", "-qw", "net.ipv4.ip_forward=1");
    const pool = ["--pool", `${near.host(50)}-${near.host(59)}`, "--router", near.host(2)];
    const behind = `${far.host(0)}/24=${far.host(50)}-${far.host(59)},${far.host(1)}`;
    const server = await startSmall(t, near, "--mode", "full", ...pool, "--relayed", behind);
    const dhcrelay = relay.start("dhcrelay", "-4", "-d", "-a", "-id", "eth1", "-iu", "eth0", near.address);
    await dhcrelay.saw(/Sending on\s+Socket\/fallback|Listening on\s+Socket/, 10);
    const heard = await captureDhcp(t, near.interface);
    const rack = await makeRack(t, far);
    const four = boardOf("4B", 1);
    const boot = await rack.boot(four);
    await rightFiles(server.api, four, boot);
    assert.match(boot.address ?? "", new RegExp(`^${far.host(5)}\\d$`), "an address of its own network");
    assert.equal((await leases(server.data)).get(four.mac), boot.address);
    const told = await server.explain(four.mac);
    assert.equal(told.boot?.stage, "kernel");

    // Row 5: a 3B's ROM cannot use a server that is not on its own network; a 3B+ can.
    const rom = boardOf("3B", 2, { noRelay: true });
    const stuck = await rack.boot(rom);
    assert.equal(stuck.outcome, "no-dhcp", stuck.reason);
    assert.match(stuck.reason, /another subnet/);
    const plus = boardOf("3B+", 3);
    await rightFiles(server.api, plus, await rack.boot(plus));

    const packets = (await heard()).filter(({ packet }) => packet.chaddr === four.mac);
    const asked = packets.filter(({ packet }) => packet.op === 1);
    const answers = packets.filter(({ packet }) => packet.op === 2);
    assert.ok(asked.length >= 2 && answers.length >= 2, "DISCOVER, OFFER, REQUEST, ACK");
    const marks = new Set(asked.map(({ packet }) => hex(packet.options.get(RELAY_AGENT))));
    assert.equal(marks.size, 1);
    assert.ok(!marks.has(""), "the relay put option 82 in");
    for (const { to, packet } of answers) {
      assert.equal(to, far.host(1), "the answer goes to the relay's address");
      assert.equal(packet.giaddr, far.host(1));
      assert.ok(marks.has(hex(packet.options.get(RELAY_AGENT))), "option 82 comes back as it was");
    }
    t.say(`Pi 4 behind a relay: ${boot.address}, ${boot.requests.length} requests; option 82 ${[...marks]}`);
    t.say(`Pi 3B: ${stuck.reason}`);
  },
};

const hex = (bytes: Uint8Array | undefined): string => Buffer.from(bytes ?? []).toString("hex");
