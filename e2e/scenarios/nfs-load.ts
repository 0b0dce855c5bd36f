import assert from "node:assert/strict";
import { ask } from "../bed/ask.ts";
import { bootNode, miniUp, nodeName, pi4, standUp } from "../bed/fleet.ts";
import { QEMU, type Scenario } from "../scenario.ts";

const PI = pi4(1);
/** dbench: programs of an office at a file server, 4 at once; what it cannot do it tells by handle or path. */
const DBENCH = "dbench -D /srv/dbench -t 20 -c /usr/share/dbench/client.txt 4";
/** fs_mark: two threads make, fill, sync and remove 400 files of 10 KB. */
const FS_MARK = "fs_mark -d /srv/a -d /srv/b -s 10240 -n 200 -t 2 -S 1 -w 4096";

const FAULT = /failed|error|No such file|not permitted|Input\/output/i;
/** Of this system, which has no semaphores for it; and of Linux' NFS client: dbench clears up while it has files open, whose names are the client's then. */
const NOT_OURS =
  /^failed to create barrier semaphore|^\[\d+\] unlink '\S+\/\.nfs\w+' failed - Device or resource busy$/;

/** Debian's dbench and fs_mark on a node's root over NFS: no call fails. */
export const scenario: Scenario = {
  name: "nfs-load",
  tier: "full",
  budgetSeconds: 300,
  needs: [QEMU],
  assets: ["load-image", "agent-packages"],
  async run(t) {
    const fleet = await standUp(t, "load-image");
    await fleet.bramble.cli("profile", "set", "default", "--root", "nfs");
    const { guest } = await bootNode(t, fleet, PI, { memoryMb: 768 });
    assert.match((await miniUp(guest)).root, / nfs$/);
    await ask(guest, "export PATH=/bin:/sbin:/usr/bin:/usr/sbin; mkdir -p /srv/a /srv/b /srv/dbench");
    for (const what of [FS_MARK, DBENCH]) {
      const said = await ask(guest, `${what} 2>&1; echo "ended with $?"; cat /proc/uptime`, 150);
      assert.match(said, /^ended with 0$/m, said);
      const faults = said.split("\n").filter((line) => FAULT.test(line) && !NOT_OURS.test(line.trim()));
      assert.deepEqual(faults, []);
      const [rate = ""] = /^Throughput .*|^ +\d+ +400 +10240 .*/m.exec(said) ?? [];
      assert.ok(rate, said);
      t.say(`${what.split(" ")[0]}: ${rate.trim()}`);
    }
    assert.equal(
      await ask(guest, "busybox find /srv -name '.nfs*'"),
      "",
      "what was open and removed has gone",
    );
    assert.doesNotMatch(guest.text(), /I\/O error|Stale file handle|not responding/);
    const { events } = await fleet.bramble.explain(nodeName(PI));
    const told = events.filter(({ kind, words }) => kind === "nfs" && !/was mounted from/.test(words));
    assert.deepEqual(
      told.map(({ words }) => words),
      [],
      "nothing to tell on its page",
    );
    await guest.stop();
  },
};
