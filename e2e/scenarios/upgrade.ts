import assert from "node:assert/strict";
import { busyboxCut, busyboxWriting } from "../bed/busybox.ts";
import { pi4 } from "../bed/fleet.ts";
import { wrote } from "../bed/writer.ts";
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
    const busybox = await busyboxWriting(t, 10);
    const { fleet, guest } = busybox;
    const began = performance.now();
    const old = fleet.bramble.server;
    await old.stop("SIGTERM");
    assert.equal(await old.ended, 0, old.text());
    const stopped = performance.now();
    assert.ok(stopped - began < STOP_SECONDS * 1000, `the stop took ${stopped - began} ms`);
    await fleet.bramble.again();
    const back = performance.now();
    await wrote(guest, 15, 60);
    const { events } = await fleet.bramble.explain(pi4(1).mac);
    const all = await busyboxCut(t, busybox);

    assert.match(fleet.bramble.server.text(), /taken up again: the disks of 1 nodes/);
    const logins = events.filter(({ words }) => /its disk was opened from .* over iSCSI/.test(words));
    assert.ok(logins.length > 0, "it logged in again by itself");
    const s = (ms: number) => (ms / 1000).toFixed(1);
    t.say(`stopped in ${s(stopped - began)} s, back after ${s(back - stopped)} s more: ${all}`);
  },
};
