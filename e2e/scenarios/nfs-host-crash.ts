import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Guest } from "../bed/guest.ts";
import { makeNetwork } from "../bed/network.ts";
import { ARM64_GCC, bootNfsGuest } from "../bed/nfs-guest.ts";
import { type Lie, type NfsTrees, startTrees, treeImage } from "../bed/nfs-trees.ts";
import { QEMU, type Scenario, type Stage } from "../scenario.ts";

const CRASHES = 10;
const LIES: readonly Lie[] = ["data", "journal"];
/** Cuts until a lie must have been found. */
const MOST_TO_BITE = 30;

/**
 * The server's computer loses its power again and again under a kernel's client at work: what was not synced is gone, by any part. The client
 * writes again what the server had not committed; what was answered is there. Where a sync is a lie, harm is seen.
 */
export const scenario: Scenario = {
  name: "nfs-host-crash",
  tier: "full",
  budgetSeconds: 300,
  needs: [QEMU, ARM64_GCC, { tool: "mke2fs", package: "e2fsprogs" }],
  assets: ["mini-image"],
  async run(t) {
    const network = await makeNetwork();
    const files = join(t.folder, "files");
    await mkdir(join(files, "work"), { recursive: true });
    await writeFile(join(files, "work/image-file"), "a file of the image\n");
    const image = await treeImage(t, files);
    const trees = await startTrees(t, { image, host: network.address, memory: true });
    const control = (lie: Lie) => `mkdir ${lie}; treeload ${lie} 100000`;
    const guest = await bootNfsGuest(t, {
      network,
      number: 51,
      server: trees.host,
      path: trees.path(0),
      options: `port=${trees.port},mountport=${trees.port},nocto,actimeo=600`,
      programs: ["treeload"],
      script: `treeload work 100000; cat work/image-file; echo appended >> work/image-file; sync\n${LIES.map(control).join("\n")}`,
    });
    await guest.saw(/TURN 5\s/, 120);
    for (let crash = 1; crash <= CRASHES; crash++) {
      await cut(trees, crash);
      guest.type("check");
      const [, turn] = await guest.saw(
        new RegExp(`CHECK ${crash} of work, 0 wrong\\s[\\s\\S]*?TURN (\\d+)\\s`),
        60,
      );
      await guest.saw(new RegExp(`TURN ${Number(turn) + 1}\\s`), 60);
    }
    guest.type("stop");
    const [, count, wrong] = await guest.saw(/LOAD (\d+) turns, (\d+) wrong/, 120);
    assert.doesNotMatch(guest.text(), /^ERR /m);
    await guest.saw(/a file of the image\r?\n/, 60);
    assert.equal(wrong, "0");
    t.say(
      `${CRASHES} power cuts of the server's computer under ${count} turns of work: 0 errors, all contents right`,
    );
    for (const lie of LIES) await bites(t, trees, guest, lie);
    await guest.stop("SIGKILL");
  },
};

async function cut(trees: NfsTrees, number: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 300 + ((number * 977) % 1500)));
  await trees.powerCut(0.5);
}

/** The same work over syncs that do nothing: harm is found, by the client or by the server when it starts. */
async function bites(t: Stage, trees: NfsTrees, guest: Guest, lie: Lie): Promise<void> {
  await trees.lie(lie);
  const checked = (number: number) => {
    guest.type("check");
    return guest.saw(new RegExp(`CHECK ${number} of ${lie}, \\d+ wrong\\s`), 60);
  };
  await checked(1);
  const before = guest.text().length;
  const seen = () => /^ERR .*/m.exec(guest.text().slice(before))?.[0].trim();
  let harm: string | undefined;
  let crash = 0;
  while (!harm && ++crash <= MOST_TO_BITE) {
    try {
      await cut(trees, crash);
    } catch (error) {
      harm = /Error: .* is damaged at .*/.exec((error as Error).message)?.[0];
      if (!harm) throw error;
    }
    harm ??= await checked(crash + 1).then(seen);
  }
  assert.ok(harm, `${MOST_TO_BITE} cuts without syncs of the ${lie}, and nothing was found`);
  t.say(`bites: without syncs of the ${lie}, at cut ${crash}: ${harm.slice(0, 160)}`);
  guest.type("stop");
}
