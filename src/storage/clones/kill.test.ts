import assert from "node:assert/strict";
import { type ChildProcess, fork } from "node:child_process";
import { extname } from "node:path";
import { type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import { needs, which } from "../../../test/tools.ts";
import { Die, rounds } from "../testing/die.ts";
import { openClone } from "./clone.ts";
import { checkQcow2 } from "./testing/check.ts";
import type { Order } from "./testing/kill-child.ts";
import { offsetOf, place, SECTOR, SECTORS } from "./testing/sectors.ts";
import { qemu, sectorWorkshop } from "./testing/workshop.ts";

/** kill -9 of a process that writes: the host lives on, and so must everything that was acknowledged. */
const CHILD = fileURLToPath(new URL(`./testing/kill-child${extname(import.meta.url)}`, import.meta.url));

interface Told {
  /** The newest value of each sector that was acknowledged, flushed, or only sent. */
  acknowledged: Uint32Array;
  flushed: Uint32Array;
  sent: Uint32Array;
}

const message = (child: ChildProcess) =>
  new Promise<{ done?: number; flushed?: number }>((resolve, reject) => {
    const died = (code: number | null) => reject(new Error(`the child ended by itself: ${code}`));
    child.once("exit", died);
    child.once("message", (what) => {
      child.off("exit", died);
      resolve(what as { done?: number; flushed?: number });
    });
  });

/** Some batches of writes in flight at once; then SIGKILL in the middle of the next. */
async function writeAndKill(path: string, die: Die, told: Told, how: { journal: boolean; value: number }) {
  const child = fork(CHILD, [path, how.journal ? "yes" : "no"]);
  const gone = new Promise((resolve) => child.once("exit", resolve));
  await message(child);
  const orders = new Map<number, Order>();
  const batches = 3 + die.below(30);
  let [sent, done, value] = [0, 0, how.value];
  const send = () => {
    const writes = Array.from({ length: 1 + die.below(16) }, () => {
      const { first: sector, count } = place(die);
      value += 1;
      told.sent.fill(value, sector, sector + count);
      return { sector, count, offset: offsetOf(sector), value };
    });
    const order = { writes, flush: die.oneIn(6), number: sent };
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

test("and this test bites: without journal acknowledged writes are lost, flushed ones are not", async (t) => {
  const lost = await story(t, rounds(1, 10), false);
  assert.ok(lost.acknowledged > 0, "losses are seen");
  assert.equal(lost.flushed, 0);
});
