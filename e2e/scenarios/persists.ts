import assert from "node:assert/strict";
import { bootNode, miniUp, pi4, standUp } from "../bed/fleet.ts";
import { QEMU, type Scenario } from "../scenario.ts";

/** What a node wrote is there at its next boot, also when the server was killed in between. */
export const scenario: Scenario = {
  name: "persists",
  tier: "ci",
  budgetSeconds: 360,
  needs: [QEMU],
  assets: ["mini-image", "agent-packages"],
  async run(t) {
    const fleet = await standUp(t, "mini-image");
    const pi = pi4(1);
    const first = await bootNode(t, fleet, pi);
    const before = await miniUp(first.guest);
    assert.equal(before.boots, 1);
    await fleet.bramble.server.stop("SIGKILL");
    await first.guest.stop();
    await fleet.bramble.again();
    const second = await bootNode(t, fleet, pi);
    const after = await miniUp(second.guest);
    assert.deepEqual([after.boots, after.id, after.host], [2, before.id, before.host]);
    assert.equal(second.fetched.boot.address, first.fetched.boot.address, "it keeps its address");
    t.say(`boots=${after.boots} after kill -9 of the server, same address, same machine-id`);
  },
};
