import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { makeNetwork } from "../bed/network.ts";
import { ARM64_GCC, bootNfsGuest } from "../bed/nfs-guest.ts";
import { startTrees, treeImage } from "../bed/nfs-trees.ts";
import { QEMU, type Scenario } from "../scenario.ts";

const CRASHES = 10;

/**
 * The server's computer loses its power again and again under a kernel's client at work: what was not synced is gone, by any part. The client
 * writes again what the server had not committed; what was answered is there.
 */
export const scenario: Scenario = {
  name: "nfs-host-crash",
  tier: "full",
  budgetSeconds: 210,
  needs: [QEMU, ARM64_GCC, { tool: "mke2fs", package: "e2fsprogs" }],
  assets: ["mini-image"],
  async run(t) {
    const network = await makeNetwork();
    const files = join(t.folder, "files");
    await mkdir(join(files, "work"), { recursive: true });
    await writeFile(join(files, "work/image-file"), "a file of the image\n");
    const image = await treeImage(t, files);
    const trees = await startTrees(t, { image, host: network.address, memory: true });
    const guest = await bootNfsGuest(t, {
      network,
      number: 51,
      server: trees.host,
      path: trees.path(0),
      options: `port=${trees.port},mountport=${trees.port},nocto,actimeo=600`,
      programs: ["treeload"],
      script: "treeload work 100000; cat work/image-file; echo appended >> work/image-file; sync",
    });
    await guest.saw(/TURN 5\s/, 120);
    let turns = 5;
    for (let crash = 1; crash <= CRASHES; crash++) {
      await new Promise((resolve) => setTimeout(resolve, 300 + ((crash * 977) % 1500)));
      await trees.powerCut(0.5);
      turns = Number([...guest.text().matchAll(/TURN (\d+)\s/g)].at(-1)?.[1]) + 2;
      await guest.saw(new RegExp(`TURN ${turns}\\s`), 60);
    }
    guest.type("stop");
    const [, count, wrong] = await guest.saw(/LOAD (\d+) turns, (\d+) wrong/, 120);
    await guest.saw(/GUEST unmounted/, 60);
    assert.doesNotMatch(guest.text(), /^ERR /m);
    assert.match(guest.text(), /a file of the image/);
    assert.equal(wrong, "0");
    t.say(
      `${CRASHES} power cuts of the server's computer under ${count} turns of work: 0 errors, all contents right`,
    );
  },
};
