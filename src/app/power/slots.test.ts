import assert from "node:assert/strict";
import { test } from "node:test";
import { pacer, slots } from "./slots.ts";

test("slots let so many in, the others in their order, and a failure frees its slot", async () => {
  const limit = slots(2);
  const begun: number[] = [];
  const ends: (() => void)[] = [];
  const work = (n: number) =>
    limit(async () => {
      begun.push(n);
      await new Promise<void>((resolve) => ends.push(resolve));
      if (n === 1) throw new Error("no");
    }).catch(() => {});
  const all = [1, 2, 3, 4].map(work);
  assert.deepEqual(begun, [1, 2]);
  ends[0]?.();
  await all[0];
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(begun, [1, 2, 3]);
  for (let i = 1; i < 4; i++) {
    ends[i]?.();
    await all[i];
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.deepEqual(begun, [1, 2, 3, 4]);
});

test("a pacer spreads turns evenly, and a pause saves nothing up", () => {
  const turn = pacer(4);
  assert.deepEqual([turn(0), turn(0), turn(100)], [0, 250, 400]);
  assert.deepEqual([turn(10_000), turn(10_000)], [0, 250]);
});
