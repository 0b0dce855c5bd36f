import assert from "node:assert/strict";
import type { NodeView } from "../../src/api/node-contract.ts";
import { ask } from "../bed/ask.ts";
import { lookAtClone } from "../bed/clone-look.ts";
import { bootNode, type Fleet, miniUp, nodeName, outcome, pi4, standUp } from "../bed/fleet.ts";
import { QEMU, type Scenario } from "../scenario.ts";

const PI = pi4(1);

/** A system that cannot start any more, mended from a rescue in memory that has the node's own disk and volume; its next boot is an ordinary one. */
export const scenario: Scenario = {
  name: "rescue-disks",
  tier: "full",
  budgetSeconds: 420,
  needs: [QEMU, { tool: "qemu-img", package: "qemu-utils" }, { tool: "debugfs", package: "e2fsprogs" }],
  assets: ["mini-image", "agent-packages"],
  async run(t) {
    const fleet = await standUp(t, "mini-image");
    await fleet.bramble.cli("profile", "set", "--root", "iscsi", "--volume", "data:32M:ext4:/srv/data");
    const first = await bootNode(t, fleet, PI);
    const { id } = await miniUp(first.guest);
    const breaking =
      "mv /etc/init.d/rcS /etc/init.d/rcS.away; echo before > /srv/data/mark; sync; ls /etc/init.d";
    assert.equal(await ask(first.guest, breaking), "rcS.away", "nothing of it would start");
    await first.guest.stop();

    await fleet.bramble.cli("node", "next-boot", nodeName(PI), "rescue", "--disks");
    const rescue = await bootNode(t, fleet, PI, { memoryMb: 1024 });
    const up = await miniUp(rescue.guest);
    t.say(`rescue: ${up.root}; ${await opened(fleet)}`);
    assert.match(up.root, /^tmpfs/);
    assert.equal(up.boots, 1, "the image's system in memory, not the node's own");
    const disks = await ask(rescue.guest, "ls /sys/block | grep sd; grep -c ^/dev/sd /proc/mounts");
    assert.equal(disks, "sda\nsdb\n0", "its clone and its volume, and nothing of them mounted");
    await ask(rescue.guest, "modprobe ext4; mkdir -p /mnt/root /mnt/data");
    const mount =
      "mount -t ext4 /dev/sda2 /mnt/root && mount -t ext4 /dev/sdb /mnt/data && ls /mnt/root/etc/init.d";
    assert.equal(await ask(rescue.guest, mount), "rcS.away", "the disk as the broken system left it");
    assert.equal(await ask(rescue.guest, "cat /mnt/root/etc/machine-id /mnt/data/mark"), `${id}\nbefore`);
    const mend =
      "mv /mnt/root/etc/init.d/rcS.away /mnt/root/etc/init.d/rcS; echo mended in $(hostname) > /mnt/root/etc/motd; echo after > /mnt/data/mark";
    await ask(rescue.guest, `${mend}; umount /mnt/root; umount /mnt/data`);
    await rescue.guest.stop();
    assert.equal((await outcome(fleet, PI, 10)).outcome, "switched-root");

    const { override } = await fleet.bramble.cli<NodeView>("node", "show", nodeName(PI));
    assert.equal(override, undefined, "a rescue for one boot");
    const last = await bootNode(t, fleet, PI);
    const again = await miniUp(last.guest);
    assert.deepEqual([again.boots, again.id, again.root], [2, id, "/dev/sda2 ext4"]);
    assert.equal(await ask(last.guest, "cat /etc/motd /srv/data/mark"), `mended in ${nodeName(PI)}\nafter`);
    await last.guest.stop();
    await fleet.bramble.server.stop();
    const clone = await lookAtClone(t, fleet, PI.serial);
    assert.equal((await clone.cat("/etc/motd")).toString(), `mended in ${nodeName(PI)}\n`);
    assert.equal(
      (await clone.cat("/var/boots")).toString(),
      "2\n",
      "two boots of its own, the rescue was none",
    );
    t.say("mended in memory; its own system is up again from the same disk");
  },
};

/** What the server says of the rescue on the node's page. */
async function opened(fleet: Fleet): Promise<string> {
  const { boot, events } = await fleet.bramble.explain(nodeName(PI));
  const words = events.find(
    ({ kind, words: told }) => kind === "disk" && told.startsWith("its rescue has"),
  )?.words;
  assert.match(words ?? "", /unmounted: LUN 0 \S.*, LUN 1 \S/);
  const log = boot?.steps.map((step) => step.words).join("\n") ?? "";
  assert.doesNotMatch(log, /mounted a volume/);
  return words ?? "";
}
