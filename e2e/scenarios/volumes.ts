import assert from "node:assert/strict";
import { join } from "node:path";
import type { VolumeView } from "../../src/api/contract.ts";
import { ask } from "../bed/ask.ts";
import { api } from "../bed/cli.ts";
import { output } from "../bed/commands.ts";
import { bootNode, type Fleet, miniUp, nodeName, outcome, pi4, standUp } from "../bed/fleet.ts";
import { QEMU, type Scenario, type Stage } from "../scenario.ts";

const PI = pi4(1);

/** Extra disks: made once, there again after the root was reset, one more from the next boot on, and still there when the node is forgotten. */
export const scenario: Scenario = {
  name: "volumes",
  tier: "ci",
  budgetSeconds: 200,
  needs: [QEMU, { tool: "qemu-img", package: "qemu-utils" }, { tool: "debugfs", package: "e2fsprogs" }],
  assets: ["mini-image", "agent-packages"],
  async run(t) {
    const fleet = await standUp(t, "mini-image");
    const commands = api(fleet.bramble.data);
    await fleet.bramble.cli("profile", "set", "--root", "iscsi", "--volume", "data:64M:ext4:/srv/data");
    const first = await bootNode(t, fleet, PI);
    assert.equal((await miniUp(first.guest)).boots, 1);
    assert.match(await steps(fleet), /mounted a volume \(data at \/srv\/data, \d+ bytes, made anew/);
    const seen = await ask(
      first.guest,
      "grep ' /srv/data ' /proc/mounts; echo kept > /srv/data/mark; echo gone > /mark; sync",
    );
    assert.match(seen, /\/dev\/sdb \/srv\/data ext4 rw/);

    await fleet.bramble.cli("volume", "create", "extra", "32M", "--mount", "/srv/extra");
    const extra = await fleet.bramble.cli<VolumeView>("volume", "attach", "extra", nodeName(PI));
    assert.equal(extra.lun, 2);
    assert.match(
      await ask(first.guest, "ls /sys/block | grep -c sd; ls /srv"),
      /^2\ndata$/,
      "not before its next boot",
    );
    await assert.rejects(commands.detachVolume({ volume: "data-10000001" }), { code: "VOLUME_IN_USE" });
    await assert.rejects(commands.resetClone({ node: nodeName(PI) }), { code: "CLONE_BUSY" }, "it runs");
    await first.guest.stop();
    await fleet.bramble.cli("clone", "reset", nodeName(PI), "--force");

    const second = await bootNode(t, fleet, PI);
    assert.equal((await miniUp(second.guest)).boots, 1, "its root is the image as it was");
    const told = await steps(fleet);
    assert.match(told, /mounted a volume \(data at \/srv\/data, \d+ bytes(?!, made anew)/);
    assert.match(told, /mounted a volume \(extra at \/srv\/extra, \d+ bytes, made anew/);
    const now = await ask(second.guest, "cat /srv/data/mark; ls /mark; echo more > /srv/extra/mark; sync");
    assert.match(now, /kept\s[\s\S]*\/mark: No such file/);
    await assert.rejects(commands.detachVolume({ volume: "extra" }), { code: "CLONE_BUSY" });
    await ask(second.guest, "umount /srv/data; umount /srv/extra");
    await second.guest.stop();

    const gone = await commands.forgetNode({ node: nodeName(PI) });
    assert.deepEqual(gone.volumes, ["data-10000001", "extra"]);
    const left = await commands.volumes({});
    assert.deepEqual(
      left.map(({ name, node, lun }) => [name, node, lun]),
      [
        ["data-10000001", undefined, undefined],
        ["extra", undefined, undefined],
      ],
    );
    await fleet.bramble.server.stop();
    for (const [i, text] of ["kept", "more"].entries()) await onDisk(t, left[i], text);
    t.say(
      `2 volumes: made once each, ${left.map(({ ownBytes }) => `${(ownBytes / 1e6).toFixed(1)} MB`).join(" and ")} on the host's disk; kept over a reset and a forgotten node`,
    );
  },
};

async function steps(fleet: Fleet): Promise<string> {
  const boot = await outcome(fleet, PI, 10);
  assert.equal(boot.outcome, "switched-root", boot.verdict);
  return boot.steps.map(({ words }) => words).join("\n");
}

/** By other people's programs. */
async function onDisk(t: Stage, volume: VolumeView | undefined, text: string): Promise<void> {
  const { path = "", name = "" } = volume ?? {};
  const raw = join(t.folder, `${name}.raw`);
  await output("qemu-img", ["check", "-q", path]);
  await output("qemu-img", ["convert", "-f", "qcow2", "-O", "raw", path, raw]);
  await output("e2fsck", ["-fn", raw]);
  assert.equal((await output("debugfs", ["-R", "cat /mark", raw])).trim(), text);
}
