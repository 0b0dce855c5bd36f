import assert from "node:assert/strict";
import { lookAtClone } from "../bed/clone-look.ts";
import { bootNode, miniUp, pi4, standUp } from "../bed/fleet.ts";
import { allOnClone, WRITING, writesOf, wrote } from "../bed/writer.ts";
import { QEMU, type Scenario } from "../scenario.ts";

const OUTAGE_SECONDS = 5;

/** The server is killed while a node writes, and comes back: no write fails, none that was acknowledged is lost. */
export const scenario: Scenario = {
  name: "restart-under-load",
  tier: "ci",
  budgetSeconds: 150,
  needs: [QEMU, { tool: "qemu-img", package: "qemu-utils" }, { tool: "debugfs", package: "e2fsprogs" }],
  assets: ["mini-image", "agent-packages"],
  async run(t) {
    const fleet = await standUp(t, "mini-image");
    await fleet.bramble.cli("profile", "set", "--root", "iscsi");
    const pi = pi4(1);
    const { guest } = await bootNode(t, fleet, pi);
    const { root } = await miniUp(guest);
    assert.match(root, /^\/dev\/sda2 ext4$/);
    guest.type(WRITING);
    await guest.saw(/ACK 20 /, 60);

    await fleet.bramble.server.stop("SIGKILL");
    await new Promise((resolve) => setTimeout(resolve, OUTAGE_SECONDS * 1000));
    await fleet.bramble.again();
    await wrote(guest, 40, 90);
    await guest.stop("SIGKILL");
    await fleet.bramble.server.stop();

    const writes = writesOf(guest.text());
    assert.equal(writes.failed, 0);
    assert.doesNotMatch(guest.text(), /I\/O error|read-only/);
    const look = await lookAtClone(t, fleet, pi.serial);
    await allOnClone(look, writes);
    t.say(
      `busybox: killed for ${OUTAGE_SECONDS} s: ${writes.acknowledged.length} writes, ${writes.failed} errors, longest gap ${writes.longestGapSeconds.toFixed(1)} s; all on the clone, after a power cut`,
    );
  },
};
