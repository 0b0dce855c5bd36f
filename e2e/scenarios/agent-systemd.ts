import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { boot, makeAgentBed, plainSeed } from "../bed/agent-bed.ts";
import { output, start } from "../bed/commands.ts";
import { QEMU, type Scenario } from "../scenario.ts";

/** The agent hands a stock systemd image over: it reports itself booted, a seeded key logs in, shutdown leaves a clean disk. */
export const scenario: Scenario = {
  name: "agent-systemd",
  tier: "full",
  budgetSeconds: 600,
  needs: [
    QEMU,
    { tool: "qemu-nbd", package: "qemu-utils" },
    { tool: "dnsmasq", package: "dnsmasq-base" },
    { tool: "ssh", package: "openssh-client" },
  ],
  assets: ["pi-image", "agent-packages"],
  async run(t) {
    const bed = await makeAgentBed(t, "pi-image");
    const key = join(t.folder, "key");
    await output("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", key]);
    const seed = await plainSeed({
      hostname: "rack1-pi7",
      user: "ada",
      ssh_keys: await readFile(`${key}.pub`, "utf8"),
    });
    const hello = {
      root: "nbd",
      ...bed.nbd,
      root_partition: 2,
      root_fstype: "ext4",
      hostname: "rack1-pi7",
      seed: 1,
      reporter: 1,
    };
    const { orders, guest } = await boot(t, bed, { hello, files: { "/agent/seed?cloudinit=0": seed } });
    t.say(await orders.step("booted", 500));
    const address = (await orders.step("network", 1)).split(" ")[1] ?? "";
    const ssh = start("ssh", [
      "-i",
      key,
      "-o",
      "StrictHostKeyChecking=no",
      "-o",
      "UserKnownHostsFile=/dev/null",
      `ada@${address}`,
      "sudo sh -c 'systemctl is-system-running; systemctl --failed --no-legend; systemd-analyze; systemctl list-jobs; nmcli device; cat /etc/resolv.conf; ip addr; ps ax | grep @; mount | grep nbd; cat /sys/block/nbd0/queue/write_cache /sys/block/nbd0/queue/discard_max_bytes; journalctl -b -p warning --no-pager | tail -40; systemctl poweroff'",
    ]);
    await ssh.ended;
    t.say(ssh.text());
    t.say(`off: ${await guest.ended}`);
  },
};
