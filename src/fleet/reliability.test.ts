import assert from "node:assert/strict";
import { test } from "node:test";
import { reliability, type Try } from "./reliability.ts";

const DHCP = { dhcp: 1_000 };
const good = (tries: number, seconds: number): Try => ({
  outcome: "booted",
  startedMs: 0,
  endedMs: 1_000 + seconds * 1000,
  reached: { ...DHCP, firmware: 2_000, booted: 1_000 + seconds * 1000 },
  tries,
  gaveUp: false,
});
const bad = (cause: string, gaveUp = false): Try => ({
  outcome: "failed",
  startedMs: 0,
  endedMs: 9,
  reached: DHCP,
  tries: 1,
  gaveUp,
  cause,
});

test("a board that came up at its third try counts once, and not as a first try", () => {
  const found = reliability([
    good(3, 30),
    bad("no-dhcp"),
    bad("no-dhcp"),
    good(1, 20),
    good(1, 20),
    good(1, 20),
  ]);
  assert.deepEqual([found.boots, found.firstTry, found.failed, found.givenUp], [4, 0.75, 2, 0]);
  assert.deepEqual(found.causes, [{ cause: "no-dhcp", times: 2 }]);
});

test("a board that came up at its second try was no first try either", () => {
  assert.equal(reliability([good(2, 20), bad("no-dhcp"), good(1, 20)]).firstTry, 0.5);
});

test("a node that was given up is a boot that never came up", () => {
  const found = reliability([bad("no-link", true), good(1, 20)]);
  assert.deepEqual([found.boots, found.firstTry, found.givenUp], [2, 0.5, 1]);
});

test("times are from the first request; each stage lasts until the next", () => {
  const found = reliability(Array.from({ length: 100 }, (_, i) => good(1, i + 1)));
  assert.deepEqual(found.seconds, { p50: 51, p95: 96 });
  assert.deepEqual(
    found.stages.map(({ stage, p50 }) => [stage, p50]),
    [
      ["dhcp", 1],
      ["firmware", 50],
    ],
  );
});

test("more than two failures in the last twenty tries are flaky, older ones are not", () => {
  const fine = Array.from({ length: 20 }, () => good(1, 9));
  assert.equal(reliability([bad("a"), bad("b"), ...fine]).flaky, false);
  assert.equal(reliability([bad("a"), bad("b"), bad("c"), ...fine]).flaky, true);
  assert.equal(reliability([...fine, bad("a"), bad("b"), bad("c")]).flaky, false);
});

test("a reboot that was asked for is no failure, a loop is one", () => {
  const restarted = (cause: string): Try => ({ ...bad(cause), outcome: "superseded" });
  assert.equal(reliability([restarted("restarted")]).failed, 0);
  assert.equal(reliability([restarted("boot-loop")]).failed, 1);
  assert.deepEqual(reliability([]), {
    boots: 0,
    firstTry: 0,
    failed: 0,
    givenUp: 0,
    stages: [],
    causes: [],
    flaky: false,
  });
});
