import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { type AgentBed, boot, makeAgentBed, plainSeed } from "../bed/agent-bed.ts";
import { output } from "../bed/commands.ts";
import type { Heard } from "../bed/orders.ts";
import { QEMU, type Scenario, type Stage } from "../scenario.ts";

const HASH = "$6$salt$hash/with.signs";
const SEED = {
  hostname: "rack1-pi7",
  user: "ada",
  password_hash: HASH,
  ssh_keys: "ssh-ed25519 AAAA one\nssh-ed25519 BBBB two\n",
};

/** The agent by itself, against a server that only gives orders: NBD root twice, a squashfs in memory, refusals. */
export const scenario: Scenario = {
  name: "agent",
  tier: "ci",
  budgetSeconds: 240,
  needs: [
    QEMU,
    { tool: "qemu-nbd", package: "qemu-utils" },
    { tool: "dnsmasq", package: "dnsmasq-base" },
    { tool: "debugfs", package: "e2fsprogs" },
    { tool: "mksquashfs", package: "squashfs-tools" },
  ],
  assets: ["mini-image", "agent-packages"],
  async run(t) {
    const bed = await makeAgentBed(t, "mini-image");
    const id = await nbdRoot(t, bed, 1);
    const again = await nbdRoot(t, bed, 2);
    assert.equal(again, id, "the second boot of a clone keeps the machine-id of the first");
    assert.notEqual(id, "0123456789abcdef0123456789abcdef", "a clone has a machine-id of its own");
    await seedsOnDisk(t, bed);
    await squashfsRoot(t, bed);
    await refusals(t, bed);
  },
};

const steps = (heard: readonly Heard[]): string[] =>
  heard.flatMap(({ path, fields }) => (path === "/agent/report" ? [fields.get("step") ?? ""] : []));

const nbdOrders = (bed: AgentBed) => ({ root: "nbd", ...bed.nbd, root_partition: 2, root_fstype: "ext4" });

/** The machine-id that the node has on its `n`th boot. */
async function nbdRoot(t: Stage, bed: AgentBed, n: number): Promise<string> {
  const hello = { ...nbdOrders(bed), hostname: SEED.hostname, seed: 1, reporter: 1 };
  const { orders, guest } = await boot(t, bed, {
    hello,
    files: { "/agent/seed?cloudinit=0": await plainSeed(SEED) },
  });
  const [line, boots, host, id = ""] = await guest.saw(/ROOT-UP boots=(\d+) host=(\S+) id=(\S+) root=.*/, 90);
  t.say(line);
  assert.deepEqual([boots, host], [String(n), SEED.hostname]);
  assert.deepEqual(steps(orders.heard), ["network", "inventory", "root-attached", "seeded", "switch-root"]);
  const [hi, , inventory] = orders.heard;
  assert.equal(hi?.fields.get("token"), "t1");
  assert.equal(hi?.fields.get("mac"), "dc:a6:32:00:00:01");
  assert.equal((JSON.parse(inventory?.body ?? "") as { cpus: number }).cpus, 1);
  await guest.stop();
  return id;
}

/** What debugfs finds on the clone: the seeds once each, with the right owners. */
async function seedsOnDisk(t: Stage, bed: AgentBed): Promise<void> {
  await bed.server.stop();
  const raw = join(t.folder, "clone.raw");
  await output("qemu-img", ["convert", "-O", "raw", bed.clone, raw]);
  const look = (request: string) => output("debugfs", ["-R", request, `${raw}?offset=${bed.rootOffset}`]);
  assert.equal(await look("cat /etc/hostname"), "rack1-pi7\n");
  assert.match(await look("cat /etc/hosts"), /^127\.0\.0\.1\tlocalhost\n127\.0\.1\.1\track1-pi7\n$/);
  assert.match(await look("cat /etc/passwd"), /^root:.*\nada:x:1000:1000:ada:\/home\/ada:\/bin\/sh\n$/);
  assert.match(await look("cat /etc/group"), /^root:x:0:\nsudo:x:27:ada\nada:x:1000:\n$/);
  assert.equal((await look("cat /etc/shadow")).split("\n")[1], `ada:${HASH}:20000:0:99999:7:::`);
  assert.equal(await look("cat /home/ada/.ssh/authorized_keys"), SEED.ssh_keys);
  assert.match(await look("stat /home/ada/.ssh"), /Mode:\s+0700[\s\S]*User:\s+1000\s+Group:\s+1000/);
  assert.match(
    await look("stat /home/ada/.ssh/authorized_keys"),
    /Mode:\s+0600[\s\S]*User:\s+1000\s+Group:\s+1000/,
  );
}

/** Bramble makes such roots of images with a squashfs; a tar, of all others: scenario ram-root. */
async function squashfsRoot(t: Stage, bed: AgentBed): Promise<void> {
  const tree = join(t.folder, "ram");
  await output("mkdir", ["-p", tree]);
  await output("debugfs", [
    "-R",
    `rdump / ${tree}`,
    `${join(t.folder, "clone.raw")}?offset=${bed.rootOffset}`,
  ]);
  await output("mksquashfs", [
    tree,
    join(t.folder, "root.squashfs"),
    "-quiet",
    "-no-progress",
    "-comp",
    "gzip",
  ]);
  const files = { "/agent/root": await readFile(join(t.folder, "root.squashfs")) };
  const hello = { root: "ram", ram_url: "/agent/root", ram_format: "squashfs", seed: 0, reporter: 0 };
  const { guest } = await boot(t, bed, { hello, files });
  const [line, boots, root] = await guest.saw(/ROOT-UP boots=(\d+) .* root=(.*)/, 90);
  t.say(line);
  assert.equal(boots, "3", "a RAM root counts its boots in memory");
  assert.match(root ?? "", /^overlay/);
  await guest.stop();
}

/** What goes wrong is said, and the node tries again: it reboots, which ends QEMU. */
async function refusals(t: Stage, bed: AgentBed): Promise<void> {
  const refused = await boot(t, bed, { hello: undefined, files: {} });
  await refused.guest.saw(/failed: the server refuses this boot's token/, 90);
  assert.equal(await refused.guest.ended, 0);
  assert.deepEqual(steps(refused.orders.heard), []);

  const dead = await boot(t, bed, { hello: nbdOrders(bed), files: {} });
  const why = await dead.orders.step("failed", 90);
  t.say(`without an NBD server: ${why}`);
  assert.match(why, /^nbd: [\s\S]*refused/);
}
