import assert from "node:assert/strict";
import { type ChildProcess, fork } from "node:child_process";
import { readdirSync } from "node:fs";
import { extname } from "node:path";
import { type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import { needs, which } from "../../../test/tools.ts";
import { Die, rounds } from "../testing/die.ts";
import type { Chain } from "./chain.ts";
import { type Clone, openClone } from "./clone.ts";
import { checkQcow2 } from "./testing/check.ts";
import type { Order } from "./testing/kill-child.ts";
import { DISK_SIZE, offsetOf, place, SECTOR, SECTORS } from "./testing/sectors.ts";
import { qemu, sectorWorkshop } from "./testing/workshop.ts";

/** kill -9 of a process that writes: the host lives on, and so must everything that was acknowledged. */
const CHILD = fileURLToPath(new URL(`./testing/kill-child${extname(import.meta.url)}`, import.meta.url));

/** What was done to the files: snapshots that were told of, and the verb whose answer is missing. */
interface Verbs {
  /** A snapshot holds at least what was acknowledged before it was asked for, and nothing that was sent after its answer. */
  kept: Map<string, { least: Uint32Array; most: Uint32Array }>;
  size: number;
}

interface Told {
  /** The newest value of each sector that was acknowledged, flushed, or only sent. */
  acknowledged: Uint32Array;
  flushed: Uint32Array;
  sent: Uint32Array;
}

const message = (child: ChildProcess) =>
  new Promise<{ done?: number; flushed?: number; verbDone?: number }>((resolve, reject) => {
    const died = (code: number | null) => reject(new Error(`the child ended by itself: ${code}`));
    child.once("exit", died);
    child.once("message", (what) => {
      child.off("exit", died);
      resolve(what as { done?: number; flushed?: number; verbDone?: number });
    });
  });

/** Some batches of writes in flight at once, and a verb now and then; then SIGKILL in the middle of the next. */
async function writeAndKill(
  path: string,
  die: Die,
  told: Told,
  how: { journal: boolean; value: number; verbs?: Verbs },
) {
  const child = fork(CHILD, [path, how.journal ? "yes" : "no"]);
  const gone = new Promise((resolve) => child.once("exit", resolve));
  await message(child);
  const orders = new Map<number, Order>();
  const batches = 3 + die.below(30);
  let [sent, done, value] = [0, 0, how.value];
  const { verbs } = how;
  let asked: { number: number; verb: NonNullable<Order["verb"]>; least: Uint32Array } | undefined;
  /** One at a time, so that it is known what an answer is about. */
  const nextVerb = (): Order["verb"] => {
    if (!verbs || asked || !die.oneIn(3)) return undefined;
    const names = [...verbs.kept.keys()];
    const kind = die.below(6);
    if (kind < 3) return { do: "snapshot", name: `s${value}` };
    if (kind < 4 && names.length > 0) return { do: "drop", name: die.pick(names) };
    return kind < 5 ? { do: "merge", name: "" } : { do: "resize", size: verbs.size + 70_000 };
  };
  const answered = () => {
    if (!verbs || !asked) return;
    const { verb, least } = asked;
    if (verb.do === "snapshot") verbs.kept.set(verb.name, { least, most: told.sent.slice() });
    else if (verb.do === "resize") verbs.size = verb.size;
    asked = undefined;
  };
  const send = () => {
    const writes = Array.from({ length: 1 + die.below(16) }, () => {
      const { first: sector, count } = place(die);
      value += 1;
      told.sent.fill(value, sector, sector + count);
      return { sector, count, offset: offsetOf(sector), value };
    });
    const verb = nextVerb();
    if (verb) asked = { number: sent, verb, least: told.acknowledged.slice() };
    if (verb?.do === "drop") verbs?.kept.delete(verb.name);
    const order: Order = { writes, flush: die.oneIn(6), number: sent, ...(verb ? { verb } : {}) };
    orders.set(sent, order);
    sent += 1;
    child.send(order);
  };
  const mark = (upTo: number, into: Uint32Array) => {
    for (let number = 0; number <= upTo; number++)
      for (const { sector, count, value } of orders.get(number)?.writes ?? [])
        for (let i = sector; i < sector + count; i++) into[i] = Math.max(into[i] as number, value);
  };
  send();
  send();
  while (done < batches) {
    const answer = await message(child);
    if (answer.done !== undefined) {
      done += 1;
      mark(answer.done, told.acknowledged);
      send();
    }
    if (answer.flushed !== undefined) mark(answer.flushed, told.flushed);
    if (answer.verbDone !== undefined) answered();
  }
  child.kill("SIGKILL");
  await gone;
  return value;
}

/** Sectors that are older than what was acknowledged, or flushed. */
async function losses(path: string, told: Told, journal: boolean) {
  const clone = await openClone(path, { journal });
  const lost = { acknowledged: 0, flushed: 0 };
  const bytes = new Uint8Array(SECTOR);
  const words = new Uint32Array(bytes.buffer);
  for (let sector = 0; sector < SECTORS; sector++) {
    await clone.read(bytes, offsetOf(sector));
    const value = words[0] as number;
    assert.ok(
      value <= Math.max(1, told.sent[sector] as number),
      `sector ${sector} has a value that nobody wrote`,
    );
    assert.ok(
      words.every((word, i) => word === words[i % 2]),
      `sector ${sector} is torn`,
    );
    if (value < (told.acknowledged[sector] as number)) lost.acknowledged += 1;
    if (value < (told.flushed[sector] as number)) lost.flushed += 1;
    told.acknowledged[sector] = value; // what it has now is what the next round may rely on
    told.flushed[sector] = value;
    told.sent[sector] = value;
  }
  await clone.close();
  return lost;
}

/** Snapshots that were told of hold what they must; the disk has not shrunk; merges that were cut off go on and change nothing. */
async function expectVerbs(path: string, verbs: Verbs): Promise<void> {
  const clone = await openClone(path, { merges: false });
  const chain = clone.chain as Chain;
  try {
    for (const [name, { least, most }] of verbs.kept) {
      const { disk, release } = await chain.hold(name);
      for (const [sector, value] of (await readValues(disk)).entries())
        assert.ok(
          value >= Math.max(1, least[sector] as number) && value <= Math.max(1, most[sector] as number),
          `snapshot ${name}: sector ${sector} is ${value}, may be ${least[sector]} to ${most[sector]}`,
        );
      release();
    }
    assert.ok(clone.size >= verbs.size, `${clone.size} bytes, should be ${verbs.size}`);
    verbs.size = clone.size;
    const before = await readValues(clone);
    await chain.merge();
    assert.deepEqual(await readValues(clone), before, "after the merges");
    assert.ok(chain.space().chained <= 4);
    for (const { name } of chain.list()) if (!verbs.kept.has(name)) await chain.drop(name);
  } finally {
    await clone.close();
  }
}

async function readValues(disk: Pick<Clone, "read">): Promise<Uint32Array> {
  const values = new Uint32Array(SECTORS);
  const bytes = new Uint8Array(SECTOR);
  for (let sector = 0; sector < SECTORS; sector++) {
    await disk.read(bytes, offsetOf(sector));
    const words = new Uint32Array(bytes.buffer);
    assert.ok(
      words.every((word, i) => word === words[i % 2]),
      `sector ${sector} is torn`,
    );
    values[sector] = words[0] as number;
  }
  return values;
}

async function story(t: TestContext, times: number, journal: boolean) {
  const folder = await sectorWorkshop();
  const total = { acknowledged: 0, flushed: 0 };
  try {
    const path = folder.path("c.qcow2");
    const told = {
      acknowledged: new Uint32Array(SECTORS),
      flushed: new Uint32Array(SECTORS),
      sent: new Uint32Array(SECTORS),
    };
    let value = 1;
    for (let seed = 1; seed <= times; seed++) {
      value = await writeAndKill(path, new Die(seed), told, { journal, value });
      assert.deepEqual(checkQcow2(path).corruptions, [], "as the kill left it");
      if (which("qemu-img")) qemu.checkLeaks(path);
      const lost = await losses(path, told, journal);
      total.acknowledged += lost.acknowledged;
      total.flushed += lost.flushed;
      assert.deepEqual(checkQcow2(path), { corruptions: [], leaks: 0 });
    }
    t.diagnostic(JSON.stringify({ journal, kills: times, lost: total }));
  } finally {
    folder.remove();
  }
  return total;
}

test("kill -9 loses no acknowledged write", async (t) => {
  if (!needs(t, "qemu-img", "qemu-utils")) return;
  assert.deepEqual(await story(t, rounds(2, 40), true), { acknowledged: 0, flushed: 0 });
});

test("kill -9 during snapshots, drops, merges and growth loses no acknowledged write and no snapshot", async (t) => {
  if (!needs(t, "qemu-img", "qemu-utils")) return;
  const folder = await sectorWorkshop();
  try {
    const path = folder.path("c.qcow2");
    const fresh = () => new Uint32Array(SECTORS);
    const told = { acknowledged: fresh(), flushed: fresh(), sent: fresh() };
    const verbs: Verbs = { kept: new Map(), size: DISK_SIZE };
    let value = 1;
    let snapshots = 0;
    const kills = rounds(3, 60);
    // on a busy machine the first kills may come before the first snapshot
    for (let seed = 1; seed <= kills || (snapshots === 0 && seed <= 5 * kills); seed++) {
      const before = verbs.kept.size;
      value = await writeAndKill(path, new Die(seed + 100), told, { journal: true, value, verbs });
      snapshots += Math.max(0, verbs.kept.size - before);
      for (const name of readdirSync(folder.path("")).filter((one) => /^c\.qcow2(\.\d+)?$/.test(one))) {
        assert.deepEqual(checkQcow2(folder.path(name)).corruptions, [], `${name} as the kill left it`);
        qemu.checkLeaks(folder.path(name));
      }
      qemu.img("convert", "-O", "raw", path, folder.path("flat.raw")); // it opens the chain, whatever was under way
      assert.deepEqual(await losses(path, told, true), { acknowledged: 0, flushed: 0 });
      await expectVerbs(path, verbs);
    }
    t.diagnostic(JSON.stringify({ kills, snapshots, left: verbs.kept.size }));
    assert.ok(snapshots > 0);
  } finally {
    folder.remove();
  }
});

test("and this test bites: without journal acknowledged writes are lost, flushed ones are not", async (t) => {
  let acknowledged = 0;
  // A commit may have come just before the kill, on a busy machine more than once.
  for (let turn = 0; turn < 10 && acknowledged === 0; turn++) {
    const lost = await story(t, rounds(1, 10), false);
    acknowledged += lost.acknowledged;
    assert.equal(lost.flushed, 0);
  }
  assert.ok(acknowledged > 0, "losses are seen");
});
