import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import type { CloneView, ImageView } from "../../src/api/contract.ts";
import { bootNode, miniUp, nodeName, pi4, sha256, standUp } from "../bed/fleet.ts";
import { QEMU, type Scenario } from "../scenario.ts";

/** One image, two boards at once: each has its own root, name and machine-id, and the image stays as it was. */
export const scenario: Scenario = {
  name: "two-nodes",
  tier: "ci",
  budgetSeconds: 120,
  needs: [QEMU],
  assets: ["mini-image", "agent-packages"],
  async run(t) {
    const fleet = await standUp(t, "mini-image");
    const pis = [pi4(1), pi4(2)];
    const nodes = await Promise.all(pis.map((pi) => bootNode(t, fleet, pi)));
    const ups = await Promise.all(nodes.map(({ guest }) => miniUp(guest)));
    assert.deepEqual(
      ups.map((up) => [up.boots, up.host]),
      pis.map((pi) => [1, nodeName(pi)]),
    );
    assert.notEqual(ups[0]?.id, ups[1]?.id);
    await Promise.all(nodes.map(({ guest }) => guest.stop()));

    const clones = await fleet.bramble.cli<CloneView[]>("clone", "list");
    for (const clone of clones) t.say(`${clone.node}: ${clone.ownBytes} bytes of its own over ${clone.size}`);
    assert.equal(clones.length, 2);
    for (const clone of clones)
      assert.ok(clone.ownBytes > 0 && clone.ownBytes < 32e6, `${clone.node} has ${clone.ownBytes} bytes`);
    const [image] = await fleet.bramble.cli<ImageView[]>("image", "list");
    const stored = `${fleet.bramble.data}/images/${image?.sha256}.img`;
    assert.equal(sha256(await readFile(stored)), image?.sha256, "the stored image is as it was imported");
  },
};
