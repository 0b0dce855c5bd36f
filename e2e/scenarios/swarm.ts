import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { AppliedView, ProfileDetail } from "../../src/api/profile-contract.ts";
import { bootNode, type Fleet, miniUp, nodeName, pi4, standUp } from "../bed/fleet.ts";
import { netboot } from "../bed/pi.ts";
import { collectReports } from "../bed/reports.ts";
import { QEMU, type Scenario } from "../scenario.ts";

/** One task on each node, on the node's own network; each says itself where it runs. */
const service = (url: string) => `#!/bin/sh
{% if first %}docker service create --detach --name web --mode global --network host --no-resolve-image \\
  --env '{% raw %}NODE={{.Node.Hostname}}{% endraw %}' --env '{% raw %}TASK={{.Task.ID}}{% endraw %}' box /bin/busybox sh -c '
  while :; do
    busybox wget -q -O /dev/null --post-data "node=$NODE
host=$(busybox hostname)
task=$TASK
root=$(busybox awk "\\$2 == \\"/\\" { print \\$1 }" /proc/mounts)" ${url}/task
    busybox sleep 3
  done'
{% endif %}`;

/** Two boards become a swarm by the shipped profile, with one command; a service runs on both; a first node that is reset makes no second swarm. */
export const scenario: Scenario = {
  name: "swarm",
  tier: "full",
  budgetSeconds: 600,
  alone: true,
  needs: [QEMU],
  assets: ["docker-image", "agent-packages"],
  async run(t) {
    const fleet = await standUp(t, "docker-image");
    const { cli } = fleet.bramble;
    const reports = await collectReports(t, fleet.network.address);
    const script = join(t.folder, "service.sh");
    await writeFile(script, service(reports.url));
    const pis = [pi4(1), pi4(2)] as const;
    const [first, second] = pis.map(nodeName) as [string, string];
    for (const pi of pis) await netboot(t, fleet.network, pi); // heard once: now they are nodes

    await cli("profile", "add", "docker-swarm");
    // Docker is in the image already, and there is no network to install it from
    // its own script first: it waits for dockerd
    const commands = [
      "sh /usr/local/lib/bramble/swarm.sh",
      "docker import /root/box.tar box",
      "sh /usr/local/bin/service.sh",
    ];
    const given = ["--root", "iscsi", "--package", "-", "--file", `/usr/local/bin/service.sh=${script}`];
    await cli("profile", "set", "docker-swarm", ...given, ...commands.flatMap((line) => ["--command", line]));
    const { nodes } = await cli<AppliedView>("profile", "apply", "docker-swarm", first, second);
    assert.deepEqual(
      nodes.map(({ node, number }) => [node, number]),
      [
        [first, 0],
        [second, 1],
      ],
    );

    const started = Date.now();
    const seconds = () => ((Date.now() - started) / 1000).toFixed(0);
    const machine = { memoryMb: 1024, cores: 2 };
    const booted = await Promise.all(pis.map((pi) => bootNode(t, fleet, pi, machine)));
    for (const { fetched } of booted)
      assert.match(fetched.cmdline.toString(), / cgroup_enable=memory cgroup_memory=1 /);
    await Promise.all(booted.map(({ guest }) => miniUp(guest, 200)));
    const told = await reports.until((all) => {
      const tasks = new Map(all.filter(({ path }) => path === "/task").map((one) => [one.from, one.said]));
      return tasks.size === 2 ? tasks : undefined;
    }, 400);
    t.say(`tasks on both nodes reported ${seconds()} s after the boards were switched on`);
    const by = [...told].map(
      ([from, said]) => ({ from, ...Object.fromEntries(said) }) as Record<string, string>,
    );
    const addresses = booted.map(({ fetched }) => fetched.boot.address);
    for (const [i, name] of [first, second].entries()) {
      const one = by.find(({ node }) => node === name);
      assert.deepEqual([one?.["host"], one?.["root"]], [name, "overlay"]);
      assert.equal(one?.["from"], addresses[i], "it speaks from its node's own address");
    }
    assert.notEqual(by[0]?.["task"], by[1]?.["task"]);

    await tokenIsKept(fleet, first, second);
    for (const { guest } of booted) await guest.stop();
    await cli("clone", "reset", "--force", first); // its power went while it ran
    const again = await bootNode(t, fleet, pis[0], machine);
    const words = await said(
      fleet,
      first,
      /made the cluster of docker-swarm, and its disk was reset since/,
      200,
    );
    await said(fleet, first, /command 1 of the profile ended with 1/, 60);
    t.say(`a first node that was reset: "${words}"`);
    await again.guest.stop();
  },
};

/** The token went to the second node and nowhere else. */
async function tokenIsKept(fleet: Fleet, first: string, second: string): Promise<void> {
  const { bramble, network } = fleet;
  const profile = await bramble.cli<ProfileDetail>("profile", "show", "docker-swarm");
  assert.equal(profile.cluster?.first, first);
  await said(fleet, first, /it made the cluster of docker-swarm; the others join it at 10\.\S+:2377/, 10);
  await said(fleet, second, /it was given the join token of docker-swarm/, 10);
  const events = await bramble.cli("event", "list", "--limit", "1000");
  const shown = JSON.stringify([
    profile,
    events,
    await bramble.explain(first),
    await bramble.explain(second),
  ]);
  assert.doesNotMatch(shown + bramble.server.text(), /SWMTKN-/);
  const stranger = await fetch(`http://${network.address}:8441/agent/cluster`);
  assert.deepEqual([stranger.status, /SWMTKN/.test(await stranger.text())], [403, false]);
}

/** Waits for an event of a node. */
async function said({ bramble }: Fleet, node: string, words: RegExp, seconds: number): Promise<string> {
  const deadline = Date.now() + seconds * 1000;
  for (;;) {
    const { events } = await bramble.explain(node);
    const found = events.find((event) => words.test(event.words));
    if (found) return found.words;
    assert.ok(
      Date.now() < deadline,
      `${node} never said ${words}:\n${events.map((event) => event.words).join("\n")}`,
    );
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
}
