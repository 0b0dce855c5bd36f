import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import type { ImageView } from "../../src/api/contract.ts";
import { bootNode, miniUp, nodeName, pi4, sha256, standUp } from "../bed/fleet.ts";
import { QEMU, type Scenario } from "../scenario.ts";

/** One image, two boards with NFS roots at once: each sees its own changes and none of the other's, and the image stays as it was. */
export const scenario: Scenario = {
  name: "nfs-two-nodes",
  tier: "ci",
  budgetSeconds: 240,
  needs: [QEMU],
  assets: ["mini-image", "agent-packages"],
  async run(t) {
    const fleet = await standUp(t, "mini-image");
    await fleet.bramble.cli("profile", "set", "default", "--root", "nfs");
    const pis = [pi4(1), pi4(2)];
    const nodes = await Promise.all(pis.map((pi) => bootNode(t, fleet, pi)));
    const ups = await Promise.all(nodes.map(({ guest }) => miniUp(guest)));
    assert.deepEqual(
      ups.map((up) => [up.boots, up.host]),
      pis.map((pi) => [1, nodeName(pi)]),
    );
    assert.notEqual(ups[0]?.id, ups[1]?.id);
    for (const up of ups) assert.match(up.root, / nfs$/);
    await Promise.all(
      nodes.map(async ({ guest }, i) => {
        const mine = `node-${i}`;
        const other = `node-${1 - i}`;
        const work = [
          `mkdir -p /srv/${mine} && echo ${mine} > /srv/${mine}/file && echo ${mine} > /etc/motd`,
          `mv /etc/group /etc/group-of-${mine} && rm -r /usr/bin && sync && echo 3 > /proc/sys/vm/drop_caches`,
          `echo MOTD-$(cat /etc/motd) OTHERS-$(ls -d /srv/${other} /etc/group-of-${other} 2>/dev/null | wc -l)`,
        ];
        guest.type(work.join("; ").replaceAll("wc -l", "grep -c ."));
        await guest.saw(new RegExp(`MOTD-${mine} OTHERS-0`), 60);
      }),
    );
    await Promise.all(nodes.map(({ guest }) => guest.stop()));

    const [image] = await fleet.bramble.cli<ImageView[]>("image", "list");
    const stored = `${fleet.bramble.data}/images/${image?.sha256}.img`;
    assert.equal(sha256(await readFile(stored)), image?.sha256, "the stored image is as it was imported");
  },
};
