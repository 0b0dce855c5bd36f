import assert from "node:assert/strict";
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import type { CloneView, ImageView } from "../../src/api/contract.ts";
import { ask } from "../bed/ask.ts";
import { api } from "../bed/cli.ts";
import { lookAtClone } from "../bed/clone-look.ts";
import { bootNode, type Fleet, miniUp, nodeName, outcome, pi4, sha256, standUp } from "../bed/fleet.ts";
import { allOnClone, WRITING, writesOf, wrote } from "../bed/writer.ts";
import { QEMU, type Scenario } from "../scenario.ts";

const PI = pi4(1);
const FRESH = /a fresh clone was made for this boot/;

/** A node that forgets: each boot has the image as it is, its volume what was put there; a killed server takes neither from a node that runs. */
export const scenario: Scenario = {
  name: "ephemeral",
  tier: "full",
  budgetSeconds: 600,
  needs: [QEMU, { tool: "qemu-img", package: "qemu-utils" }, { tool: "debugfs", package: "e2fsprogs" }],
  assets: ["mini-image", "agent-packages"],
  async run(t) {
    const fleet = await standUp(t, "mini-image");
    const set = ["--root", "iscsi", "--ephemeral", "on", "--volume", "data:32M:ext4:/srv/data"];
    await fleet.bramble.cli("profile", "set", ...set);
    const first = await bootNode(t, fleet, PI);
    assert.equal((await miniUp(first.guest, 300)).boots, 1);
    await outcome(fleet, PI, 60);
    await ask(first.guest, "echo kept > /srv/data/mark; echo gone > /mark; cp /bin/busybox /extra; sync");
    const old = await cloneFile(fleet);
    assert.equal(await freshOnes(fleet), 1);

    first.guest.type(`(${WRITING}) &`);
    await wrote(first.guest, 10, 60);
    await fleet.bramble.server.stop("SIGKILL");
    await fleet.bramble.again();
    await wrote(first.guest, 10, 60);
    first.guest.type(": > /stop");
    await first.guest.saw(/STOPPED/, 60);
    assert.equal(
      await ask(first.guest, "echo 3 > /proc/sys/vm/drop_caches; cat /mark /srv/data/mark"),
      "gone\nkept",
    );
    assert.deepEqual(await cloneFile(fleet), old, "it runs on the clone that it had");
    const writes = writesOf(first.guest.text());
    assert.equal(writes.failed, 0);
    t.say(
      `the server was killed under the first boot: no error, a gap of ${writes.longestGapSeconds.toFixed(1)} s`,
    );
    await first.guest.stop("SIGKILL");
    await fleet.bramble.server.stop("SIGKILL");
    await fleet.bramble.again();
    assert.deepEqual(await cloneFile(fleet), old, "nor does a node that is off lose it before it boots");

    // and once more between the firmware's files and the kernel
    const killed = async () => {
      assert.deepEqual(await cloneFile(fleet), old, "whoever only fetches boot files takes no disk away");
      await fleet.bramble.server.stop("SIGKILL");
      await fleet.bramble.again();
    };
    const second = await bootNode(t, fleet, PI, { beforeKernel: killed });
    assert.equal((await miniUp(second.guest, 300)).boots, 1, "it is the image's first boot again");
    assert.match(
      (await outcome(fleet, PI, 60)).steps.map(({ words }) => words).join("\n"),
      /mounted a volume \(data at \/srv\/data, \d+ bytes(?!, made anew)/,
    );
    assert.equal(await ask(second.guest, "cat /srv/data/mark; ls /mark /extra /written 2>/dev/null"), "kept");
    const fresh = await cloneFile(fleet);
    assert.ok(fresh.createdMs > old.createdMs); // the inode may well be the same one
    assert.equal(await freshOnes(fleet), 2);

    second.guest.type(`(${WRITING}) &`);
    await wrote(second.guest, 10, 60);
    await fleet.bramble.server.stop("SIGKILL");
    await fleet.bramble.again();
    await wrote(second.guest, 10, 60);
    assert.deepEqual(await cloneFile(fleet), fresh);
    await second.guest.stop("SIGKILL");
    const [clone] = await fleet.bramble.cli<CloneView[]>("clone", "list");
    assert.ok(clone?.ephemeral);
    const [image] = await fleet.bramble.cli<ImageView[]>("image", "list");
    await fleet.bramble.server.stop();
    await allOnClone(await lookAtClone(t, fleet, PI.serial), writesOf(second.guest.text()));
    assert.equal(
      sha256(await readFile(join(fleet.bramble.data, "images", `${image?.sha256}.img`))),
      image?.sha256,
    );
    t.say(
      `the second boot began as the first did, its volume kept its own; ${(clone.ownBytes / 1e6).toFixed(1)} MB on the host's disk`,
    );
  },
};

/** Which file the node's clone is; nothing else of it may lie there but what belongs to an open one. */
async function cloneFile(fleet: Fleet): Promise<{ createdMs: number; inode: number; files: string[] }> {
  const folder = join(fleet.bramble.data, "clones");
  const files = (await readdir(folder)).filter((name) => !/\.(lock|j[ab])$/.test(name));
  const { ino } = await stat(join(folder, `${PI.serial}.qcow2`));
  const { createdMs } = await api(fleet.bramble.data).clone({ node: nodeName(PI) });
  return { createdMs, inode: ino, files };
}

async function freshOnes(fleet: Fleet): Promise<number> {
  const { events } = await fleet.bramble.explain(nodeName(PI));
  return events.filter(({ words }) => FRESH.test(words)).length;
}
