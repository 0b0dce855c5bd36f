import assert from "node:assert/strict";
import { messageType } from "../../src/wire/dhcp/options.ts";
import { MESSAGE } from "../../src/wire/dhcp/packet.ts";
import { captureDhcp, type Heard, TCPDUMP } from "../bed/capture.ts";
import { bootNode, type Fleet, miniUp, nodeName, pi4, standUp } from "../bed/fleet.ts";
import type { Guest } from "../bed/guest.ts";
import { QEMU, type Scenario, type Stage } from "../scenario.ts";

const HASH = "$6$salt$hash/with.signs";
const KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFDqcDTtYxbxz2zNBIAuRUGWnDxiwlCKVYAFSvHAr0uV ada";

/**
 * What a node wrote is there at its next boot, also when the server was killed in between. What it wrote here makes it a system with
 * cloud-init: the second boot finds its seeds in the NoCloud folder.
 */
export const scenario: Scenario = {
  name: "persists",
  tier: "ci",
  budgetSeconds: 150,
  needs: [QEMU, TCPDUMP],
  assets: ["mini-image", "agent-packages"],
  async run(t) {
    const fleet = await standUp(t, "mini-image");
    const seeds = ["--user", "ada", "--password-hash", HASH, "--ssh-key", KEY];
    await fleet.bramble.cli("profile", "set", ...seeds);
    const pi = pi4(1);
    const capture = await captureDhcp(t, fleet.network.interface);
    const first = await bootNode(t, fleet, pi);
    const before = await miniUp(first.guest);
    assert.equal(before.boots, 1);
    answeredOnce(t, await capture());
    await timelineEnds(fleet, nodeName(pi));
    first.guest.type("mkdir /etc/cloud && sync && echo WRITT''EN");
    await first.guest.saw(/WRITTEN/, 60);

    await fleet.bramble.server.stop("SIGKILL");
    await first.guest.stop();
    await fleet.bramble.again();
    const second = await bootNode(t, fleet, pi);
    const after = await miniUp(second.guest);
    assert.deepEqual([after.boots, after.id, after.host], [2, before.id, before.host]);
    assert.equal(second.fetched.boot.address, first.fetched.boot.address, "it keeps its address");
    t.say(`boots=${after.boots} after kill -9 of the server, same address, same machine-id`);
    await noCloud(second.guest, nodeName(pi));
    t.say("NoCloud: meta-data, user-data, vendor-data and network-config are in the root");
  },
};

/** One answer to one question: the bridge's own end hears each broadcast too, and a server that listened there would answer it again. */
function answeredOnce(t: Stage, heard: readonly Heard[]): void {
  const xids = [...new Set(heard.map(({ packet }) => packet.xid))];
  assert.ok(xids.length >= 2, "firmware and agent have asked");
  for (const xid of xids) {
    const count = (type: number) =>
      heard.filter(({ packet }) => packet.xid === xid && messageType(packet) === type).length;
    const [requests, acks] = [count(MESSAGE.REQUEST), count(MESSAGE.ACK)];
    assert.ok(acks >= 1 && acks <= requests, `${acks} ACKs to ${requests} REQUESTs`);
    assert.ok(count(MESSAGE.OFFER) <= count(MESSAGE.DISCOVER), "an OFFER for a DISCOVER, or none");
  }
  t.say(`${heard.length} DHCP packets in ${xids.length} exchanges`);
}

/** Nothing in this root can report: the timeline says so and ends. */
async function timelineEnds(fleet: Fleet, node: string): Promise<void> {
  const { boot } = await fleet.bramble.explain(node);
  assert.deepEqual([boot?.stage, boot?.outcome], ["switched-root", "switched-root"]);
}

async function noCloud(guest: Guest, name: string): Promise<void> {
  guest.type(
    `cd /var/lib/cloud/seed/nocloud && for f in *; do echo '='"= $(busybox stat -c '%n %a %u' $f)"; cat $f; done; echo THAT''S-ALL`,
  );
  const [text] = await guest.saw(/== [\s\S]*THATS-ALL/, 60);
  const files = new Map(
    text
      .replaceAll("\r", "")
      .split("== ")
      .slice(1)
      .map((part): [string, string] => {
        const [head = "", ...lines] = part.split("\n");
        return [head, lines.join("\n").replace("THATS-ALL", "").replace("#cloud-config\n", "")];
      }),
  );
  const readers = ["meta-data 644 0", "network-config 644 0", "user-data 600 0", "vendor-data 644 0"];
  assert.deepEqual([...files.keys()], readers);
  const [meta, network, user, vendor] = [...files.values()].map(
    (json) => JSON.parse(json) as Record<string, unknown>,
  );
  assert.equal(meta?.["local-hostname"], name);
  assert.match(String(meta?.["instance-id"]), /^i-10000001-\d+$/);
  assert.deepEqual(network, { config: "disabled" });
  assert.deepEqual(vendor, {});
  const [ada] = (user?.["users"] ?? []) as Record<string, unknown>[];
  assert.deepEqual([ada?.["name"], ada?.["passwd"], ada?.["ssh_authorized_keys"]], ["ada", HASH, [KEY]]);
}
