import assert from "node:assert/strict";
import { bootNode, miniUp, pi4, sha256, standUp } from "../bed/fleet.ts";
import { netboot } from "../bed/pi.ts";
import { QEMU, type Scenario } from "../scenario.ts";

/** The disk is the node's SD card: a kernel and a parameter that the node itself writes to its boot partition are what it netboots next. */
export const scenario: Scenario = {
  name: "kernel-upgrade",
  tier: "ci",
  budgetSeconds: 150,
  needs: [QEMU],
  assets: ["mini-image", "agent-packages"],
  async run(t) {
    const fleet = await standUp(t, "mini-image");
    const pi = pi4(1);
    const first = await bootNode(t, fleet, pi);
    await miniUp(first.guest);
    const work = [
      "for m in vfat nls_cp437 nls_ascii nls_utf8; do modprobe $m; done",
      "mount -t vfat /dev/sda1 /boot/firmware && cd /boot/firmware",
      // another kernel file that is the same kernel: what follows a gzip stream is passed over
      "cat kernel8.img > /tmp/kernel && echo upgraded >> /tmp/kernel && cat /tmp/kernel > kernel8.img",
      "sed -i 's/$/ upgraded=yes/' cmdline.txt",
      "cd / && umount /boot/firmware && sync && echo UPGRADE-''DONE",
    ];
    first.guest.type(work.join(" && "));
    await first.guest.saw(/UPGRADE-DONE/, 120);
    await first.guest.stop();

    const second = await bootNode(t, fleet, pi);
    const up = await miniUp(second.guest);
    assert.equal(up.boots, 2);
    assert.equal(
      sha256(second.fetched.kernel),
      sha256(Buffer.concat([first.fetched.kernel, Buffer.from("upgraded\n")])),
      "the kernel that the node wrote is the one it fetched",
    );
    assert.match(Buffer.from(second.fetched.cmdline).toString(), / upgraded=yes/);
    assert.doesNotMatch(Buffer.from(first.fetched.cmdline).toString(), /upgraded/);
    second.guest.type("cat /proc/cmdline");
    await second.guest.saw(/console=.* upgraded=yes/, 20);
    t.say(
      `kernel8.img: ${first.fetched.kernel.length} bytes, then ${second.fetched.kernel.length}; upgraded=yes on its command line`,
    );

    const fresh = await netboot(t, fleet.network, pi4(2));
    assert.equal(sha256(fresh.kernel), sha256(first.fetched.kernel), "another node's disk is as the image");
  },
};
