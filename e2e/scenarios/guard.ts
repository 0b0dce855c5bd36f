import assert from "node:assert/strict";
import { bootNode, type Fleet, miniUp, pi4, standUp } from "../bed/fleet.ts";
import type { Guest } from "../bed/guest.ts";
import { WRITING, wrote } from "../bed/writer.ts";
import { QEMU, type Scenario, type Stage } from "../scenario.ts";

const SHUT = 12;
const DOWN = 20;
const OUTAGE = 3;
const GONE = /guard: the root disk is gone: restarting/;
/** The first process, for the guard: at a signal it becomes a program of the name that systemd's shutdown has, which writes to the root when told and powers off. */
const INIT = [
  "#!/bin/sh",
  "/etc/init.d/rcS",
  "echo '#!/bin/sh' > /run/systemd-shutdown",
  "echo 'until [ -e /run/go ]; do sleep 1; done; echo still > /last; sync; echo LAST-WRITTEN; poweroff -f' >> /run/systemd-shutdown",
  "chmod 755 /run/systemd-shutdown",
  "trap 'exec /run/systemd-shutdown' USR1",
  "sh < /dev/console > /dev/console 2>&1 &",
  "while :; do sleep 1; done",
];

/** The guard restarts a node whose root has gone, by each of its two rules, over iSCSI and NBD; it keeps quiet while the server restarts. */
export const scenario: Scenario = {
  name: "guard",
  tier: "full",
  budgetSeconds: 900,
  needs: [QEMU],
  assets: ["mini-image", "agent-packages"],
  async run(t) {
    const fleet = await standUp(t, "mini-image");
    for (const root of ["iscsi", "nbd"]) {
      const set = (guard: string) => fleet.bramble.cli("profile", "set", "--root", root, "--guard", guard);
      await set(`0,${DOWN}`);
      await down(t, fleet, root);
      await set(`${SHUT},0`);
      await shutdown(t, fleet, root, true);
      await shutdown(t, fleet, root, false);
    }
  },
};

const rest = (seconds: number) => new Promise((resolve) => setTimeout(resolve, seconds * 1000));
const board = (root: string) => pi4(root === "nbd" ? 1 : 2);

/** Seconds until the machine has ended. */
async function ended(guest: Guest, since: number): Promise<number> {
  assert.equal(await guest.ended, 0);
  return (Date.now() - since) / 1000;
}

/** A restart of three seconds is nothing; a server that does not come back is. */
async function down(t: Stage, fleet: Fleet, root: string): Promise<void> {
  const { guest } = await bootNode(t, fleet, board(root));
  await miniUp(guest);
  guest.type("rm /sbin/init; cat > /sbin/init <<'END'");
  for (const line of [...INIT, "END", "chmod 755 /sbin/init; sync; echo INIT-RE''PLACED"]) guest.type(line);
  await guest.saw(/INIT-REPLACED/, 60);
  guest.type(`(${WRITING}) &`);
  await guest.saw(/ACK 5 /, 60);
  await fleet.bramble.server.stop("SIGKILL");
  await rest(OUTAGE);
  await fleet.bramble.again();
  await wrote(guest, 10, 60);
  await rest(DOWN); // by now an outage that it had not seen end would be too long
  assert.doesNotMatch(guest.text(), /guard:/);

  await fleet.bramble.server.stop("SIGKILL");
  const took = await ended(guest, Date.now());
  assert.match(guest.text(), GONE);
  assert.ok(took > DOWN - 1 && took < DOWN + 15, `restarted after ${took} s`);
  t.say(
    `${root}: quiet in a restart of ${OUTAGE} s; without a server restarted after ${took.toFixed(1)} s (DOWN=${DOWN})`,
  );
  await fleet.bramble.again();
}

/** The server is away while the node shuts down: for three seconds, or for good. */
async function shutdown(t: Stage, fleet: Fleet, root: string, back: boolean): Promise<void> {
  const { guest } = await bootNode(t, fleet, board(root));
  await miniUp(guest);
  guest.type("kill -USR1 1");
  await guest.saw(/guard: shutdown seen/, 60);
  await fleet.bramble.server.stop("SIGKILL");
  const since = Date.now();
  guest.type(": > /run/go");
  if (back) await rest(OUTAGE);
  if (back) await fleet.bramble.again();
  const took = await ended(guest, since);
  if (back) {
    assert.doesNotMatch(guest.text(), GONE);
    assert.match(guest.text(), /LAST-WRITTEN[\s\S]*reboot: Power down/);
    t.say(`${root}: a shutdown in such a restart: quiet, powered off after ${took.toFixed(1)} s`);
    return;
  }
  assert.match(guest.text(), GONE);
  assert.doesNotMatch(guest.text(), /LAST-WRITTEN|Power down/);
  assert.ok(took > SHUT - 1 && took < SHUT + 15, `restarted after ${took} s`);
  t.say(`${root}: a shutdown without a server: restarted after ${took.toFixed(1)} s (SHUT=${SHUT})`);
  await fleet.bramble.again();
}
