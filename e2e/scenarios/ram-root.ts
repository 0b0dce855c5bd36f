import assert from "node:assert/strict";
import { bootNode, miniUp, pi4, standUp } from "../bed/fleet.ts";
import { QEMU, type Scenario } from "../scenario.ts";

/** A root in memory: nothing is written anywhere, and each boot begins anew, still under the node's own name. */
export const scenario: Scenario = {
  name: "ram-root",
  tier: "ci",
  budgetSeconds: 230,
  needs: [QEMU],
  assets: ["mini-image", "agent-packages"],
  async run(t) {
    const fleet = await standUp(t, "mini-image");
    await fleet.bramble.cli("profile", "set", "--root", "ram");
    const pi = pi4(1);
    for (const boot of ["first", "second"]) {
      const { guest } = await bootNode(t, fleet, pi, { memoryMb: 1024 });
      const up = await miniUp(guest);
      t.say(`${boot}: boots=${up.boots} on ${up.root}`);
      assert.equal(up.boots, 1);
      assert.match(up.root, /^tmpfs/);
      assert.equal(up.host, `pi-${pi.serial}`);
      await guest.stop();
    }
  },
};
