import assert from "node:assert/strict";
import { copyFile, readFile, writeFile } from "node:fs/promises";
import { type AgentBed, boot, makeAgentBed } from "../bed/agent-bed.ts";
import { output } from "../bed/commands.ts";
import { blankDisk, startTgt, TGT, type Tgt } from "../bed/tgt.ts";
import { QEMU, type Scenario, type Stage } from "../scenario.ts";

const CHAP = { user: "node-1", secret: "0123456789abcdef0123456789abcdef" };
const MUTUAL = { user: "server", secret: "fedcba9876543210fedcba9876543210" };

/**
 * The agent's iSCSI root against somebody else's target: CHAP both ways, two volumes of which one is blank, a restart of the target
 * while the system runs, and what it says when the secret is wrong.
 */
export const scenario: Scenario = {
  name: "agent-iscsi",
  tier: "ci",
  budgetSeconds: 200,
  needs: [QEMU, TGT, { tool: "dnsmasq", package: "dnsmasq-base" }, { tool: "mke2fs", package: "e2fsprogs" }],
  assets: ["mini-image", "agent-packages"],
  async run(t) {
    const bed = await makeAgentBed(t, "mini-image");
    await bed.server.stop();
    const card = `${t.folder}/card.img`;
    await copyFile(t.asset("mini-image"), card);
    const blank = await blankDisk(t, "blank.img", 64 << 20);
    const used = await blankDisk(t, "used.img", 64 << 20);
    await output("mke2fs", ["-q", "-t", "ext4", "-L", "kept", used]);
    await output("debugfs", ["-w", "-R", `mkdir kept`, used]);
    const half = await blankDisk(t, "half.img", 32 << 20);
    await writeFile(half, `bramble: making a file system here\n`, { flag: "r+" });
    await output("dd", ["if=/dev/urandom", `of=${half}`, "bs=1M", "seek=1", "count=2", "conv=notrunc"]);
    const foreign = await blankDisk(t, "foreign.img", 32 << 20);
    await output("dd", ["if=/dev/urandom", `of=${foreign}`, "bs=4k", "seek=4000", "count=1", "conv=notrunc"]);
    const before = await readFile(foreign);
    const disks = [card, blank, used, half, foreign];
    const tgt = await startTgt(t, { address: bed.network.address, disks, chap: CHAP, mutual: MUTUAL });
    await runs(t, bed, tgt, blank);
    const why = await fails(t, bed, { ...orders(tgt), volume_2: "5 ext4 /srv foreign" });
    assert.match(why, /^mounting volume foreign \(ext4\) at \/srv: .*nothing was written to it/s);
    assert.ok(before.equals(await readFile(foreign)), "a disk with something on it is never formatted");
    const refused = await fails(t, bed, { ...orders(tgt), iscsi_secret: "not the secret at all, is it" });
    assert.match(refused, /^iscsi: the server refuses the login/);
  },
};

const orders = (tgt: Tgt) => ({
  root: "iscsi",
  iscsi_portal: tgt.portal,
  iscsi_target: tgt.target,
  iscsi_initiator: "iqn.2003-01.org.example:init",
  iscsi_user: CHAP.user,
  iscsi_secret: CHAP.secret,
  iscsi_mutual_user: MUTUAL.user,
  iscsi_mutual_secret: MUTUAL.secret,
  iscsi_lun: 1,
  root_partition: 2,
  root_fstype: "ext4",
  volume_1: "2 ext4 /var/lib/one one",
  volume_2: "3 ext4 /srv kept",
  volume_3: "4 ext4 /opt/half half",
});

async function runs(t: Stage, bed: AgentBed, tgt: Tgt, blank: string): Promise<void> {
  const { orders: told, guest } = await boot(t, bed, { hello: orders(tgt), files: {} });
  const [line, root] = await guest.saw(/ROOT-UP .* root=(\S+ \S+)/, 90);
  t.say(line);
  assert.match(root ?? "", /^\/dev\/sd[a-z]2 ext4$/);
  t.say(`attached: ${await told.step("root-attached", 1)}`);
  const volumes = told.heard.filter(({ fields }) => fields.get("step") === "volume");
  assert.deepEqual(
    volumes.map(({ fields }) => fields.get("detail")?.replace("\n", "")),
    [
      "one at /var/lib/one, 67108864 bytes, made anew",
      "kept at /srv, 67108864 bytes",
      "half at /opt/half, 33554432 bytes, made anew",
    ],
  );
  guest.type(
    "echo hello > /var/lib/one/mark; sync; ls /srv; cat /sys/class/iscsi_session/session*/recovery_tmo; ps | grep @is; echo LOO''KED",
  );
  const [seen] = await guest.saw(/(?<=\n)[\s\S]*LOOKED/, 30);
  assert.match(seen, /\n(off|-1)\r?\n/, seen);
  assert.match(seen, /@iscsid -f/);
  assert.match(seen, /\bkept\b/);

  await tgt.server.stop("SIGKILL");
  guest.type(
    "n=0; while [ $n -lt 40 ]; do n=$((n+1)); echo $n | dd of=/counter conv=fsync 2>/dev/null && echo ACK $n || echo LO''ST $n; done; echo WRITTEN",
  );
  await new Promise((resolve) => setTimeout(resolve, 5000));
  await tgt.again();
  await guest.saw(/WRITTEN\r?\n/, 60);
  await guest.saw(/ACK 40/, 60);
  assert.doesNotMatch(guest.text(), /LOST/);
  t.say("40 writes with fsync, 0 errors, over a restart of 5 s");
  for (const { secret } of [CHAP, MUTUAL])
    assert.ok(!guest.text().includes(secret), "a secret on the console");
  await guest.stop();
  assert.equal(await output("debugfs", ["-R", "cat mark", blank]), "hello\n");
}

/** The reason that a boot with these orders fails for. */
async function fails(t: Stage, bed: AgentBed, hello: Record<string, string | number>): Promise<string> {
  const { orders: told, guest } = await boot(t, bed, { hello, files: {} });
  const why = await told.step("failed", 90);
  t.say(`fails: ${why.split("\n")[0]}`);
  await guest.stop();
  return why;
}
