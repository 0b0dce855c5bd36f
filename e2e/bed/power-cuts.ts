import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createClone, openClone } from "../../src/storage/clones/clone.ts";
import { HostFile } from "../../src/storage/clones/host-file.ts";
import { CutFile } from "../../src/storage/clones/testing/cut-file.ts";
import { Die } from "../../src/storage/testing/die.ts";
import type { Step } from "./disk-record.ts";
import { type RecordedDisk, TAIL } from "./recorded-guest.ts";
import { type Allowed, SectorHistory } from "./sector-history.ts";

interface Story {
  seed: number;
  journal: boolean;
  cuts: number;
  /** Syncs of the host that say they are done and did nothing: for tests of the test. */
  lies?: (what: string) => boolean;
}

/** A clone's file as the host's disk may hold it after the cut, its journal beside it. */
export interface Cut {
  path: string;
  journal: boolean;
  allowed: Allowed;
  /** The last turn that the guest had told of. */
  told: number;
  name: string;
}

const CLUSTER = 65_536;
const PAIRS = 128;
const FOREIGN = "what another node wrote: nobody may see this. ".repeat(CLUSTER).slice(0, CLUSTER);

/** Before the guest: every other cluster of the file is freed, full of what nobody may see again. The rest stays, and must. */
function before(image: { size: number }): Step[] {
  const first = Math.ceil(image.size / CLUSTER) * CLUSTER;
  const place = (n: number) => first + n * CLUSTER;
  if (2 * PAIRS * CLUSTER > TAIL - CLUSTER) throw new Error("the disk's tail is too short");
  const bytes = Buffer.from(FOREIGN, "latin1");
  const steps: Step[] = [];
  for (let n = 0; n < 2 * PAIRS; n += 2) {
    steps.push({ do: "write", offset: place(n), bytes });
    steps.push({ do: "write", offset: place(n + 1), bytes: bytes.subarray(0, 4096) });
  }
  steps.push({ do: "flush", number: -2 }, { do: "flushed", number: -2 });
  for (let n = 0; n < 2 * PAIRS; n += 2) steps.push({ do: "trim", offset: place(n), length: CLUSTER });
  return [...steps, { do: "flush", number: -1 }, { do: "flushed", number: -1 }];
}

/** Half of the moments are right after a flush was asked for: there the order of things is. */
function moments(steps: readonly Step[], from: number, count: number, die: Die): number[] {
  const flushes = [...steps.keys()].filter((i) => i >= from && steps[i]?.do === "flush");
  const anywhere = () => from + die.below(steps.length - from);
  return Array.from({ length: count }, () => (die.oneIn(2) ? die.pick(flushes) : anywhere())).sort(
    (a, b) => a - b,
  );
}

const turns = async (count: number) => {
  for (let n = 0; n < count; n++) await new Promise((next) => setImmediate(next));
};

/** Does once more what the guest did, on a fresh clone over a host whose power may go; calls `judge` for each cut. */
export async function replay(
  recorded: RecordedDisk,
  folder: string,
  story: Story,
  judge: (cut: Cut) => Promise<void>,
): Promise<void> {
  const die = new Die(story.seed);
  const path = join(folder, "replayed.qcow2");
  const files: CutFile[] = [];
  await createClone({ path, image: recorded.image, size: recorded.size });
  let timer: (() => void) | undefined;
  const clone = await openClone(path, {
    journal: story.journal,
    bootId: "boot-1",
    timer(_ms, act) {
      timer = act;
      return () => {
        timer = undefined;
      };
    },
    hostFile(at, mode) {
      if (mode === "read") return new HostFile(at, mode);
      const file = new CutFile(at, mode, { die, ...(story.lies && { lies: story.lies }) });
      files.push(file);
      return file;
    },
  });
  const history = new SectorHistory();
  const flushes = new Map<number, Promise<void>>();
  let told = 0;
  const act = async (step: Step) => {
    history.add(step);
    if (step.do === "write") await clone.write(step.bytes, step.offset);
    else if (step.do === "zero") await clone.zero(step.offset, step.length, step.keep);
    else if (step.do === "trim") await clone.trim(step.offset, step.length);
    else if (step.do === "told") told = step.turn;
    else if (step.do === "flushed") await flushes.get(step.number);
    else flushes.set(step.number, Promise.resolve(clone.flush()).then(history.flushing()));
    if (die.oneIn(3)) clone.endBatch();
    if (die.oneIn(50)) timer?.();
  };
  const cut = async (name: string) => {
    const after = join(folder, "after.qcow2");
    for (const file of files) writeFileSync(file.path.replace(path, after), file.cut(die));
    await judge({ path: after, journal: story.journal, allowed: history.allowed(), told, name });
    removeClone(after);
  };
  try {
    const first = before(recorded.image);
    const steps = [...first, ...recorded.steps];
    const when = moments(steps, first.length, story.cuts, die);
    for (const [i, step] of steps.entries()) {
      await act(step);
      while (when[0] === i) {
        when.shift();
        await turns(die.below(14));
        await cut(`seed ${story.seed}, after step ${i - first.length} (${step.do})`);
      }
    }
  } finally {
    await Promise.all(flushes.values());
    await clone.close();
    removeClone(path);
  }
}

function removeClone(path: string): void {
  for (const ending of ["", ".ja", ".jb", ".lock", ".layers"]) rmSync(path + ending, { force: true });
}
