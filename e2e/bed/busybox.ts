import assert from "node:assert/strict";
import type { Stage } from "../scenario.ts";
import { lookAtClone } from "./clone-look.ts";
import { bootNode, type Fleet, miniUp, pi4, standUp } from "./fleet.ts";
import type { Guest } from "./guest.ts";
import { allOnClone, WRITING, writesOf } from "./writer.ts";

/** A busybox node over iSCSI that writes, and has had `first` writes acknowledged. */
export async function busyboxWriting(t: Stage, first: number): Promise<{ fleet: Fleet; guest: Guest }> {
  const fleet = await standUp(t, "mini-image");
  await fleet.bramble.cli("profile", "set", "--root", "iscsi");
  const { guest } = await bootNode(t, fleet, pi4(1));
  assert.match((await miniUp(guest)).root, /^\/dev\/sda2 ext4$/);
  guest.type(WRITING);
  await guest.saw(new RegExp(`ACK ${first} `), 60);
  return { fleet, guest };
}

/** Cuts its power and stops the server: no write had failed, and all that was acknowledged is on its clone. */
export async function busyboxCut(
  t: Stage,
  { fleet, guest }: { fleet: Fleet; guest: Guest },
): Promise<string> {
  await guest.stop("SIGKILL");
  await fleet.bramble.server.stop();
  const writes = writesOf(guest.text());
  assert.equal(writes.failed, 0);
  assert.doesNotMatch(guest.text(), /I\/O error|read-only/);
  await allOnClone(await lookAtClone(t, fleet, pi4(1).serial), writes);
  const { acknowledged, failed, longestGapSeconds } = writes;
  return `${acknowledged.length} writes, ${failed} errors, longest gap ${longestGapSeconds.toFixed(1)} s; all on the clone, after a power cut`;
}
