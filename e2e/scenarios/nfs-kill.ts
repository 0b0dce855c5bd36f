import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { makeNetwork } from "../bed/network.ts";
import { ARM64_GCC, bootNfsGuest } from "../bed/nfs-guest.ts";
import { startTrees, treeImage } from "../bed/nfs-trees.ts";
import { QEMU, type Scenario } from "../scenario.ts";

const KILLS = 20;
const DOWN_SECONDS = [0, 0.7, 0.2];
const UP_MS = [50, 900, 300, 1500];

/**
 * The server of trees is killed again and again under a kernel's client at work: no call fails, and all files hold what was written.
 * nfs-kill-whole does it to all of Bramble, under a node's root.
 */
export const scenario: Scenario = {
  name: "nfs-kill",
  tier: "ci",
  budgetSeconds: 120,
  needs: [QEMU, ARM64_GCC, { tool: "mke2fs", package: "e2fsprogs" }],
  assets: ["mini-image"],
  async run(t) {
    const network = await makeNetwork();
    const files = join(t.folder, "files");
    await mkdir(join(files, "work"), { recursive: true });
    await writeFile(join(files, "image-file"), "a file of the image\n");
    const trees = await startTrees(t, { image: await treeImage(t, files), host: network.address });
    const guest = await bootNfsGuest(t, {
      network,
      number: 52,
      server: trees.host,
      path: trees.path(0),
      options: `port=${trees.port},mountport=${trees.port},nocto,actimeo=600`,
      programs: ["treeload"],
      script: "treeload work 100000; echo appended >> image-file; cat image-file",
    });
    await guest.saw(/TURN 3\s/, 60);
    const turns = () => Number([...guest.text().matchAll(/TURN (\d+)\s/g)].at(-1)?.[1]);
    const started = Date.now();
    for (let kill = 0; kill < KILLS; kill++) {
      await trees.killed(DOWN_SECONDS[kill % DOWN_SECONDS.length] ?? 0);
      await new Promise((resolve) => setTimeout(resolve, UP_MS[kill % UP_MS.length]));
    }
    const seconds = ((Date.now() - started) / 1000).toFixed(0);
    await guest.saw(new RegExp(`TURN ${turns() + 2}\\s`), 60);
    guest.type("");
    assert.equal(await guest.ended, 0);
    const [, count, wrong] = /LOAD (\d+) turns, (\d+) wrong/.exec(guest.text()) ?? [];
    assert.doesNotMatch(guest.text(), /^ERR |I\/O error|Stale file handle/m);
    assert.equal(wrong, "0");
    assert.match(guest.text(), /a file of the image\r?\nappended/);
    assert.match(guest.text(), /GUEST unmounted/);
    t.say(`killed ${KILLS} times in ${seconds} s under ${count} turns of work: 0 errors, all contents right`);
  },
};
