import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { ImageView } from "../../src/api/contract.ts";
import type { SeedView } from "../../src/api/profile-contract.ts";
import { output } from "../bed/commands.ts";
import { bootNode, type Fleet, miniUp, nodeName, pi4, sha256, standUp } from "../bed/fleet.ts";
import { collectReports } from "../bed/reports.ts";
import { QEMU, type Scenario, type Stage } from "../scenario.ts";

/** Holds what would break out of quotes. */
const SECRET = `it's "$(reboot)" #`;

/** The profile's own script: a container from a tar of the image, which says itself what it sees. */
const box = (url: string) => `#!/bin/sh
tries=0
until docker info > /dev/null 2>&1; do
  tries=$((tries + 1))
  [ $tries -lt 60 ] || exit 1
  sleep 1
done
docker import /root/box.tar box || exit 1
export KEY={{ secret.key | shell }} NODE={{ node.name | shell }}
docker run --name box --network host -e KEY -e NODE box /bin/busybox sh -c '
  echo made inside > /made-inside
  busybox sync
  report="node=$NODE
key=$(busybox printf %s "$KEY" | busybox sha256sum | busybox cut -c1-64)
root=$(busybox awk "\\$2 == \\"/\\" { print \\$1, \\$3 }" /proc/mounts)
page=$(busybox cat /www/index.html)
pid=$$"
  busybox wget -q -O /dev/null --post-data "$report" ${url}/container'
`;

/** dockerd with overlay2 on a netbooted root runs a container from a local tar, as the node's profile wants it. */
export const scenario: Scenario = {
  name: "docker",
  tier: "ci",
  budgetSeconds: 280,
  needs: [QEMU, { tool: "debugfs", package: "e2fsprogs" }, { tool: "qemu-img", package: "qemu-utils" }],
  assets: ["docker-image", "agent-packages"],
  async run(t) {
    const fleet = await standUp(t, "docker-image");
    const { cli } = fleet.bramble;
    const reports = await collectReports(t, fleet.network.address);
    const script = join(t.folder, "box.sh");
    await writeFile(script, box(reports.url));
    secret(fleet, SECRET);
    await cli(
      "profile",
      "set",
      "--root",
      "iscsi",
      "--file",
      `/usr/local/bin/box.sh=${script}`,
      "--command",
      "sh /usr/local/bin/box.sh",
      "--cmdline",
      "cgroup_enable=memory cgroup_memory=1",
    );

    const pi = pi4(1);
    const { fetched, guest } = await bootNode(t, fleet, pi, { memoryMb: 1024, cores: 2 });
    assert.match(fetched.cmdline.toString(), / cgroup_enable=memory cgroup_memory=1 bramble\./);
    const started = Date.now();
    const up = await miniUp(guest);
    assert.match(up.root, /^\/dev\/sd[a-z]2 ext4$/, "an iSCSI disk");
    const said = await reports.until((all) => all.find(({ path }) => path === "/container"), 150);
    t.say(`a container reported ${((Date.now() - started) / 1000).toFixed(0)} s after the kernel started`);
    assert.deepEqual(Object.fromEntries([...said.said].filter(([name]) => name !== "key")), {
      node: nodeName(pi),
      root: "overlay overlay",
      page: "a file of the container's own image",
      pid: "1",
    });
    assert.equal(said.said.get("key"), sha256(Buffer.from(SECRET)), "the secret came through every quote");
    await onceDone(fleet, nodeName(pi));
    await secretIsNowhere(fleet, nodeName(pi));

    guest.type("poweroff");
    assert.equal(await guest.ended, 0);
    assert.ok(!guest.text().includes("I/O error"), guest.consoleLog);
    await onItsClone(t, fleet, nodeName(pi));
  },
};

/** As a person types it: from standard input, in no list of processes. */
function secret({ bramble }: Fleet, value: string): void {
  const main = new URL(`../../src/app/main${import.meta.url.slice(-3)}`, import.meta.url).pathname;
  const args = [
    ...process.execArgv,
    main,
    "--data",
    bramble.data,
    "profile",
    "secret",
    "set",
    "default",
    "key",
  ];
  const { status, stdout } = spawnSync(process.execPath, args, { input: `${value}\n`, encoding: "utf8" });
  assert.equal(status, 0);
  assert.ok(!stdout.includes(value));
}

async function onceDone({ bramble }: Fleet, node: string): Promise<void> {
  const deadline = Date.now() + 30_000;
  for (;;) {
    const { events } = await bramble.explain(node);
    if (events.some(({ words }) => words === "what its profile does once is done: 1 steps")) return;
    assert.ok(Date.now() < deadline, events.map(({ words }) => words).join("\n"));
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
}

/** Neither shown nor told: not in the seed that people see, nor in events, views or what the server printed. */
async function secretIsNowhere({ bramble }: Fleet, node: string): Promise<void> {
  const seed = await bramble.cli<SeedView>("node", "seed", node);
  const file = seed.files.find(({ path }) => path === "/usr/local/bin/box.sh");
  assert.match(file?.text ?? "", /^export KEY='SECRET-key' /m);
  const shown = [seed, await bramble.explain(node), await bramble.cli("profile", "show", "default")];
  for (const text of [JSON.stringify(shown), bramble.server.text()])
    assert.ok(!text.includes("reboot") && !text.includes(JSON.stringify(SECRET).slice(1, -1)));
}

/** What the container wrote lies in overlay2 on the node's clone, and not in the image. */
async function onItsClone(t: Stage, { bramble }: Fleet, node: string): Promise<void> {
  const raw = join(t.folder, "clone.raw");
  const clone = await bramble.cli<{ path: string }>("clone", "show", node);
  await output("qemu-img", ["convert", "-U", "-O", "raw", clone.path, raw]);
  const [image] = await bramble.cli<ImageView[]>("image", "list");
  const offset = image?.facts.partitions.find(({ number }) => number === 2)?.offset;
  const look = (request: string) => output("debugfs", ["-R", request, `${raw}?offset=${offset}`]);
  const layers = (await look("ls -p /var/lib/docker/overlay2"))
    .split("\n")
    .map((line) => line.split("/")[5] ?? "");
  const made: string[] = [];
  for (const layer of layers.filter((name) => /^[0-9a-f]{64}$/.test(name)))
    made.push(await look(`cat /var/lib/docker/overlay2/${layer}/diff/made-inside`).catch(() => ""));
  assert.deepEqual(
    made.filter((text) => text !== ""),
    ["made inside\n"],
  );
  assert.match(await look("stat /usr/local/bin/box.sh"), /Mode:\s+0644/);
  t.say(`${layers.length - 2} entries in overlay2 on the clone, one of them holds what the container wrote`);
  assert.equal(sha256(await readFile(join(bramble.data, "images", `${image?.sha256}.img`))), image?.sha256);
}
