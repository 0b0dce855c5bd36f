import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Outcome } from "./boots.ts";
import { hear, supervise, type Watch, type WatchFact } from "./supervision.ts";

const RULES = { powerCycles: 3, backOffMs: [10_000, 30_000, 60_000] };
const ended = (outcome: Outcome): WatchFact => ({
  fact: "ended",
  outcome,
  words: `${outcome}.`,
  cause: "no-dhcp",
});
const anyTime = { canCycle: () => true, paused: () => false, free: Number.POSITIVE_INFINITY };

/** A node's watch over facts and times. */
function life() {
  let watch: Watch | undefined;
  let now = 0;
  return {
    hear(fact: WatchFact) {
      watch = hear(watch, "n", fact, RULES, now);
      return watch;
    },
    at(ms: number) {
      now = ms;
      return this;
    },
    due(around = anyTime) {
      return supervise(watch ? [watch] : [], now, around);
    },
    take(next: Watch) {
      watch = next;
    },
    get watch() {
      return watch;
    },
    get now() {
      return now;
    },
  };
}

test("a boot that comes up leaves nothing to watch", () => {
  const node = life();
  assert.equal(node.hear({ fact: "began" })?.tries, 1);
  assert.equal(node.hear(ended("booted")), undefined);
});

test("a boot that failed is cycled after 10, 30 and 60 s, three times, then the node is given up with the sentence", () => {
  const node = life();
  node.hear({ fact: "began" });
  const waited: number[] = [];
  for (let i = 0; i < 3; i++) {
    node.hear(ended("failed"));
    assert.equal(node.watch?.phase, "resting");
    const due = node.watch?.dueMs ?? 0;
    waited.push(due - node.now);
    assert.deepEqual(node.at(due - 1).due(), []);
    const [order] = node.at(due).due();
    assert.equal(order?.order, "cycle");
    assert.ok(order);
    node.take(order.watch);
    assert.deepEqual(node.due(), [], "one power cycle at a time");
    node.hear({ fact: "cycled" });
    node.hear({ fact: "began" });
  }
  assert.deepEqual(waited, [10_000, 30_000, 60_000]);
  const given = node.hear(ended("failed"));
  assert.deepEqual(
    [given?.phase, given?.gaveUp, given?.tries, given?.cycles, given?.words],
    ["failed", true, 4, 3, "failed."],
  );
  assert.deepEqual(node.at(10 ** 9).due(), []);
});

test("a node that is given up may come up by itself, and may not be cycled any more", () => {
  const node = life();
  node.take({ ...gone, gaveUp: true, phase: "failed", cycles: 3, tries: 4 });
  node.hear({ fact: "began" });
  assert.equal(node.hear(ended("failed"))?.phase, "failed");
  node.hear({ fact: "began" });
  assert.equal(node.hear(ended("booted")), undefined);
});

test("`again` begins anew with a power cycle at once", () => {
  const node = life();
  node.take({ ...gone, gaveUp: true, phase: "failed", cycles: 3, tries: 4 });
  const anew = node.hear({ fact: "again" });
  assert.deepEqual([anew?.gaveUp, anew?.cycles, anew?.tries], [false, 0, 0]);
  assert.equal(node.due()[0]?.order, "cycle");
});

test("a board that starts anew by itself while its power cycle is due goes on; fails it too, the cycle is due at once", () => {
  const node = life();
  node.hear({ fact: "began" });
  node.hear(ended("failed"));
  node.at(5_000).hear({ fact: "began" });
  assert.deepEqual(node.at(11_000).due(), [], "a boot that is under way is not cut off");
  node.at(50_000).hear(ended("failed"));
  assert.equal(node.due().length, 1);
  assert.equal(node.watch?.tries, 2);
});

test("a board that starts anew three times in a row is cycled in the middle of its boot", () => {
  const node = life();
  node.hear({ fact: "began" });
  for (let i = 0; i < 3; i++) {
    node.hear(ended("superseded"));
    node.hear({ fact: "began" });
  }
  assert.equal(node.watch?.phase, "booting");
  assert.equal(node.at(10_000).due()[0]?.order, "cycle");
});

test("a board that tries by itself while its power is about to be cut changes nothing about that", () => {
  const node = life();
  node.hear({ fact: "began" });
  node.hear(ended("failed"));
  const [order] = node.at(10_000).due();
  assert.ok(order);
  node.take(order.watch);
  assert.equal(node.hear({ fact: "began" })?.phase, "cycling");
  assert.equal(node.hear(ended("failed"))?.phase, "cycling");
  assert.deepEqual(node.at(10 ** 9).due(), []);
  assert.equal(node.hear({ fact: "cycled" })?.phase, "booting");
});

test("a node whose power nothing can switch waits, and says so once", () => {
  const node = life();
  node.hear({ fact: "began" });
  node.hear(ended("failed"));
  const unbound = { ...anyTime, canCycle: () => false };
  const [order] = node.at(10_000).due(unbound);
  assert.equal(order?.order, "wait");
  assert.ok(order);
  node.take(order.watch);
  assert.deepEqual(node.due(unbound), []);
  assert.equal(node.due()[0]?.order, "cycle", "as soon as a switch is bound to it");
});

test("maintenance leaves the power alone; what was due stays due", () => {
  const node = life();
  node.hear({ fact: "began" });
  node.hear(ended("failed"));
  assert.deepEqual(node.at(20_000).due({ ...anyTime, paused: () => true }), []);
  assert.equal(node.due().length, 1);
});

test("no more power cycles than there are places, the longest due first", () => {
  const watches = [3, 1, 2].map((dueMs) => ({
    ...gone,
    nodeId: `n${dueMs}`,
    phase: "resting" as const,
    dueMs,
  }));
  const orders = supervise(watches, 10, { ...anyTime, free: 2 });
  assert.deepEqual(
    orders.map(({ watch }) => watch.nodeId),
    ["n1", "n2"],
  );
  assert.deepEqual(supervise(watches, 10, { ...anyTime, free: 0.5 }), []);
});

test("a power cycle that could not be done does not count, and is tried again later", () => {
  const node = life();
  node.hear({ fact: "began" });
  node.hear(ended("failed"));
  const [order] = node.at(10_000).due();
  assert.ok(order);
  node.take(order.watch);
  const after = node.hear({ fact: "cycle-failed" });
  assert.deepEqual([after?.cycles, after?.phase, (after?.dueMs ?? 0) > 10_000], [0, "resting", true]);
});

test("a node that is to be off is nobody's business", () => {
  const node = life();
  node.hear({ fact: "began" });
  node.hear(ended("failed"));
  assert.equal(node.hear({ fact: "off" }), undefined);
});

test("whatever happens: never more power cycles than allowed, and no cycle that is due for a node that is given up", () => {
  const fact = fc.constantFrom<WatchFact>(
    { fact: "began" },
    ended("failed"),
    ended("superseded"),
    { fact: "revived" },
    { fact: "cycled" },
  );
  fc.assert(
    fc.property(fc.array(fc.tuple(fact, fc.nat(200_000)), { maxLength: 80 }), (facts) => {
      let watch: Watch | undefined;
      let now = 0;
      for (const [what, ms] of facts) {
        now += ms;
        watch = hear(watch, "n", what, RULES, now);
        for (const order of supervise(watch ? [watch] : [], now, anyTime)) watch = order.watch;
        assert.ok((watch?.cycles ?? 0) <= RULES.powerCycles);
        if (watch?.gaveUp) assert.equal(watch.dueMs, undefined);
      }
    }),
  );
});

const gone: Watch = {
  nodeId: "n",
  phase: "resting",
  sinceMs: 0,
  tries: 1,
  cycles: 0,
  restarts: 0,
  gaveUp: false,
};
