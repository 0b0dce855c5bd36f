import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { type TestContext, test } from "node:test";
import { needs } from "../../../test/tools.ts";
import { Die, rounds } from "../testing/die.ts";
import { type Clone, openClone } from "./clone.ts";
import { checkQcow2 } from "./testing/check.ts";
import { MIB, qemu, workshop } from "./testing/workshop.ts";

/** Random workloads against a model in memory, and against QEMU: it reads what we wrote, we read what it wrote. */

type Step =
  | { do: "write"; offset: number; length: number; value: number }
  | { do: "zero"; offset: number; length: number; keep: boolean }
  | { do: "trim"; offset: number; length: number }
  | { do: "flush" }
  | { do: "reopen" };

const tools = (t: TestContext) => needs(t, "qemu-img", "qemu-utils") && needs(t, "qemu-io", "qemu-utils");

function workload(die: Die, size: number, count: number): Step[] {
  return Array.from({ length: count }, (): Step => {
    const unit = die.pick([512, 4096, 4096]);
    const offset = die.below(size / unit) * unit;
    const most = die.pick([1, 1, 1, 8, 40, 300]);
    const length = Math.min(size - offset, (1 + die.below(most)) * unit);
    const kind = die.below(24);
    if (kind < 15) return { do: "write", offset, length, value: 1 + die.below(255) };
    if (kind < 18) return { do: "zero", offset, length, keep: die.oneIn(3) };
    if (kind < 20) return { do: "trim", offset, length };
    if (kind < 23) return { do: "flush" };
    return { do: "reopen" };
  });
}

/** Trims are left out: QEMU may choose differently what a trimmed byte reads as. */
const forQemu = (steps: Step[]): string[] =>
  steps.flatMap((step) => {
    if (step.do === "write") return [`write -P ${step.value} ${step.offset} ${step.length}`];
    if (step.do === "zero") return [`write -z${step.keep ? "" : " -u"} ${step.offset} ${step.length}`];
    return step.do === "flush" ? ["flush"] : [];
  });

const applied = (model: Uint8Array, steps: Step[]): Uint8Array => {
  for (const step of steps) {
    if (step.do === "write") model.fill(step.value, step.offset, step.offset + step.length);
    if (step.do === "zero") model.fill(0, step.offset, step.offset + step.length);
  }
  return model;
};

async function play(path: string, steps: Step[], model?: Uint8Array): Promise<void> {
  let clone = await openClone(path);
  const calls: unknown[] = [];
  for (const step of steps) {
    if (step.do === "write") await clone.write(new Uint8Array(step.length).fill(step.value), step.offset);
    else if (step.do === "zero") await clone.zero(step.offset, step.length, step.keep);
    else if (step.do === "flush") calls.push(clone.flush());
    else if (step.do === "trim" && model) await trimmed(clone, step, model);
    else if (step.do === "reopen") {
      await Promise.all(calls.splice(0));
      await clone.close();
      clone = await openClone(path);
    }
    if (model) applied(model, [step]);
  }
  await Promise.all(calls);
  await clone.close();
}

/** Zeros, or what was there: then that is what it holds. */
async function trimmed(
  clone: Clone,
  { offset, length }: { offset: number; length: number },
  model: Uint8Array,
) {
  await clone.trim(offset, length);
  const now = new Uint8Array(length);
  await clone.read(now, offset);
  for (let i = 0; i < length; i++)
    assert.ok(now[i] === 0 || now[i] === model[offset + i], `byte ${offset + i} after a trim`);
  const whole = 2048;
  const first = Math.ceil(offset / whole) * whole;
  const last = Math.floor((offset + length) / whole) * whole;
  if (first < last)
    assert.ok(
      now.subarray(first - offset, last - offset).every((b) => b === 0),
      "whole subclusters are zero",
    );
  model.set(now, offset);
}

async function contents(path: string): Promise<Uint8Array> {
  const clone = await openClone(path, { readOnly: true });
  const bytes = new Uint8Array(clone.size);
  await clone.read(bytes, 0);
  await clone.close();
  return bytes;
}

function expectSame(now: Uint8Array, model: Uint8Array, what: string): void {
  if (Buffer.compare(now, model) === 0) return;
  const at = now.findIndex((byte, i) => byte !== model[i]);
  assert.fail(`${what}: byte ${at} is ${now[at]}, should be ${model[at]}`);
}

test("a clone holds what a model in memory holds, whatever came and went", async () => {
  for (let seed = 1; seed <= rounds(4, 60); seed++) {
    const die = new Die(seed);
    const imageSize = 8 * MIB - die.below(2) * 512 * 7;
    const size = imageSize + die.below(2) * (3 * MIB + 512);
    const folder = workshop(imageSize, seed);
    try {
      await folder.clone("a.qcow2", { size });
      const model = new Uint8Array(size);
      model.set(folder.bytes);
      await play(folder.path("a.qcow2"), workload(die, size, 300), model);
      expectSame(await contents(folder.path("a.qcow2")), model, `seed ${seed}`);
      assert.deepEqual(checkQcow2(folder.path("a.qcow2")), { corruptions: [], leaks: 0 }, `seed ${seed}`);
    } finally {
      folder.remove();
    }
  }
});

/** Ours, and every kind of file that qemu-img makes: plain clusters of several sizes, subclusters, lazy refcounts. */
const KINDS = [
  undefined,
  "cluster_size=65536,extended_l2=on",
  "cluster_size=131072,extended_l2=on",
  "cluster_size=65536",
  "cluster_size=4096",
  "cluster_size=65536,lazy_refcounts=on",
  "cluster_size=16384,extended_l2=on",
  "cluster_size=512",
];

test("QEMU and the clone agree on the same workload, in both directions", async (t) => {
  if (!tools(t)) return;
  for (let seed = 1; seed <= rounds(KINDS.length, 9 * KINDS.length); seed++) {
    const die = new Die(seed);
    const kind = KINDS[seed % KINDS.length];
    const size = 16 * MIB - die.below(2) * 512 * 7;
    const folder = workshop(size, seed);
    const [ours, theirs] = [folder.path("ours.qcow2"), folder.path("theirs.qcow2")];
    const backing = { file: "image.img", format: "raw" };
    try {
      const steps = workload(die, size, rounds(160, 300)).filter((step) => step.do !== "trim");
      qemu.create(theirs, kind ?? "cluster_size=65536,extended_l2=on", backing);
      qemu.io(theirs, forQemu(steps));
      if (kind === undefined) {
        await folder.clone("ours.qcow2");
        await play(ours, steps);
      } else {
        // A file that QEMU made and began to write, and that we go on with; then QEMU once more.
        qemu.create(ours, kind, backing);
        qemu.io(ours, forQemu(steps.slice(0, 50)));
        await play(ours, steps.slice(50, 130));
        qemu.io(ours, forQemu(steps.slice(130)));
      }
      const model = applied(folder.bytes.slice(), steps);
      const where = `seed ${seed}, ${kind ?? "our own file"}`;
      qemu.check(ours);
      qemu.compare(ours, theirs);
      expectSame(await contents(ours), model, `${where}: ours`);
      expectSame(await contents(theirs), model, `${where}: theirs`);
    } finally {
      folder.remove();
    }
  }
});

test("QEMU finds nothing wrong after any flush while the clone is open, and converts it to the same bytes", async (t) => {
  if (!tools(t)) return;
  const folder = workshop(8 * MIB);
  try {
    await folder.clone("a.qcow2");
    const clone = await openClone(folder.path("a.qcow2"));
    const model = folder.bytes.slice();
    const die = new Die(3);
    for (let i = 0; i < 5; i++) {
      for (const step of workload(die, clone.size, 40)) {
        if (step.do === "write") await clone.write(new Uint8Array(step.length).fill(step.value), step.offset);
        if (step.do === "zero") await clone.zero(step.offset, step.length, step.keep);
        applied(model, [step]);
      }
      await clone.flush();
      qemu.check(folder.path("a.qcow2"));
      qemu.img("convert", "-U", "-O", "raw", folder.path("a.qcow2"), folder.path("a.raw"));
      qemu.img("compare", "-q", "-U", folder.path("a.qcow2"), folder.path("a.raw"));
    }
    expectSame(readFileSync(folder.path("a.raw")), model, "converted");
    await clone.close();
  } finally {
    folder.remove();
  }
});
