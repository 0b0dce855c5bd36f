import assert from "node:assert/strict";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { makeNetwork } from "../bed/network.ts";
import { ARM64_GCC, bootNfsGuest } from "../bed/nfs-guest.ts";
import { startTrees, treeImage } from "../bed/nfs-trees.ts";
import { QEMU, type Scenario } from "../scenario.ts";

const KILLS = 20;
const DOWN_SECONDS = [0, 0.7, 0.2];
const UP_MS = [50, 900, 300, 1500];
/** What a server that answered too early would not have written yet: more than the request under way, which comes again. */
const LOST_BYTES = 128 * 1024;

/**
 * The server of trees is killed again and again under a kernel's client at work: no call fails, and all files hold what was written; where the
 * journal's end is lost with it, harm is seen. nfs-kill-whole does it to all of Bramble, under a node's root.
 */
export const scenario: Scenario = {
  name: "nfs-kill",
  tier: "ci",
  budgetSeconds: 150,
  needs: [QEMU, ARM64_GCC, { tool: "mke2fs", package: "e2fsprogs" }],
  assets: ["mini-image"],
  async run(t) {
    const network = await makeNetwork();
    const files = join(t.folder, "files");
    for (const folder of ["work", "control"]) await mkdir(join(files, folder), { recursive: true });
    await writeFile(join(files, "image-file"), "a file of the image\n");
    const trees = await startTrees(t, { image: await treeImage(t, files), host: network.address });
    const guest = await bootNfsGuest(t, {
      network,
      number: 52,
      server: trees.host,
      path: trees.path(0),
      options: `port=${trees.port},mountport=${trees.port},nocto,actimeo=600`,
      programs: ["treeload"],
      script: "treeload work 100000; echo appended >> image-file; cat image-file; treeload control 100000",
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
    guest.type("stop");
    const [, count, wrong] = await guest.saw(/LOAD (\d+) turns, (\d+) wrong/, 60);
    await guest.saw(/a file of the image\r?\nappended/, 60);
    const faults = /^ERR .*|I\/O error|Stale file handle/m;
    assert.doesNotMatch(guest.text(), faults);
    assert.equal(wrong, "0");
    t.say(`killed ${KILLS} times in ${seconds} s under ${count} turns of work: 0 errors, all contents right`);

    await guest.saw(/LOAD[\s\S]*TURN 3\s/, 60);
    await trees.killed(0, loseJournal);
    guest.type("check");
    await guest.saw(/CHECK 1 of control, [1-9]\d* wrong/, 60);
    t.say(`bites: a journal without its last ${LOST_BYTES} bytes: ${faults.exec(guest.text())?.[0].trim()}`);
    await guest.stop("SIGKILL");
  },
};

/** Bytes at the end of what was written, zeros behind it. */
async function loseJournal(folder: string): Promise<void> {
  const numbers = (await readdir(folder)).flatMap((name) => /^journal\.(\d+)$/.exec(name)?.[1] ?? []);
  const path = join(folder, `journal.${Math.max(...numbers.map(Number))}`);
  const bytes = await readFile(path);
  let end = bytes.length;
  while (end > 0 && bytes[end - 1] === 0) end -= 1;
  await writeFile(path, bytes.fill(0, Math.max(0, end - LOST_BYTES)));
}
