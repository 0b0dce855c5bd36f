import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { bytesOf, openCard } from "../bed/card.ts";
import { output } from "../bed/commands.ts";
import { type Fleet, nodeName, pi4, reached, standUp } from "../bed/fleet.ts";
import { bootGuest } from "../bed/guest.ts";
import { powerOn } from "../bed/pi.ts";
import { ada, type Shell, SSH } from "../bed/ssh.ts";
import { QEMU, type Scenario, type Stage } from "../scenario.ts";

const PI = pi4(1);
const NODE = nodeName(PI);
const WRITTEN = "var/lib/written";

/**
 * A Debian with systemd whose kernel has NFS root built in: from nfsroot= to its multi-user target, without initramfs and agent. What it
 * syncs stands in its tree at once, and a reboot keeps it.
 */
export const scenario: Scenario = {
  name: "nfs-systemd-kernel",
  tier: "full",
  budgetSeconds: 600,
  needs: [
    QEMU,
    SSH,
    { tool: "tar", package: "tar" },
    { tool: "mcopy", package: "mtools" },
    { tool: "debugfs", package: "e2fsprogs" },
  ],
  assets: ["pi-image", "nfs-kernel-image", "agent-packages"],
  async run(t) {
    const image = await withKernel(t);
    const fleet = await standUp(
      { ...t, asset: (name) => (name === "pi-image" ? image : t.asset(name)) },
      "pi-image",
    );
    await fleet.bramble.cli("profile", "set", "default", "--root", "nfs", "--nfs-boot", "kernel");
    const on = await ada(t, fleet.bramble);

    const first = await boot(t, fleet, on);
    t.say(`up after ${first.seconds} s by its kernel alone; ${first.root}`);
    const text = `written by ${NODE}`;
    await first.shell.ask(
      `echo ${text} | sudo dd of=/${WRITTEN} conv=fsync status=none; sudo chown 1000:12 /${WRITTEN}; sudo chmod 4750 /${WRITTEN}`,
    );
    const tar = join(t.folder, "tree.tar");
    await fleet.bramble.cli("clone", "export", NODE, tar);
    assert.equal(await output("tar", ["-xOf", tar, WRITTEN]), `${text}\n`, "in its tree, while it runs");
    assert.match(await output("tar", ["--numeric-owner", "-tvf", tar, WRITTEN]), /^-rwsr-x--- 1000\/12 /);
    const id = await first.shell.ask("cat /etc/machine-id");
    await ends(first, "reboot");

    const second = await boot(t, fleet, on);
    const kept = `sudo cat /${WRITTEN}; sudo stat -c %u:%g:%a /${WRITTEN}; cat /etc/machine-id`;
    assert.equal(await second.shell.ask(kept), `${text}\n1000:12:4750\n${id}`);
    t.say(`rebooted, up after ${second.seconds} s: the file is there`);
    await ends(second, "poweroff");
  },
};

/** The systemd image with the kernel that has NFS root built in, and that kernel's config beside it. */
async function withKernel(t: Stage): Promise<string> {
  const image = join(t.folder, "image.img");
  const from = await openCard(t.asset("nfs-kernel-image"));
  const kernel = join(t.folder, "Image");
  await writeFile(kernel, await bytesOf(from.boot, "kernel8.img"));
  const boot = await from.root.list("boot");
  const config = boot.map(({ name }) => name).find((name) => name.startsWith("config-")) ?? "";
  await writeFile(join(t.folder, config), await bytesOf(from.root, `boot/${config}`));
  from.close();
  await output("cp", ["--sparse=always", t.asset("pi-image"), image]);
  const card = await openCard(image);
  const { bootOffset, rootOffset } = card;
  card.close();
  await output("mcopy", ["-o", "-i", `${image}@@${bootOffset}`, kernel, "::kernel8.img"]);
  const write = `write ${join(t.folder, config)} boot/${config}`;
  await output("debugfs", ["-w", "-R", write, `${image}?offset=${rootOffset}`]);
  return image;
}

type Up = Awaited<ReturnType<typeof boot>>;

async function boot(t: Stage, fleet: Fleet, on: (address: string) => Shell) {
  const { boot: walked, bytes, files } = await powerOn(t, fleet.network, PI);
  const { kernel, cmdline, initramfs } = bytes;
  if (!kernel || !cmdline) throw new Error(`it fetched ${Object.keys(files).join(" ")}: ${walked.reason}`);
  assert.equal(initramfs, undefined);
  assert.match(Buffer.from(cmdline).toString(), / nfsroot=/);
  const guest = await bootGuest({
    ...{ name: `kernel-${guests++}`, folder: t.folder, network: fleet.network },
    ...{ mac: PI.mac, kernel, cmdline, memoryMb: 1024, cores: 2 },
  });
  t.atEnd(() => guest.stop());
  const { steps, startedMs } = await reached(fleet, PI, "booted", 400);
  const words = steps.map((step) => step.words).join("\n");
  assert.match(words, /its kernel mounts its root by itself/);
  assert.doesNotMatch(words, /the agent/);
  const shell = on(walked.address ?? "");
  const state = await shell.ask("systemctl is-system-running --wait; systemctl --failed --plain --no-legend");
  assert.match(state, /^running\n$/, `${NODE}: ${state}`);
  const root = (await shell.ask("findmnt -no FSTYPE,OPTIONS /")).trim().replace(/,addr=.*/, "");
  assert.match(root, /^nfs +rw,.*vers=3/);
  const seconds = (((steps.at(-1)?.atMs ?? 0) - startedMs) / 1000).toFixed(0);
  return { guest, shell, root, seconds };
}
let guests = 0;

async function ends({ guest, shell }: Up, how: "reboot" | "poweroff"): Promise<void> {
  await shell.ask(`sudo systemctl ${how}`).catch(() => {}); // the connection may end first
  assert.equal(await guest.ended, 0);
  assert.doesNotMatch(guest.text(), /nfs: server .* not responding, timed out|I\/O error|Stale file handle/);
}
