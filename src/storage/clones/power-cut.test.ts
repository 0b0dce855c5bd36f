import assert from "node:assert/strict";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { needs } from "../../../test/tools.ts";
import { Die, rounds } from "../testing/die.ts";
import { type OpenOptions, openClone } from "./clone.ts";
import { checkQcow2 } from "./testing/check.ts";
import { CutFile } from "./testing/cut-file.ts";
import { offsetOf, place, SECTOR, SectorModel } from "./testing/sectors.ts";
import { qemu, sectorWorkshop } from "./testing/workshop.ts";

/**
 * Power cuts. At any moment the host's disk holds all that an ended fdatasync covered, and any part of the rest. Then the
 * file must have no corruption, and each sector the value of its last flush or a later one of its own. Leaks are harmless.
 */
const CUTS_PER_STORY = 4;

interface Story {
  seed: number;
  journal: boolean;
  /** Broken on purpose. */
  lies?: (what: string) => boolean;
  bootIdAfter?: string;
  /** Judges a file by qemu-img, too. */
  qemu?: boolean;
}

interface Verdict {
  cuts: number;
  corrupt: number;
  lost: number;
  garbage: number;
  unreadable: number;
}

const harm = ({ corrupt, lost, garbage, unreadable }: Verdict) => corrupt + lost + garbage + unreadable;

/** Writes, zeros, trims and flushes; at four moments the power goes, and what is left is judged, mended and gone on with. */
async function tell(story: Story, verdict: Verdict): Promise<void> {
  const die = new Die(story.seed);
  const folder = await sectorWorkshop();
  const path = folder.path("c.qcow2");
  const all: CutFile[] = [];
  try {
    const model = new SectorModel();
    for (let cut = 0; cut < CUTS_PER_STORY && harm(verdict) === 0; cut++) {
      const files: CutFile[] = [];
      const options: OpenOptions = {
        journal: story.journal,
        bootId: "boot-1",
        timer: () => () => undefined,
        hostFile(at, mode) {
          const file = new CutFile(at, mode, { die, ...(story.lies ? { lies: story.lies } : {}) });
          files.push(file);
          all.push(file);
          return file;
        },
      };
      await live(path, options, model, die);
      const left = (files[0] as CutFile).cut(die);
      const after = folder.path(`cut-${cut}.qcow2`);
      writeFileSync(after, left);
      for (const half of [".ja", ".jb"])
        if (existsSync(path + half)) writeFileSync(after + half, readFileSync(path + half));
      for (const file of files) file.powerOff();
      verdict.cuts += 1;
      await judge(after, model, story, verdict);
      writeFileSync(path, readFileSync(after));
      for (const half of [".ja", ".jb", ".lock"]) folder.removeFile(`c.qcow2${half}`);
    }
  } finally {
    for (const file of all) file.close();
    folder.remove();
  }
}

/** A node at work, up to the moment of the cut: nothing is waited for at the end. */
async function live(path: string, options: OpenOptions, model: SectorModel, die: Die): Promise<void> {
  const clone = await openClone(path, options);
  const steps = 20 + die.below(200);
  for (let i = 0; i < steps; i++) {
    const kind = die.below(20);
    const { first, count } = place(die);
    if (kind < 13) await clone.write(model.write(first, count), offsetOf(first));
    else if (kind < 15) {
      model.zero(first, count);
      await clone.zero(offsetOf(first), count * SECTOR, die.oneIn(3));
    } else if (kind < 16) {
      const from = Math.ceil(first / 4) * 4; // whole subclusters of 2 KiB become zeros, the rest stays
      model.zero(from, Math.max(0, Math.floor((first + count) / 4) * 4 - from));
      await clone.trim(offsetOf(first), count * SECTOR);
    } else if (kind < 18) {
      const ended = model.flushing();
      Promise.resolve(clone.flush()).then(ended, () => undefined); // after the cut it never ends
    } else for (let turns = die.below(8); turns > 0; turns--) await new Promise((next) => setImmediate(next));
    if (die.oneIn(3)) clone.endBatch();
  }
}

async function judge(path: string, model: SectorModel, story: Story, verdict: Verdict): Promise<void> {
  try {
    if (checkQcow2(path).corruptions.length > 0) verdict.corrupt += 1;
    if (story.qemu) qemu.checkLeaks(path);
    const clone = await openClone(path, { journal: story.journal, bootId: story.bootIdAfter ?? "boot-2" });
    const { lost, garbage } = await model.judge(clone);
    if (lost) verdict.lost += 1;
    if (garbage) verdict.garbage += 1;
    await clone.close();
    assert.deepEqual(checkQcow2(path), { corruptions: [], leaks: 0 }, "mended at open");
  } catch (error) {
    if (!story.lies && !story.bootIdAfter) throw error;
    verdict.unreadable += 1;
  }
}

/** Up to the first harm. */
async function tellAll(stories: number, how: Omit<Story, "seed">): Promise<Verdict> {
  const verdict: Verdict = { cuts: 0, corrupt: 0, lost: 0, garbage: 0, unreadable: 0 };
  for (let seed = 1; seed <= stories && harm(verdict) === 0; seed++) await tell({ ...how, seed }, verdict);
  return verdict;
}

for (const journal of [false, true])
  test(`no power cut loses a flushed sector or shows foreign data, ${journal ? "with" : "without"} journal`, async (t) => {
    const stories = rounds(5, 115);
    const verdict = await tellAll(stories, { journal });
    t.diagnostic(JSON.stringify(verdict));
    assert.equal(harm(verdict), 0, JSON.stringify(verdict));
    assert.equal(verdict.cuts, stories * CUTS_PER_STORY);
  });

test("qemu-img finds leaks at most after a power cut", async (t) => {
  if (!needs(t, "qemu-img", "qemu-utils")) return;
  const verdict = await tellAll(rounds(1, 20), { journal: true, qemu: true });
  assert.equal(harm(verdict), 0, JSON.stringify(verdict));
});

test("and this test bites: without the first fdatasync it finds damage", async (t) => {
  const verdict = await tellAll(60, { journal: false, lies: (what) => what === "contents" });
  t.diagnostic(JSON.stringify(verdict));
  assert.ok(harm(verdict) > 0);
});

test("and it bites: without the second one a flushed sector is lost", async (t) => {
  const verdict = await tellAll(60, { journal: false, lies: (what) => what === "mapping" });
  t.diagnostic(JSON.stringify(verdict));
  assert.ok(harm(verdict) > 0);
});

test("and it bites: a journal that is taken up after a power cut does harm", async (t) => {
  const verdict = await tellAll(60, { journal: true, bootIdAfter: "boot-1" });
  t.diagnostic(JSON.stringify(verdict));
  assert.ok(harm(verdict) > 0);
});
