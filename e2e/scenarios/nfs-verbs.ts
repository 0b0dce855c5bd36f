import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { ImageView, PromotedView } from "../../src/api/contract.ts";
import { ask } from "../bed/ask.ts";
import { bytesOf, openCard } from "../bed/card.ts";
import { api } from "../bed/cli.ts";
import { output } from "../bed/commands.ts";
import { bootNode, miniUp, nodeName, outcome, pi4, sha256, standUp } from "../bed/fleet.ts";
import { QEMU, type Scenario } from "../scenario.ts";

const [ONE, TWO] = [pi4(1), pi4(2)];
const NODE = nodeName(ONE);
const TYPED = "what-was-typed-55d0c2";

/** A tree's verbs as its node sees them: broken and rolled back it boots again; what it has become leaves as a tar, and as an image that another node boots. */
export const scenario: Scenario = {
  name: "nfs-verbs",
  tier: "ci",
  budgetSeconds: 360,
  needs: [QEMU, { tool: "tar", package: "tar" }, { tool: "e2fsck", package: "e2fsprogs" }],
  assets: ["mini-image", "agent-packages"],
  async run(t) {
    const fleet = await standUp(t, "mini-image");
    const { cli, data } = fleet.bramble;
    const commands = api(data);
    await cli("profile", "set", "default", "--root", "nfs");
    const [before] = await cli<ImageView[]>("image", "list");
    const first = await bootNode(t, fleet, ONE);
    const up = await miniUp(first.guest);
    await ask(first.guest, "mkdir -p /srv /root; echo good > /srv/mark; sync");
    await cli("clone", "snapshot", NODE, "good");
    // the last thing that this system does
    first.guest.type(
      'echo bad > /srv/mark; mkdir /run/x; cp /bin/busybox /run/x; b=/run/x/busybox; $b rm -f /bin/busybox /sbin/init /bin/sh; $b sync; echo "BRO""KEN"',
    );
    await first.guest.saw(/BROKEN/, 60);
    await assert.rejects(commands.rollbackClone({ node: NODE, snapshot: "good" }), { code: "CLONE_BUSY" });
    await first.guest.stop();

    const second = await bootNode(t, fleet, ONE);
    const broken = await outcome(fleet, ONE, 90);
    assert.equal(broken.outcome, "failed");
    assert.match(broken.verdict ?? "", /the root has no init/);
    await second.guest.stop();
    await cli("clone", "rollback", NODE, "good", "--force");

    const third = await bootNode(t, fleet, ONE);
    const again = await miniUp(third.guest);
    assert.deepEqual([again.boots, again.id], [up.boots + 1, up.id], "the same system goes on from there");
    assert.equal(await ask(third.guest, "cat /srv/mark"), "good");
    t.say(`broken: ${broken.verdict}; rolled back: boots=${again.boots}`);
    const made = [
      "cd /srv; echo set up once > mark; echo own > owned; busybox chown 1000:1001 owned; busybox chmod 4751 owned",
      "busybox ln owned linked; busybox ln -s owned way; busybox mknod device c 5 1; busybox truncate -s 5000000 sparse",
      `rm /bin/wget; echo ${TYPED} > /root/.ash_history; sync`,
    ];
    await ask(third.guest, made.join("; "));

    const tar = join(t.folder, "one.tar");
    await cli("clone", "export", NODE, tar);
    const promoted = await cli<PromotedView>("clone", "promote", NODE);
    assert.equal(await ask(third.guest, "echo goes on > /srv/on; sync; cat /srv/on"), "goes on");
    await third.guest.stop();
    await rightTar(tar);

    const { image, cleaned } = promoted;
    assert.deepEqual([image.name, image.version], [before?.name, `${before?.version}+1`]);
    assert.ok(cleaned.length > 0);
    const path = join(data, "images", `${image.sha256}.img`);
    const bytes = await readFile(path);
    assert.equal(sha256(bytes), image.sha256, "it is what its name says");
    for (const secret of [up.id, TYPED]) assert.ok(!bytes.includes(secret), `${secret} is in the image`);
    const card = await openCard(path);
    assert.equal(Buffer.from(await bytesOf(card.root, "srv/mark")).toString(), "set up once\n");
    card.close();
    await output("e2fsck", ["-fn", `${path}?offset=${card.rootOffset}`]);

    await cli("profile", "set", "default", "--image", `${image.name}:${image.version}`);
    const other = await bootNode(t, fleet, TWO);
    const two = await miniUp(other.guest);
    assert.match(two.root, / nfs$/);
    assert.equal(two.host, nodeName(TWO));
    assert.notEqual(two.id, up.id, "a machine-id of its own");
    const seen = await ask(
      other.guest,
      "cd /srv; cat mark linked; busybox stat -c %u:%g:%a:%h owned; busybox stat -c %s:%b sparse; ls /bin/wget on",
    );
    assert.match(seen, /^set up once\nown\n1000:1001:4751:2\n5000000:0\n/);
    assert.equal([...seen.matchAll(/No such file/g)].length, 2, seen);
    await other.guest.stop();
    assert.ok(bytes.equals(await readFile(path)), "and the image stays as it was");
    t.say(`promoted to ${image.name}:${image.version}, ${bytes.length} bytes: ${two.host} boots from it`);
  },
};

/** By tar's own reading. */
async function rightTar(path: string): Promise<void> {
  const lines = (await output("tar", ["--numeric-owner", "-tvf", path])).split("\n");
  const own = lines.filter((line) => line.includes(" srv/")).join("\n");
  const has = [
    /^-rwsr-x--x 1000\/1001 +4 .* srv\/(owned|linked)$/m,
    /^hrwsr-x--x 1000\/1001 +0 .* srv\/(owned link to srv\/linked|linked link to srv\/owned)$/m,
    /^lrwxrwxrwx 0\/0 .* srv\/way -> owned$/m,
    /^crw-.* 0\/0 +5,1 .* srv\/device$/m,
    /^-rw-r--r-- 0\/0 +5000000 .* srv\/sparse$/m,
  ];
  for (const line of has) assert.match(own, line);
  const names = lines.map((line) => line.split(" ").at(-1));
  for (const name of ["bin/busybox", "boot/firmware/kernel8.img"]) assert.ok(names.includes(name), name);
  assert.ok(!lines.some((line) => line.includes("bin/wget")), "what the node removed");
  assert.equal(await output("tar", ["-xOf", path, "srv/mark"]), "set up once\n");
}
