import assert from "node:assert/strict";
import type { DiffView, EventView, TreeView } from "../../src/api/contract.ts";
import { connectNfs } from "../../src/serve/nfs-client-testing.ts";
import { ask } from "../bed/ask.ts";
import { bootNode, type Fleet, miniUp, nodeName, pi4, reached, sha256, standUp } from "../bed/fleet.ts";
import type { Guest } from "../bed/guest.ts";
import { QEMU, type Scenario, type Stage } from "../scenario.ts";

/**
 * A root over NFS that the agent mounts, since Debian's kernel has no NFS built in: the node's own tree of files over the image, its boot
 * files in it, a volume beside it, and nobody else's business.
 */
export const scenario: Scenario = {
  name: "nfs-root-agent",
  tier: "ci",
  budgetSeconds: 240,
  needs: [QEMU],
  assets: ["mini-image", "agent-packages"],
  async run(t) {
    const fleet = await standUp(t, "mini-image");
    await fleet.bramble.cli(
      "profile",
      "set",
      "default",
      "--root",
      "nfs",
      "--volume",
      "data:32M:ext4:/srv/data",
    );
    const pi = pi4(1);
    const first = await bootNode(t, fleet, pi);
    const up = await miniUp(first.guest);
    t.say(`up from ${up.root.replace(/[0-9a-f]{64}/, "TOKEN")}`);
    assert.match(up.root, /^10\.99\.\d+\.1:\/nodes\/10000001\/[0-9a-f]{64} nfs$/);
    assert.deepEqual([up.boots, up.host], [1, nodeName(pi)]);
    assert.notEqual(up.id, "0123456789abcdef0123456789abcdef", "a tree has a machine-id of its own");
    await timeline(fleet);
    await strangers(t, fleet, up.root);
    assert.match(await volume(first.guest), VOLUME, "a volume over iSCSI, and no clone");

    const work = [
      "grep -q '^PARTUUID' /etc/fstab && echo FSTAB-''CARD",
      // what the node writes to its boot folder is what it fetches next
      "cd /boot/firmware && (cat kernel8.img; echo upgraded) > /tmp/kernel && cat /tmp/kernel > kernel8.img",
      "sed -i 's/$/ upgraded=yes/' cmdline.txt && cd / && echo kept > /srv/data/file && sync && echo UPGRADE-''DONE",
    ];
    first.guest.type(work.join("; "));
    await first.guest.saw(/UPGRADE-DONE/, 60);
    assert.doesNotMatch(first.guest.text(), /FSTAB-CARD/, "the card's partitions are in its fstab no more");
    await first.guest.stop();
    const { entries } = await fleet.bramble.cli<DiffView>("clone", "diff", nodeName(pi));
    const change = (path: string) => entries.find((one) => one.path === path)?.what;
    assert.deepEqual(["/boot/firmware/kernel8.img", "/boot/firmware/cmdline.txt"].map(change), [
      "changed",
      "changed",
    ]);

    const second = await bootNode(t, fleet, pi);
    const again = await miniUp(second.guest);
    assert.deepEqual([again.boots, again.id], [2, up.id]);
    const upgraded = Buffer.concat([first.fetched.kernel, Buffer.from("upgraded\n")]);
    assert.equal(sha256(second.fetched.kernel), sha256(upgraded), "the kernel that the node wrote");
    assert.match(Buffer.from(second.fetched.cmdline).toString(), / upgraded=yes/);
    assert.notEqual(again.root, up.root, "each boot has a token of its own");
    await strangers(t, fleet, up.root);
    assert.match(await volume(second.guest), VOLUME);
    assert.match(await ask(second.guest, "cat /srv/data/file"), /kept/);
    await second.guest.stop();
    const tree = await fleet.bramble.cli<TreeView>("node", "tree", nodeName(pi));
    assert.deepEqual(tree.files.find(({ path }) => path === "kernel8.img")?.origin, { from: "clone" });
  },
};

const VOLUME = /^\/dev\/sda \/srv\/data ext4 rw[\s\S]*\/sys\/block\/sda$/;
const volume = (guest: Guest) => ask(guest, "grep ' /srv/data ' /proc/mounts; echo /sys/block/sd*");

/** What the node's page tells of its boot. */
async function timeline(fleet: Fleet): Promise<void> {
  const boot = await reached(fleet, pi4(1), "switched-root", 30);
  const words = boot.steps.map((step) => step.words).join("\n");
  assert.match(words, /its root is mounted by the agent: its kernel has NFS as modules/);
  assert.match(words, /its root was mounted from 10\.99\.\d+\.\d+ over NFS/);
  assert.match(words, /the agent attached the root \(nfs /);
  assert.doesNotMatch(words, /[0-9a-f]{64}/, "no token is told");
  const { events } = await fleet.bramble.explain(nodeName(pi4(1)));
  const made = events.find(({ kind }) => kind === "tree")?.words ?? "";
  assert.match(made, /a tree over .* was made for it: \/etc\/fstab without/);
}

/** The node's path from another address: refused, and told on its page. */
async function strangers(t: Stage, fleet: Fleet, root: string): Promise<void> {
  const [host = "", path = ""] = root.split(" ")[0]?.split(/:(?=\/)/) ?? [];
  const client = await connectNfs(2049, { host });
  try {
    await assert.rejects(client.mnt(path), /ACCES/);
  } finally {
    client.close();
  }
  const events = await fleet.bramble.cli<EventView[]>("event", "list", nodeName(pi4(1)));
  const told = events.find(({ kind, words }) => kind === "nfs" && /refused/.test(words));
  assert.match(told?.words ?? "", /asked for a root over NFS and was refused/);
  t.say(told?.words ?? "");
}
