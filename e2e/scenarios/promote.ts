import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { ImageView, PromotedView } from "../../src/api/contract.ts";
import { openBook } from "../../src/storage/book.ts";
import { ask } from "../bed/ask.ts";
import { bytesOf, openCard } from "../bed/card.ts";
import { output } from "../bed/commands.ts";
import { bootNode, miniUp, nodeName, pi4, sha256, standUp } from "../bed/fleet.ts";
import { QEMU, type Scenario } from "../scenario.ts";

const [ONE, TWO] = [pi4(1), pi4(2)];
/** The mini image has no sshd: what makes its host key is the way that a real one does it, at a boot without one. */
const RC =
  "[ -e /etc/ssh/ssh_host_ed25519_key ] || { mkdir -p /etc/ssh; busybox head -c 300 /dev/urandom | sha256sum | cut -c1-64 > /etc/ssh/ssh_host_ed25519_key; }";
const DELETED = "what-was-deleted-7f3a91";
const TYPED = "what-was-typed-55d0c2";
const LOGGED = "what-was-logged-9e11ab";

/** A node's disk becomes the next version of its image; another node boots it and is another node. */
export const scenario: Scenario = {
  name: "promote",
  tier: "ci",
  budgetSeconds: 200,
  needs: [QEMU, { tool: "e2fsck", package: "e2fsprogs" }, { tool: "debugfs", package: "e2fsprogs" }],
  assets: ["mini-image", "agent-packages"],
  async run(t) {
    const fleet = await standUp(t, "mini-image");
    const { cli, data } = fleet.bramble;
    await cli("profile", "set", "--root", "iscsi");
    const [before] = await cli<ImageView[]>("image", "list");
    const first = await bootNode(t, fleet, ONE);
    const one = await miniUp(first.guest);
    const made = await ask(
      first.guest,
      [
        `echo '${RC}' > /etc/rc.local`,
        "busybox chmod 755 /etc/rc.local",
        "/bin/sh /etc/rc.local",
        "mkdir -p /srv /var/log /root",
        "echo set up once > /srv/mark",
        `echo ${TYPED} > /root/.ash_history`,
        `echo ${LOGGED} > /var/log/messages`,
        `echo ${DELETED} > /srv/gone`,
        "sync",
        "rm /srv/gone",
        "sync",
        "cat /etc/ssh/ssh_host_ed25519_key",
      ].join("; "),
    );
    const [key = ""] = /[0-9a-f]{64}/.exec(made) ?? [];
    assert.ok(key, made);

    const started = Date.now();
    const { image, cleaned, notes } = await cli<PromotedView>("clone", "promote", nodeName(ONE));
    const took = (Date.now() - started) / 1000;
    assert.deepEqual([image.name, image.version], [before?.name, `${before?.version}+1`]);
    assert.ok(cleaned.length >= 10, cleaned.join());
    assert.match(notes.join(), /the node was running/);
    assert.equal(await ask(first.guest, "echo goes on > /srv/on; sync; cat /srv/on"), "goes on");
    const path = join(data, "images", `${image.sha256}.img`);
    const bytes = await readFile(path);
    assert.equal(sha256(bytes), image.sha256, "it is what its name says");
    const secrets = { id: one.id, key, DELETED, TYPED, LOGGED, ...(await chap(data)) };
    for (const [what, secret] of Object.entries(secrets))
      assert.ok(!bytes.includes(secret), `${what} of the first node is in the image`);
    const card = await openCard(path);
    assert.equal(Buffer.from(await bytesOf(card.root, "srv/mark")).toString(), "set up once\n");
    await output("e2fsck", ["-fn", `${path}?offset=${card.rootOffset}`]);
    card.close();

    await cli("profile", "set", "--image", `${image.name}:${image.version}`);
    const second = await bootNode(t, fleet, TWO);
    const two = await miniUp(second.guest);
    assert.equal(two.host, nodeName(TWO));
    assert.match(two.id, /^[0-9a-f]{32}$/);
    assert.notEqual(two.id, one.id, "a machine-id of its own");
    const own = await ask(
      second.guest,
      "cat /srv/mark /etc/ssh/ssh_host_ed25519_key; ls /root/.ash_history /var/log/messages",
    );
    assert.match(own, /^set up once\n[0-9a-f]{64}\n/);
    assert.ok(!own.includes(key), "a host key of its own");
    assert.equal([...own.matchAll(/No such file/g)].length, 2);
    assert.ok(!(await readFile(path)).includes(two.id), "and the image stays as it was");
    t.say(
      `promoted in ${took.toFixed(1)} s: ${image.name}:${image.version}, ${(image.allocated / 1e6).toFixed(0)} MB; ${Object.keys(secrets).length} secrets in none of its ${bytes.length} bytes`,
    );
  },
};

/** What the node and the server tell each other by. */
async function chap(data: string): Promise<Record<string, string>> {
  const book = await openBook(join(data, "book.db"));
  const rows = await book.selectFrom("secret").selectAll().where("nodeId", "=", ONE.serial).execute();
  await book.destroy();
  assert.ok(rows.length >= 2);
  return Object.fromEntries(rows.map(({ kind, value }) => [kind, value]));
}
