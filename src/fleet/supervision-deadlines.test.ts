import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { STAGES } from "./boots.ts";
import { Deadlines, PATIENCE } from "./supervision-deadlines.ts";

const learned = (...ms: number[]) => {
  const deadlines = new Deadlines();
  for (const one of ms) deadlines.learn("n", { agent: one });
  return deadlines;
};

test("a node of which little is known has the first deadline of each stage", () => {
  const deadlines = learned(1_000, 1_000);
  assert.equal(deadlines.deadlineMs("n", "agent"), PATIENCE.agent.firstMs);
  assert.equal(deadlines.deadlineMs("other", "dhcp"), 60_000);
  assert.equal(deadlines.deadlineMs("n", "booted"), Number.POSITIVE_INFINITY);
});

test("a quick node's silence is noticed sooner, never below the floor", () => {
  assert.equal(learned(25_000, 30_000, 28_000).deadlineMs("n", "agent"), 90_000);
  assert.equal(learned(100, 100, 100).deadlineMs("n", "agent"), PATIENCE.agent.floorMs);
});

test("a slow node gets the time that it needs, never above the bound", () => {
  assert.equal(learned(100_000, 120_000, 90_000).deadlineMs("n", "agent"), 360_000);
  assert.equal(learned(800_000, 1, 1).deadlineMs("n", "agent"), PATIENCE.agent.mostMs);
});

test("only the last twenty good boots count", () => {
  const deadlines = learned(200_000, ...Array.from({ length: 20 }, () => 25_000));
  assert.equal(deadlines.deadlineMs("n", "agent"), 75_000);
  deadlines.forget("n");
  assert.equal(deadlines.deadlineMs("n", "agent"), PATIENCE.agent.firstMs);
});

test("floor ≤ first ≤ most, for every stage, and all of them follow the scale", () => {
  const deadlines = new Deadlines();
  for (const stage of STAGES) {
    if (stage === "booted") continue;
    const { floorMs, firstMs, mostMs } = PATIENCE[stage];
    assert.ok(floorMs <= firstMs && firstMs <= mostMs, stage);
    deadlines.scale = 0.01;
    assert.equal(deadlines.deadlineMs("n", stage), firstMs / 100);
  }
});

test("the deadlines in the documentation are those in the code", () => {
  const page = readFileSync("docs/supervision.md", "utf8");
  const told = [...page.matchAll(/^ +\| ([a-z-]+) \| (\d+) s \| (\d+) s \| (\d+) s \|$/gm)].map((row) =>
    row.slice(1),
  );
  assert.deepEqual(
    told,
    Object.entries(PATIENCE).map(([stage, { firstMs, floorMs, mostMs }]) => [
      stage,
      ...[firstMs, floorMs, mostMs].map((ms) => `${ms / 1000}`),
    ]),
  );
});
