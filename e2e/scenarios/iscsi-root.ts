import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { ImageView } from "../../src/api/contract.ts";
import { openBook } from "../../src/storage/book.ts";
import { lookAtClone } from "../bed/clone-look.ts";
import {
  bootNode,
  type Fleet,
  miniUp,
  nodeName,
  outcome,
  pi4,
  reached,
  sha256,
  standUp,
} from "../bed/fleet.ts";
import { ada, SSH } from "../bed/ssh.ts";
import { QEMU, type Scenario, type Stage } from "../scenario.ts";

const MINI = pi4(1);
const BIG = pi4(2);
/** What the kernel knows of the session; "in" is the other direction. */
const SESSION =
  "cd /sys/class/iscsi_session/session1; for f in targetname initiatorname username username_in recovery_tmo state; do echo $f=$(cat $f); done";

/** Roots over Bramble's own iSCSI target: a system of one program, and a stock systemd image without open-iscsi. */
export const scenario: Scenario = {
  name: "iscsi-root",
  tier: "ci",
  budgetSeconds: 400,
  needs: [QEMU, SSH, { tool: "qemu-img", package: "qemu-utils" }, { tool: "debugfs", package: "e2fsprogs" }],
  assets: ["mini-image", "pi-image", "agent-packages"],
  async run(t) {
    const fleet = await standUp(t, "mini-image");
    await fleet.bramble.cli("profile", "set", "--root", "iscsi");
    await fleet.bramble.cli("image", "add", t.asset("pi-image"), "--name", "big:1");
    const consoles = [await mini(t, fleet)];
    consoles.push(await big(t, fleet));
    const images = await fleet.bramble.cli<ImageView[]>("image", "list");
    await fleet.bramble.server.stop();
    await noSecretIn(fleet, [...consoles, fleet.bramble.server.text()]);

    const small = await lookAtClone(t, fleet, MINI.serial);
    assert.equal((await small.cat("/mark")).toString(), "written over iSCSI\n");
    const [, sum] = /([0-9a-f]{64}) {2}\/large/.exec(consoles[0] ?? "") ?? [];
    assert.equal(sha256(await small.cat("/large")), sum, "sixteen megabytes, as the guest has them");
    const large = await lookAtClone(t, fleet, BIG.serial);
    assert.equal((await large.cat("/home/ada/mark")).toString(), "written by systemd's root\n");
    assert.ok(large.wasClean, "the system unmounted its root, or made it read-only, before the power went");
    for (const { name, sha256: sum } of images) {
      const path = join(fleet.bramble.data, "images", `${sum}.img`);
      assert.equal(sha256(await readFile(path)), sum, `the image ${name} is as it was imported`);
    }
  },
};

/** The lines of SESSION. */
function checkSession(text: string, node: string): void {
  const value = (key: string) => new RegExp(`${key}=(\\S*)`).exec(text)?.[1];
  assert.equal(value("targetname"), `iqn.2026-11.local.bramble:${node}`);
  assert.equal(value("initiatorname"), `iqn.2026-11.local.bramble:init-${node}`);
  assert.equal(value("username"), node, "CHAP says who the node is");
  assert.match(value("username_in") ?? "", /^bramble/, "and who the server is");
  assert.equal(value("recovery_tmo"), "off", "no end to waiting");
  assert.equal(value("state"), "LOGGED_IN");
}

async function mini(t: Stage, fleet: Fleet): Promise<string> {
  const { guest } = await bootNode(t, fleet, MINI);
  const up = await miniUp(guest);
  assert.deepEqual([up.boots, up.root], [1, "/dev/sda2 ext4"]);
  const boot = await outcome(fleet, MINI, 10);
  assert.deepEqual([boot.stage, boot.outcome], ["switched-root", "switched-root"]);
  assert.ok(
    boot.steps.some(({ words }) => words.includes("over iSCSI")),
    boot.steps.map(({ words }) => words).join("\n"),
  );
  guest.type(
    `dd if=/dev/urandom of=/large bs=64k count=256; sync; echo 3 > /proc/sys/vm/drop_caches; sha256sum /large; echo written over iSCSI > /mark; sync; (${SESSION}); cat /proc/[0-9]*/cmdline | busybox tr '\\0' ' '; echo LOO''KED`,
  );
  const [text] = await guest.saw(/targetname=\S+:1[\s\S]*LOOKED/, 60);
  checkSession(text, MINI.serial);
  assert.match(text, /@iscsid/);
  await guest.stop();
  t.say(`mini: a system of one program, root ${up.root}; its boot: ${boot.verdict ?? boot.outcome}`);
  return guest.text();
}

async function big(t: Stage, fleet: Fleet): Promise<string> {
  const shellOn = await ada(t, fleet.bramble);
  await fleet.bramble.cli("profile", "set", "--image", "big:1");
  const { fetched, guest } = await bootNode(t, fleet, BIG, { memoryMb: 1024, cores: 2 });
  const boot = await reached(fleet, BIG, "booted", 200);
  assert.equal(boot.outcome, "booted");
  const took = (boot.steps.at(-1)?.atMs ?? 0) - boot.startedMs;
  const { ask } = shellOn(fetched.boot.address ?? "");
  const text = await ask(
    `findmnt -no SOURCE /; findmnt -no SOURCE /boot/firmware; sudo sh -c '${SESSION}'; cat /proc/$(pgrep -f ^@iscsid)/cgroup; ` +
      `systemctl is-enabled iscsid.socket iscsid.service open-iscsi.service; ls /var/lib/ran-* 2>&1; ls /usr/sbin/iscsi* 2>&1; ` +
      `echo "written by systemd's root" > mark; sync`,
  );
  assert.match(text, /^\/dev\/sda2\n\/dev\/sda1\n/);
  checkSession(text, BIG.serial);
  assert.match(text, /0::\/(init\.scope)?\n/, "systemd holds iscsid for no unit's process");
  assert.match(text, /masked-runtime\nmasked-runtime\nmasked-runtime\n/, text);
  assert.match(text, /cannot access '\/var\/lib\/ran-\*'/, "the image's own units did not run");
  assert.match(text, /cannot access '\/usr\/sbin\/iscsi\*'/, "the image has no open-iscsi");
  t.say(
    `${nodeName(BIG)}: a stock systemd image, booted ${(took / 1000).toFixed(0)} s after its first DHCP message; its own open-iscsi units masked`,
  );
  await ask("sudo systemctl poweroff").catch(() => {}); // the connection may end first
  const started = Date.now();
  assert.equal(await guest.ended, 0);
  t.say(`power off in ${((Date.now() - started) / 1000).toFixed(0)} s`);
  assert.ok(!guest.text().includes("I/O error"), guest.consoleLog);
  return guest.text();
}

/** Nothing that was printed, here or there, holds a node's secret; command lines of the guest are among it. */
async function noSecretIn(fleet: Fleet, texts: readonly string[]): Promise<void> {
  const book = await openBook(join(fleet.bramble.data, "book.db"));
  const secrets = await book.selectFrom("secret").select(["nodeId", "kind", "value"]).execute();
  const events = await book.selectFrom("event").select("words").execute();
  const steps = await book.selectFrom("step").selectAll().execute();
  await book.destroy();
  assert.equal(secrets.length, 4, "two for each node");
  const all = [...texts, JSON.stringify(events), JSON.stringify(steps)];
  for (const { nodeId, kind, value } of secrets) {
    assert.match(value, /^[0-9a-f]{32}$/);
    for (const text of all)
      assert.ok(!text.includes(value), `${kind} of ${nodeId} is in ${text.slice(0, 80)}`);
  }
}
