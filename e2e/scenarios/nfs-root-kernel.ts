import assert from "node:assert/strict";
import { type Fleet, miniUp, nodeName, outcome, pi4, standUp } from "../bed/fleet.ts";
import { bootGuest, type Guest } from "../bed/guest.ts";
import { powerOn } from "../bed/pi.ts";
import { QEMU, type Scenario, type Stage } from "../scenario.ts";

const HASH = "$6$salt$hash/with.signs";

/**
 * A kernel with NFS root built in mounts its root by itself: nfsroot= on its command line, no initramfs, no agent. What the agent would have
 * written into the root stands in the tree when the kernel's MOUNT is answered. Full: its kernel takes 11 minutes to build.
 */
export const scenario: Scenario = {
  name: "nfs-root-kernel",
  tier: "full",
  budgetSeconds: 240,
  needs: [QEMU],
  assets: ["nfs-kernel-image", "agent-packages"],
  async run(t) {
    const fleet = await standUp(t, "nfs-kernel-image");
    const settings = ["--root", "nfs", "--nfs-boot", "kernel", "--user", "ada", "--password-hash", HASH];
    await fleet.bramble.cli("profile", "set", "default", ...settings);
    const first = await boot(t, fleet);
    const up = await miniUp(first, 60);
    t.say(`${up.root.replace(/[0-9a-f]{64}/, "TOKEN")} up by its kernel alone`);
    assert.match(up.root, /^10\.99\.\d+\.1:\/nodes\/10000001\/[0-9a-f]{64} nfs$/);
    assert.deepEqual([up.boots, up.host], [1, nodeName(pi4(1))]);
    const { stage, steps } = await outcome(fleet, pi4(1), 30);
    const words = steps.map((step) => step.words).join("\n");
    assert.equal(stage, "switched-root");
    assert.match(words, /its kernel mounts its root by itself/);
    assert.match(words, /its kernel asks for its root from/);
    assert.match(words, /written into its root: .*user ada/);
    assert.doesNotMatch(words, /[0-9a-f]{64}/, "no token is told");
    first.type("grep ada /etc/shadow; cat /etc/fstab; mount; ls /boot/firmware; echo LOOK-''DONE");
    await first.saw(/LOOK-DONE/, 30);
    assert.match(first.text(), /ada:\$6\$salt\$hash\/with\.signs:20000/);
    assert.match(first.text(), /kernel8\.img/);
    assert.match(first.text(), /vers=3,.*nolock,.*nocto|nocto,.*nolock/);
    const overlay = [
      "mkdir -p /o/lower /o/upper /o/work /o/all",
      "mount -t overlay -o lowerdir=/o/lower,upperdir=/o/upper,workdir=/o/work overlay /o/all",
      "touch /o/all/x; dmesg | grep overlayfs; echo OVERLAY-''DONE",
    ];
    first.type(overlay.join("; "));
    await first.saw(/OVERLAY-DONE/, 30);
    for (const line of first.text().match(/overlayfs: .*/g) ?? []) t.say(line.trim());
    assert.match(
      first.text(),
      /overlayfs: upper fs does not support RENAME_WHITEOUT/,
      "docs/nfs.md shows what it says",
    );
    await first.stop();

    await fleet.bramble.again();
    const second = await boot(t, fleet);
    const again = await miniUp(second, 60);
    assert.deepEqual([again.boots, again.id], [2, up.id], "its tree outlives our restart");
    await second.stop();
  },
};

/** No initramfs is fetched, though the image's config.txt says auto_initramfs=1. */
async function boot(t: Stage, fleet: Fleet): Promise<Guest> {
  const pi = pi4(1);
  const { boot: walked, bytes, files } = await powerOn(t, fleet.network, pi);
  assert.equal(walked.outcome, "kernel", walked.reason);
  const { kernel, cmdline, initramfs } = bytes;
  if (!kernel || !cmdline) throw new Error(`it fetched ${Object.keys(files).join(" ")}`);
  assert.equal(initramfs, undefined);
  const guest = await bootGuest({
    ...{ name: `kernel-${guests++}`, folder: t.folder, network: fleet.network },
    ...{ mac: pi.mac, kernel, cmdline },
  });
  t.atEnd(() => guest.stop());
  return guest;
}
let guests = 0;
