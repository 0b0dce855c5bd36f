import assert from "node:assert/strict";
import { openCard } from "../bed/card.ts";
import { output } from "../bed/commands.ts";
import { bootNode, type Fleet, nodeName, outcome, pi4, standUp } from "../bed/fleet.ts";
import { QEMU, type Scenario, type Stage } from "../scenario.ts";

/** Boots that end in the agent: one was only to tell what the board is, one cannot mount its root and offers a shell. */
export const scenario: Scenario = {
  name: "agent-tells",
  tier: "ci",
  budgetSeconds: 120,
  needs: [QEMU, { tool: "qemu-io", package: "qemu-utils" }],
  assets: ["mini-image", "agent-packages"],
  async run(t) {
    const fleet = await standUp(t, "mini-image");
    await inventory(t, fleet);
    await noRoot(t, fleet);
  },
};

async function inventory(t: Stage, fleet: Fleet): Promise<void> {
  await fleet.bramble.cli("profile", "set", "--root", "inventory");
  const pi = pi4(1);
  const { guest } = await bootNode(t, fleet, pi);
  const boot = await outcome(fleet, pi, 90);
  assert.deepEqual([boot.outcome, boot.stage], ["stopped", "agent"]);
  assert.equal(await guest.ended, 0, "it powers off");
  const { events } = await fleet.bramble.explain(nodeName(pi));
  const told = JSON.parse(events.find(({ kind }) => kind === "inventory")?.words ?? "") as Record<
    string,
    unknown
  >;
  assert.deepEqual([told["mac"], told["cpus"]], [pi.mac, 1]);
  assert.ok(Number(told["memoryKiB"]) > 400_000, JSON.stringify(told));
  t.say(`inventory: ${boot.verdict}: ${JSON.stringify(told)}`);
  await fleet.bramble.cli("profile", "set", "--root", "auto");
}

async function noRoot(t: Stage, fleet: Fleet): Promise<void> {
  const card = await openCard(t.asset("mini-image"));
  card.close();
  const pi = pi4(2);
  // after the last file: until then the node's own ext4 is read for the agent's modules
  const beforeKernel = async () => {
    const { uri } = await fleet.bramble.cli<{ uri: string }>("clone", "serve", nodeName(pi));
    await output("qemu-io", ["-f", "raw", "-c", `write -z ${card.rootOffset} 64k`, "-c", "flush", uri]);
  };
  const { guest } = await bootNode(t, fleet, pi, { beforeKernel });
  const boot = await outcome(fleet, pi, 90);
  assert.deepEqual([boot.outcome, boot.stage], ["failed", "agent"]);
  const why = /the agent failed: mounting \/dev\/sda2 \(ext4\): .*Invalid argument/;
  assert.match(boot.verdict ?? "", why);
  assert.match(boot.steps.at(-1)?.words ?? "", why, "the timeline's last line says what failed");
  await guest.saw(/press Enter for a shell/, 30);
  guest.type("");
  guest.type("echo sum $((6 * 7)) as $(id -u) on $(cat /sys/block/sda/size)");
  const [line] = await guest.saw(/sum 42 as 0 on [1-9]\d*/, 60);
  t.say(`no root: ${boot.verdict}; its shell: ${line}`);
}
