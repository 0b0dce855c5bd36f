import assert from "node:assert/strict";
import { lookAtClone } from "../bed/clone-look.ts";
import { bootNode, miniUp, pi4, standUp } from "../bed/fleet.ts";
import { allOnClone, WRITING, writesOf, wrote } from "../bed/writer.ts";
import { QEMU, type Scenario } from "../scenario.ts";

/** What systemd gives a stop before it kills (TimeoutStopSec of our unit). */
const STOP_SECONDS = 30;

/** `systemctl restart`, as far as nodes see it: SIGTERM, the end of the process, a new one on the same data folder, while a node writes. */
export const scenario: Scenario = {
  name: "upgrade",
  tier: "ci",
  budgetSeconds: 120,
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
    await guest.saw(/ACK 10 /, 60);

    const began = performance.now();
    const old = fleet.bramble.server;
    await old.stop("SIGTERM");
    assert.equal(await old.ended, 0, old.text());
    const stopped = performance.now();
    assert.ok(stopped - began < STOP_SECONDS * 1000, `the stop took ${stopped - began} ms`);
    await fleet.bramble.again();
    const back = performance.now();
    await wrote(guest, 15, 60);
    const { events } = await fleet.bramble.explain(pi.mac);
    await guest.stop("SIGKILL");
    await fleet.bramble.server.stop();

    const writes = writesOf(guest.text());
    assert.equal(writes.failed, 0);
    assert.doesNotMatch(guest.text(), /I\/O error|read-only/);
    assert.match(fleet.bramble.server.text(), /taken up again: the disks of 1 nodes/);
    const logins = events.filter(({ words }) => /its disk was opened from .* over iSCSI/.test(words));
    assert.ok(logins.length > 0, "it logged in again by itself");
    await allOnClone(await lookAtClone(t, fleet, pi.serial), writes);
    const s = (ms: number) => (ms / 1000).toFixed(1);
    t.say(
      `stopped in ${s(stopped - began)} s, back after ${s(back - stopped)} s more: ${writes.acknowledged.length} writes, ${writes.failed} errors, longest gap ${writes.longestGapSeconds.toFixed(1)} s; all on the clone`,
    );
  },
};
