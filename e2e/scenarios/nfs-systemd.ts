import assert from "node:assert/strict";
import { chmod, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { output } from "../bed/commands.ts";
import { bootNode, type Fleet, nodeName, pi4, reached, standUp } from "../bed/fleet.ts";
import { ada, type Shell, SSH } from "../bed/ssh.ts";
import { QEMU, type Scenario, type Stage } from "../scenario.ts";

const PI = pi4(1);
type On = (address: string) => Shell;

/** A stock Debian with systemd boots to its multi-user target from a tree over NFS, installs a package, reboots, and the package is there. */
export const scenario: Scenario = {
  name: "nfs-systemd",
  tier: "full",
  budgetSeconds: 900,
  needs: [QEMU, SSH, { tool: "dpkg-deb", package: "dpkg" }],
  assets: ["pi-image", "agent-packages"],
  async run(t) {
    const fleet = await standUp(t, "pi-image");
    await fleet.bramble.cli("profile", "set", "default", "--root", "nfs");
    const on = await ada(t, fleet.bramble);
    const deb = await package_(t);

    const first = await boot(t, fleet, on);
    t.say(`up after ${first.seconds} s; ${first.root}`);
    await first.shell.put(deb, "/tmp/greeting.deb");
    const installed = await first.shell.ask(
      "sudo apt-get install -y /tmp/greeting.deb 2>&1 && greeting && dpkg-query -W greeting && sudo sync",
    );
    assert.match(installed, /^hello from a package$/m);
    const id = await first.shell.ask("cat /etc/machine-id");
    await ends(first, "reboot");

    const second = await boot(t, fleet, on);
    assert.equal(
      await second.shell.ask("greeting; cat /var/lib/greeting/made"),
      "hello from a package\nby its script\n",
    );
    assert.equal(await second.shell.ask("cat /etc/machine-id"), id, "the same machine");
    assert.equal(
      await second.shell.ask("sudo dpkg --audit; dpkg --verify greeting 2>&1"),
      "",
      "the package's files are as it has them",
    );
    t.say(`rebooted, up after ${second.seconds} s: the package is there`);
    await ends(second, "poweroff");
  },
};

type Up = Awaited<ReturnType<typeof boot>>;

async function boot(t: Stage, fleet: Fleet, on: On) {
  const { fetched, guest } = await bootNode(t, fleet, PI, { memoryMb: 1024, cores: 2 });
  const { steps, startedMs } = await reached(fleet, PI, "booted", 400);
  const shell = on(fetched.boot.address ?? "");
  const state = await shell.ask("systemctl is-system-running --wait; systemctl --failed --plain --no-legend");
  assert.match(state, /^running\n$/, `${nodeName(PI)}: ${state}`);
  const root = (await shell.ask("findmnt -no FSTYPE,OPTIONS /")).trim().replace(/,addr=.*/, "");
  assert.match(root, /^nfs +rw,.*vers=3/);
  const seconds = (((steps.at(-1)?.atMs ?? 0) - startedMs) / 1000).toFixed(0);
  return { guest, shell, root, seconds };
}

async function ends({ guest, shell }: Up, how: "reboot" | "poweroff"): Promise<void> {
  await shell.ask(`sudo systemctl ${how}`).catch(() => {}); // the connection may end first
  assert.equal(await guest.ended, 0);
  assert.doesNotMatch(guest.text(), /nfs: server .* not responding, timed out|I\/O error|Stale file handle/);
}

/** A package with a program, a file of its script's, a setuid file, a hard link and a symlink. */
async function package_(t: Stage): Promise<string> {
  const root = join(t.folder, "greeting");
  for (const folder of ["DEBIAN", "usr/bin", "var/lib/greeting"])
    await mkdir(join(root, folder), { recursive: true });
  await writeFile(
    join(root, "DEBIAN/control"),
    "Package: greeting\nVersion: 1.0\nArchitecture: all\nMaintainer: nobody <nobody@example.org>\nDescription: says hello\n",
  );
  await writeFile(join(root, "DEBIAN/postinst"), "#!/bin/sh\necho by its script > /var/lib/greeting/made\n");
  await writeFile(join(root, "usr/bin/greeting"), "#!/bin/sh\necho hello from a package\n");
  for (const path of ["DEBIAN/postinst", "usr/bin/greeting"]) await chmod(join(root, path), 0o755);
  const deb = join(t.folder, "greeting.deb");
  await output("dpkg-deb", ["--root-owner-group", "-Zgzip", "-b", root, deb]);
  return deb;
}
