import assert from "node:assert/strict";
import { lookAtClone } from "../bed/clone-look.ts";
import type { Running } from "../bed/commands.ts";
import { bootNode, type Fleet, miniUp, pi4, reached, standUp } from "../bed/fleet.ts";
import { ada, SSH } from "../bed/ssh.ts";
import { allOnClone, WRITING, writesOf, wrote } from "../bed/writer.ts";
import { QEMU, type Scenario, type Stage } from "../scenario.ts";

const OUTAGES = [5, 60];

/** The same as restart-under-load, for longer, with a stock systemd image beside the small one. */
export const scenario: Scenario = {
  name: "restart-under-load-long",
  tier: "full",
  budgetSeconds: 500,
  needs: [QEMU, SSH, { tool: "qemu-img", package: "qemu-utils" }, { tool: "debugfs", package: "e2fsprogs" }],
  assets: ["mini-image", "pi-image", "agent-packages"],
  async run(t) {
    const fleet = await standUp(t, "mini-image");
    await fleet.bramble.cli("profile", "set", "--root", "iscsi");
    const mini = pi4(1);
    const small = await bootNode(t, fleet, mini);
    assert.match((await miniUp(small.guest)).root, /^\/dev\/sda2 ext4$/);

    await fleet.bramble.cli("image", "add", t.asset("pi-image"), "--name", "big:1");
    await fleet.bramble.cli("profile", "set", "--image", "big:1");
    const shellOn = await ada(t, fleet.bramble);
    const stock = pi4(2);
    const large = await bootNode(t, fleet, stock, { memoryMb: 1024, cores: 2 });
    await reached(fleet, stock, "booted", 250);
    const shell = shellOn(large.fetched.boot.address ?? "");

    small.guest.type(WRITING);
    const loop = shell.start(`sudo sh -c '${WRITING.replaceAll("'", `'\\''`)}'`);
    const writers: [string, Running][] = [
      ["busybox", small.guest],
      ["systemd", loop],
    ];
    for (const [, writer] of writers) await writer.saw(/ACK 20 /, 60);
    for (const seconds of OUTAGES) await outage(t, fleet, writers, seconds);

    await shell.ask("sudo touch /stop");
    await loop.saw(/STOPPED/, 60);
    await shell.ask("sudo systemctl poweroff").catch(() => {}); // the connection may end first
    assert.equal(await large.guest.ended, 0);
    await small.guest.stop("SIGKILL");
    await fleet.bramble.server.stop();
    for (const [guest, writer, { serial }] of [
      [small.guest, small.guest, mini],
      [large.guest, loop, stock],
    ] as const) {
      assert.doesNotMatch(guest.text(), /I\/O error|read-only/);
      await allOnClone(await lookAtClone(t, fleet, serial), writesOf(writer.text()));
    }
    t.say(
      "all that was acknowledged is on the clones: after a power cut (busybox), after a shutdown (systemd)",
    );
  },
};

async function outage(
  t: Stage,
  fleet: Fleet,
  writers: readonly [string, Running][],
  seconds: number,
): Promise<void> {
  // from the last one that was acknowledged before: the outage is a gap like any other
  const before = writers.map(([, writer]) => writer.text().lastIndexOf("ACK "));
  await fleet.bramble.server.stop("SIGKILL");
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
  await fleet.bramble.again();
  await Promise.all(writers.map(([, writer]) => wrote(writer, 40, 90)));
  for (const [i, [name, writer]] of writers.entries()) {
    const { acknowledged, failed, longestGapSeconds } = writesOf(writer.text().slice(before[i]));
    assert.equal(failed, 0, name);
    assert.ok(longestGapSeconds > seconds / 2, `${name}: the outage of ${seconds} s is not in the gaps`);
    const gap = longestGapSeconds.toFixed(1);
    t.say(`${name}: killed for ${seconds} s: ${acknowledged.length} writes, 0 errors, longest gap ${gap} s`);
  }
}
