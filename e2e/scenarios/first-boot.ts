import assert from "node:assert/strict";
import { createReadStream } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { connectCommands } from "../../src/api/client.ts";
import type { ImageView, NodeView } from "../../src/api/contract.ts";
import { output } from "../bed/commands.ts";
import { bootNode, type Fleet, nodeName, pi4, reached, sha256, standUp } from "../bed/fleet.ts";
import { QEMU, type Scenario } from "../scenario.ts";

/** Short enough to run out several times while the system starts: who renews it is the agent's udhcpc, which outlives the agent. */
const LEASE_SECONDS = 30;

/** When the node has renewed its lease (of equal events one a minute is kept), in seconds since it asked first; waits until the lease would have run out twice. */
async function renewals(fleet: Fleet, node: string): Promise<number[]> {
  const deadline = Date.now() + 3 * LEASE_SECONDS * 1000;
  for (;;) {
    const events = await connectCommands(join(fleet.bramble.data, "bramble.sock")).events({
      node,
      limit: 500,
    });
    const when = (what: string) => events.filter(({ words }) => words.includes(what)).map(({ atMs }) => atMs);
    const first = Math.max(...when("takes our offer"));
    const times = when("renews its lease").map((atMs) => Math.round((atMs - first) / 1000));
    if (Math.max(...times) > 2 * LEASE_SECONDS) return times.sort((one, other) => one - other);
    assert.ok(Date.now() < deadline, `${times.length} renewals`);
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
}

/** Nothing of ours may be in an image: not even our name. */
async function holdsNothingOfOurs(path: string): Promise<void> {
  let tail = "";
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 22 })) {
    const text = tail + (chunk as Buffer).toString("latin1").toLowerCase();
    assert.ok(!text.includes("bramble"), `${path} holds our name`);
    tail = text.slice(-16);
  }
}

/** A stock image like Raspberry Pi OS: fetched by a virtual Pi 4 over DHCP and TFTP, booted by QEMU with these very bytes, a person logs in. */
export const scenario: Scenario = {
  name: "first-boot",
  tier: "ci",
  budgetSeconds: 400,
  needs: [QEMU, { tool: "ssh", package: "openssh-client" }, { tool: "mcopy", package: "mtools" }],
  assets: ["pi-image", "agent-packages"],
  async run(t) {
    const image = t.asset("pi-image");
    await holdsNothingOfOurs(image);
    const fleet = await standUp(t, "pi-image", ["--lease-seconds", String(LEASE_SECONDS)]);
    const { bramble } = fleet;
    const [listed] = await bramble.cli<ImageView[]>("image", "list");
    const key = join(t.folder, "key");
    await output("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", key]);
    await bramble.cli("profile", "set", "--user", "ada", "--ssh-key", `${key}.pub`);

    const pi = pi4(1);
    const { fetched, guest } = await bootNode(t, fleet, pi, { memoryMb: 1024, cores: 2 });
    t.say(
      `the virtual Pi asked ${fetched.boot.requests.length} times and had all in ${(fetched.boot.ms / 1000).toFixed(1)} s`,
    );
    const given = { kernel: fetched.kernel, initramfs: fetched.initramfs, cmdline: fetched.cmdline };
    for (const [what, bytes] of Object.entries(given)) {
      const sent = fetched.boot[what as keyof typeof given];
      assert.equal(sha256(bytes), sent?.sha256, `QEMU was given the ${what} that TFTP sent`);
      const view = await bramble.cli<null>("node", "show", nodeName(pi)).then(() => sent);
      t.say(`${what}: ${view?.path}, ${bytes.length} bytes, sha256 ${sent?.sha256.slice(0, 16)}…`);
    }
    await unexecuted(t.folder, image, fetched.files);

    const boot = await reached(fleet, pi, "booted", 300);
    assert.equal(boot.outcome, "booted");
    const took = boot.steps.map(({ atMs }) => atMs - boot.startedMs).at(-1) ?? 0;
    t.say(`booted ${(took / 1000).toFixed(0)} s after its first DHCP message`);

    const node = await bramble.cli<NodeView>("node", "show", nodeName(pi));
    const options = [
      "-i",
      key,
      "-o",
      "StrictHostKeyChecking=no",
      "-o",
      "UserKnownHostsFile=/dev/null",
      "-o",
      "LogLevel=ERROR",
    ];
    const renewed = await renewals(fleet, nodeName(pi));
    t.say(`its lease of ${LEASE_SECONDS} s was renewed; told at ${renewed.join(", ")} s`);
    const ask = (command: string) =>
      output("ssh", [...options, `ada@${node.address ?? fetched.boot.address}`, command]);
    const [hostname, id, root, state, write] = (
      await ask(
        "hostname; cat /etc/machine-id; findmnt -no SOURCE /; systemctl is-system-running --wait; sudo id -u",
      )
    ).split("\n");
    assert.deepEqual([hostname, root, write], [nodeName(pi), "/dev/sda2", "0"]);
    assert.notEqual(id, "0123456789abcdef0123456789abcdef");
    assert.match(state ?? "", /running|degraded/);
    t.say(`ssh ada@${hostname}: root on ${root}, system ${state}`);
    assert.equal(await ask("ls /boot/firmware/kernel8.img"), "/boot/firmware/kernel8.img\n");

    // a clean end: the root is unmounted, or read-only, before the power goes
    await ask("sudo systemctl poweroff").catch(() => {}); // the connection may end first
    assert.equal(await guest.ended, 0);
    assert.ok(
      !guest.text().includes("I/O error"),
      `the root went before it was unmounted: ${guest.consoleLog}`,
    );
    const raw = await readFile(image);
    assert.equal(sha256(raw), listed?.sha256, "the image is as it was imported");
  },
};

/** start4.elf and the device tree are fetched like by a board, compared with the card by mtools, and not executed: QEMU has no VideoCore. */
async function unexecuted(
  folder: string,
  image: string,
  files: Record<string, { sha256: string }>,
): Promise<void> {
  for (const name of ["start4.elf", "fixup4.dat", "bcm2711-rpi-4-b.dtb"]) {
    const copy = join(folder, name);
    await output("mcopy", ["-n", "-i", `${image}@@${8192 * 512}`, `::/${name}`, copy], {
      env: { MTOOLS_SKIP_CHECK: "1" },
    });
    assert.equal(files[name]?.sha256, sha256(await readFile(copy)), `${name} is the card's own`);
  }
}
