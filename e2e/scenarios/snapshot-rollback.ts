import assert from "node:assert/strict";
import type { CloneView, SnapshotView } from "../../src/api/contract.ts";
import { ask } from "../bed/ask.ts";
import { api } from "../bed/cli.ts";
import { lookAtClone } from "../bed/clone-look.ts";
import { bootNode, miniUp, nodeName, outcome, pi4, standUp } from "../bed/fleet.ts";
import { QEMU, type Scenario } from "../scenario.ts";

const PI = pi4(1);

/** A snapshot of a running node; its system is broken and does not boot; the snapshot does. */
export const scenario: Scenario = {
  name: "snapshot-rollback",
  tier: "ci",
  budgetSeconds: 200,
  needs: [QEMU, { tool: "qemu-img", package: "qemu-utils" }, { tool: "debugfs", package: "e2fsprogs" }],
  assets: ["mini-image", "agent-packages"],
  async run(t) {
    const fleet = await standUp(t, "mini-image");
    const { data, cli } = fleet.bramble;
    const commands = api(data);
    const node = nodeName(PI);
    await cli("profile", "set", "--root", "iscsi");
    const first = await bootNode(t, fleet, PI);
    const up = await miniUp(first.guest);
    await ask(first.guest, "echo good > /mark; sync");
    const started = Date.now();
    const kept = await cli<SnapshotView>("clone", "snapshot", node, "good");
    const took = Date.now() - started;
    assert.equal(kept.name, "good");
    await ask(first.guest, "echo bad > /mark; echo later > /later; sync");
    const space = await cli<CloneView>("clone", "show", node);
    assert.deepEqual([space.snapshots, space.inUse], [1, true]);
    assert.ok(space.sharedBytes > 0 && space.ownBytes > 0, JSON.stringify(space));
    // the last thing that this system does
    first.guest.type(
      'mkdir /run/x; cp /bin/busybox /run/x; b=/run/x/busybox; $b rm -f /bin/busybox /sbin/init /bin/sh; $b sync; echo "BRO""KEN"',
    );
    await first.guest.saw(/BROKEN/, 60);
    await assert.rejects(commands.rollbackClone({ node, snapshot: "good" }), { code: "CLONE_BUSY" });
    await assert.rejects(commands.rollbackClone({ node, snapshot: "god" }), {
      code: "SNAPSHOT_UNKNOWN",
      hint: /good/,
    });
    await first.guest.stop();

    const second = await bootNode(t, fleet, PI);
    const broken = await outcome(fleet, PI, 90);
    assert.equal(broken.outcome, "failed");
    assert.match(broken.verdict ?? "", /the root has no init/);
    await second.guest.stop();

    await cli("clone", "rollback", node, "good", "--force");
    const third = await bootNode(t, fleet, PI);
    const again = await miniUp(third.guest);
    assert.deepEqual([again.boots, again.id], [up.boots + 1, up.id], "the same system goes on from there");
    assert.equal(
      await ask(third.guest, "cat /mark; ls /later 2>/dev/null; echo after > /after; sync"),
      "good",
    );
    await third.guest.stop();
    await fleet.bramble.server.stop();
    const clone = await lookAtClone(t, fleet, PI.serial);
    assert.deepEqual(
      [(await clone.cat("/mark")).toString(), (await clone.cat("/after")).toString()],
      ["good\n", "after\n"],
    );
    t.say(
      `snapshot of a running node by the CLI in ${took} ms; broken: ${broken.verdict}; rolled back: boots=${again.boots}`,
    );
  },
};
