import assert from "node:assert/strict";
import { bootNode, type Fleet, pi4, reached, standUp } from "../bed/fleet.ts";
import type { Guest } from "../bed/guest.ts";
import { ada, SSH } from "../bed/ssh.ts";
import { QEMU, type Scenario, type Stage } from "../scenario.ts";

const PI = pi4(1);
const SHUT = 60;
const OUTAGE = 15;
/** A program that does not end when it is asked to: systemd-shutdown waits for it, and with it we have time to take the server away. */
const STUBBORN = 20;
const GONE = /guard: the root disk is gone: restarting/;

/** The guard on a stock systemd image, in the real systemd-shutdown: quiet when the server comes back, a restart when it does not. */
export const scenario: Scenario = {
  name: "guard-systemd",
  tier: "full",
  budgetSeconds: 1500,
  needs: [QEMU, SSH],
  assets: ["pi-image", "agent-packages"],
  async run(t) {
    const fleet = await standUp(t, "pi-image");
    await fleet.bramble.cli("profile", "set", "--root", "iscsi", "--guard", `${SHUT},0`);
    const shellOn = await ada(t, fleet.bramble);

    const first = await shutDown(t, fleet, shellOn);
    const firstSince = Date.now();
    await fleet.bramble.server.stop("SIGKILL");
    await new Promise((resolve) => setTimeout(resolve, OUTAGE * 1000));
    await fleet.bramble.again();
    assert.equal(await first.ended, 0);
    assert.doesNotMatch(first.text(), GONE);
    assert.match(first.text(), /reboot: Power down/);
    t.say(
      `the server was away for ${OUTAGE} s of a shutdown: quiet, powered off ${seconds(firstSince)} s after it went`,
    );

    const second = await shutDown(t, fleet, shellOn);
    const since = Date.now();
    await fleet.bramble.server.stop("SIGKILL");
    assert.equal(await second.ended, 0);
    const took = Number(seconds(since));
    assert.match(second.text(), GONE);
    assert.doesNotMatch(second.text(), /reboot: Power down/);
    assert.ok(took > SHUT - 1 && took < SHUT + 20, `restarted after ${took} s`);
    t.say(`the server did not come back: restarted ${took} s after it went (SHUT=${SHUT})`);
  },
};

const seconds = (since: number) => ((Date.now() - since) / 1000).toFixed(1);

/** A node whose first process is systemd-shutdown, at its work. */
async function shutDown(t: Stage, fleet: Fleet, shellOn: Awaited<ReturnType<typeof ada>>): Promise<Guest> {
  const { fetched, guest } = await bootNode(t, fleet, PI, { memoryMb: 1024, cores: 2 });
  await reached(fleet, PI, "booted", 400);
  const { ask } = shellOn(fetched.boot.address ?? "");
  assert.match(
    await ask("readlink -f /sbin/init; pgrep -f ^@/guard"),
    /^\/usr\/lib\/systemd\/systemd\n\d+\n$/,
  );
  const left = "-p KillMode=none -p SendSIGKILL=no -p DefaultDependencies=no -p TimeoutStopSec=1";
  await ask(
    `sudo systemd-run -q ${left} sh -c 'trap "" TERM; until grep -q shutdow /proc/1/comm; do sleep 1; done; sleep ${STUBBORN}'`,
  );
  await ask("sudo systemctl poweroff").catch(() => {}); // the connection may end first
  await guest.saw(/guard: shutdown seen/, 200);
  return guest;
}
