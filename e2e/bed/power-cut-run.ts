import assert from "node:assert/strict";
import { copyFile, mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { Need, Stage } from "../scenario.ts";
import { Judge } from "./after-cut.ts";
import { output } from "./commands.ts";
import { keptPromises } from "./fsync-load.ts";
import { type Cut, replay } from "./power-cuts.ts";
import { type RecordedDisk, recordGuest } from "./recorded-guest.ts";

export const CUT_NEEDS: Need[] = [
  { tool: "qemu-img", package: "qemu-utils" },
  { tool: "e2fsck", package: "e2fsprogs" },
  { tool: "debugfs", package: "e2fsprogs" },
];
/** Most cuts that one replay is asked for. */
const CUTS_PER_STORY = 25;
/** Cuts until a broken order of syncs must have been found. */
const MOST_TO_BITE = 300;

/** Records a guest that works for `turns`, and cuts the power `cuts` times while its disk is used so. */
export async function powerCuts(t: Stage, options: { turns: number; cuts: number }): Promise<void> {
  const folder = join(t.folder, "disks");
  await mkdir(folder);
  await output("mount", ["-t", "tmpfs", "tmpfs", folder]);
  t.atEnd(() => output("umount", [folder]));
  const seconds = watch();
  const recorded = await recordGuest(t, folder, options.turns);
  const count = (what: string) => recorded.steps.filter((step) => step.do === what).length;
  const written = recorded.steps.reduce(
    (sum, step) => sum + (step.do === "write" ? step.bytes.length : 0),
    0,
  );
  t.say(
    `recorded in ${seconds()} s: ${count("write")} writes of ${written} bytes, ${count("zero")} zeros, ${count("trim")} trims, ${count("flushed")} flushes, ${count("told")} turns of fsync`,
  );
  assert.ok(count("flushed") > options.turns && count("trim") > 0, "flushes and trims came through");

  assert.throws(() => keptPromises(new Map(), 3), "lost files are seen");
  for (const lie of ["contents", "mapping"]) await bites(t, recorded, folder, lie);

  const judge = await Judge.make(recorded, folder);
  t.atEnd(() => judge.close());
  const judging = watch();
  for (let seed = 1; judge.count.cuts < options.cuts; seed++) {
    const cuts = Math.min(CUTS_PER_STORY, Math.ceil(options.cuts / 2), options.cuts - judge.count.cuts);
    await replay(recorded, folder, { seed, journal: seed % 2 === 0, cuts }, (cut) =>
      judge.judge(cut, { files: true }).catch((error: unknown) => keep(t, cut, error)),
    );
    if (judge.count.cuts % 100 === 0) t.say(`after ${judging()} s: ${JSON.stringify(judge.count)}`);
  }
  const { cuts, opened, checkClean, leaky, fsckClean, journalsReplayed, superblocksTorn, promisesKept } =
    judge.count;
  t.say(
    `${cuts} cuts in ${judging()} s: ${opened} opened, ${checkClean} qemu-img check clean (${leaky} with leaks), ${fsckClean} e2fsck clean (${journalsReplayed} journals replayed, ${superblocksTorn} torn superblocks made whole), ${promisesKept} kept every fsync`,
  );
  t.say(`${judge.count.flushedBytes} flushed bytes compared, ${judge.count.ownBytes} in all, none foreign`);
  assert.deepEqual([cuts, opened, checkClean, fsckClean, promisesKept], Array(5).fill(options.cuts));
}

/** Where syncs of the `lie` do nothing, harm is found. */
async function bites(t: Stage, recorded: RecordedDisk, folder: string, lie: string): Promise<void> {
  const judge = await Judge.make(recorded, folder);
  let harm = "";
  try {
    for (let seed = 1; harm === "" && judge.count.cuts < MOST_TO_BITE; seed++)
      await replay(
        recorded,
        folder,
        { seed, journal: false, cuts: 10, lies: (what) => what === lie },
        async (cut) => {
          if (harm === "")
            await judge.judge(cut, { files: false }).catch((error: Error) => {
              harm = error.message;
            });
        },
      );
  } finally {
    await judge.close();
  }
  assert.notEqual(harm, "", `${judge.count.cuts} cuts without syncs of the ${lie}, and nothing was found`);
  t.say(
    `bites: without syncs of the ${lie}, at cut ${judge.count.cuts}: ${harm.split("\n").slice(0, 2).join(" ").slice(0, 160)}`,
  );
}

/** What explains a failure is kept. */
async function keep(t: Stage, cut: Cut, error: unknown): Promise<never> {
  await copyFile(cut.path, join(t.folder, "harmed.qcow2"));
  throw error;
}

const watch = () => {
  const from = Date.now();
  return () => ((Date.now() - from) / 1000).toFixed(0);
};
