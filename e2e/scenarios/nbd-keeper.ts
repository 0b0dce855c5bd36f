import assert from "node:assert/strict";
import { join } from "node:path";
import { boot, makeAgentBed, nbdServer } from "../bed/agent-bed.ts";
import { output } from "../bed/commands.ts";
import { load, moreRounds, onClone, rounds } from "../bed/load.ts";
import { QEMU, type Scenario } from "../scenario.ts";

/** A node on an NBD root writes with fsync while its server is killed; nbd-keep dials again, and takes no other disk than its own. */
export const scenario: Scenario = {
  name: "nbd-keeper",
  tier: "ci",
  budgetSeconds: 120,
  needs: [
    QEMU,
    { tool: "qemu-nbd", package: "qemu-utils" },
    { tool: "dnsmasq", package: "dnsmasq-base" },
    { tool: "debugfs", package: "e2fsprogs" },
  ],
  assets: ["mini-image", "agent-packages"],
  async run(t) {
    const bed = await makeAgentBed(t, "mini-image");
    const hello = { root: "nbd", ...bed.nbd, root_partition: 2, root_fstype: "ext4" };
    const { guest } = await boot(t, bed, { hello, files: {} });
    await guest.saw(/ROOT-UP/, 90);
    guest.type("for p in /proc/[0-9]*; do cat $p/cmdline; echo; done; echo LOOK''ED");
    const [seen] = await guest.saw(/@\/nbd-keep[\s\S]*LOOKED\r?\n/, 30);
    assert.doesNotMatch(seen, /secret/, "the export's name is in nobody's arguments");
    guest.type(`{ ${load("/", "/run/stop")}; } &`);
    await moreRounds(guest, 20, 60);

    await bed.server.stop("SIGKILL");
    const killed = Date.now();
    const other = join(t.folder, "other.qcow2");
    await output("qemu-img", ["create", "-q", "-f", "qcow2", other, "1G"]);
    const wrong = nbdServer(t, bed.network.address, other);
    await new Promise((resolve) => setTimeout(resolve, 5000));
    await wrong.stop("SIGKILL");
    const right = nbdServer(t, bed.network.address, bed.clone);
    const away = (Date.now() - killed) / 1000;
    await moreRounds(guest, 30, 60);
    guest.type(": > /run/stop");
    await guest.saw(/LOOP-OVER \d+ rounds 0 errors/, 30);
    guest.type("dmesg | grep -o 'nbd-keep: .*'; sync; poweroff -f");
    assert.equal(await guest.ended, 0);

    const done = rounds(guest.text());
    t.say(
      `${done.count} rounds, 0 errors; the server was away for ${away.toFixed(1)} s, the longest gap ${done.longestGap.toFixed(1)} s`,
    );
    assert.ok(done.longestGap < away + 10, "back within 10 s");
    assert.match(guest.text(), /nbd-keep: the disk has another size now[\s\S]*nbd-keep: attached again/);
    assert.doesNotMatch(guest.text(), /I\/O error|EXT4-fs error/);
    await right.stop();
    await onClone({ clone: bed.clone, rootOffset: bed.rootOffset, folder: t.folder, inside: "/" }, done);
    t.say("counter and files on the clone are what the node was told");
  },
};
