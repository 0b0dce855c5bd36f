import assert from "node:assert/strict";
import { ask } from "../bed/ask.ts";
import { lookAtClone } from "../bed/clone-look.ts";
import { start } from "../bed/commands.ts";
import { bootNode, miniUp, pi4, standUp } from "../bed/fleet.ts";
import { allOnClone, WRITING, writesOf, wrote } from "../bed/writer.ts";
import { QEMU, type Scenario } from "../scenario.ts";

const OUTAGE_SECONDS = 5;
/** The keeper and its twin: the numbers of their processes. */
const KEEPERS = `keepers() { for p in /proc/[0-9]*; do case $(busybox tr '\\0' ' ' < $p/cmdline) in @/nbd-keep*) echo "KEE""PER \${p#/proc/}" ;; esac; done 2>/dev/null; }`;

/**
 * A node on an NBD root writes with fsync while the server is killed; nbd-keep dials again, and takes no other disk than its own. It is killed
 * itself, too, while the connection is up and while there is none. The node has a volume beside its root, over iSCSI.
 */
export const scenario: Scenario = {
  name: "nbd-keeper",
  tier: "ci",
  budgetSeconds: 120,
  needs: [
    QEMU,
    { tool: "nbdkit", package: "nbdkit" },
    { tool: "qemu-img", package: "qemu-utils" },
    { tool: "debugfs", package: "e2fsprogs" },
  ],
  assets: ["mini-image", "agent-packages"],
  async run(t) {
    const fleet = await standUp(t, "mini-image");
    await fleet.bramble.cli("profile", "set", "--root", "nbd", "--volume", "data:32M:ext4:/srv/data");
    const pi = pi4(1);
    const { guest } = await bootNode(t, fleet, pi);
    assert.match((await miniUp(guest)).root, /^\/dev\/nbd0p2 ext4$/);
    guest.type("for p in /proc/[0-9]*; do busybox tr '\\0' ' ' < $p/cmdline; echo; done; echo LOOK''ED");
    const [programs] = await guest.saw(/@\/nbd-keep [\s\S]*LOOKED\r?\n/, 30);
    assert.match(
      programs,
      /@\/nbd-keep [\d.]+ \d+ 0 \d+ 86400 5 \/run\/netroot\/nbd \r?\n/,
      "no name of an export",
    );
    guest.type(`(${WRITING}) &`);
    await guest.saw(/ACK 20 /, 60);
    const mounted = await ask(guest, "grep ' /srv/data ' /proc/mounts; echo /sys/block/sd*");
    assert.match(
      mounted,
      /^\/dev\/sda \/srv\/data ext4 rw[\s\S]*\/sys\/block\/sda$/,
      "the volume, and no clone",
    );
    await ask(guest, KEEPERS);
    // what the loop prints may stand in between
    const keepers = async () =>
      [...(await ask(guest, "keepers")).matchAll(/KEEPER (\d+)/g)]
        .map(([, pid]) => Number(pid))
        .sort((a, b) => a - b);
    const [keeper = 0, twin = 0, ...others] = await keepers();
    assert.ok(
      keeper > 1 && twin > keeper && others.length === 0,
      `a keeper and its twin: ${keeper}, ${twin}`,
    );
    await ask(guest, `kill -9 ${keeper}`);
    await wrote(guest, 5, 60);
    const [next = 0, newest = 0] = await keepers();
    assert.ok(next === twin && newest > twin, `the twin has a twin: ${next}, ${newest}`);
    await ask(guest, `kill -9 ${newest}`);
    await wrote(guest, 5, 60);
    assert.equal((await keepers()).length, 2, "also when it was the twin that was killed");

    await fleet.bramble.server.stop("SIGKILL");
    const killed = Date.now();
    // somebody else in its place, who takes any name, with a disk that is not this node's
    const [, port = ""] = /@\/nbd-keep [\d.]+ (\d+)/.exec(programs) ?? [];
    const other = start("nbdkit", ["-f", "-v", "-i", fleet.network.address, "-p", port, "memory", "64M"]);
    t.atEnd(() => other.stop());
    await other.saw(/newstyle negotiation: NBD_OPT_GO: client requested/, 10);
    guest.type(`kill -9 ${next}`); // while it dials: a builtin of the shell, no disk is needed
    await new Promise((resolve) => setTimeout(resolve, killed + OUTAGE_SECONDS * 1000 - Date.now()));
    await other.stop("SIGKILL");
    await fleet.bramble.again();
    const away = (Date.now() - killed) / 1000;
    await wrote(guest, 40, 60);
    guest.type("dmesg | grep -o 'nbd-keep: .*'; echo T''OLD");
    const [told] = await guest.saw(/nbd-keep: attached[\s\S]*TOLD/, 30);
    assert.match(told, /its twin goes on\r?\n[\s\S]*its twin goes on, and dials\r?\n[\s\S]*attached again/);
    assert.match(told, /the disk has another size now/);
    await guest.stop("SIGKILL");
    await fleet.bramble.server.stop();

    const writes = writesOf(guest.text());
    assert.equal(writes.failed, 0);
    assert.doesNotMatch(guest.text(), /I\/O error|EXT4-fs error|read-only/);
    assert.ok(writes.longestGapSeconds < away + 10, `a gap of ${writes.longestGapSeconds} s, ${away} s away`);
    assert.doesNotMatch(other.text(), /NBD_CMD|nbd_pread|nbd_pwrite/, "no request went to the wrong disk");
    await allOnClone(await lookAtClone(t, fleet, pi.serial), writes);
    t.say(
      `away for ${away.toFixed(1)} s: ${writes.acknowledged.length} writes, 0 errors, longest gap ${writes.longestGapSeconds.toFixed(1)} s; all on the clone, after a power cut`,
    );
  },
};
