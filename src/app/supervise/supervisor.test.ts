import assert from "node:assert/strict";
import { test } from "node:test";
import { superviseCommands } from "./commands.ts";
import { writeSupervision } from "./settings.ts";
import { node, world } from "./testing.ts";

test("a boot that failed is power cycled after its back-off; the next one says that it is the second try", async (t) => {
  const w = await world(t);
  const pi = await node(w);
  w.power.bound.add(pi.id);
  w.power.sights.set(pi.id, { switch: "poe-1" });
  await w.stall(pi, "agent");
  assert.deepEqual([w.watch.sight(pi)?.phase, w.power.asked.length], ["resting", 0]);
  await w.later(10_000);
  assert.match(w.power.asked[0]?.why ?? "", /power cycle 1 of 3: The agent started/);
  assert.equal(w.watch.sight(pi)?.phase, "cycling");
  w.power.asked[0]?.done();
  await w.settled();
  assert.deepEqual([w.desk.current(pi.id)?.stage, w.desk.current(pi.id)?.tries], ["power", 2]);
  w.obey(w.desk.discover(pi.id, "x", w.clock.now, false).orders);
  w.obey(w.desk.step(pi.id, { atMs: w.clock.now, kind: "agent", words: "up" }, "booted"));
  await w.settled();
  const row = await w.core.book
    .selectFrom("boot")
    .selectAll()
    .where("outcome", "=", "booted")
    .executeTakeFirstOrThrow();
  assert.deepEqual([row.tries, row.switch], [2, "poe-1"]);
  assert.match(row.verdict ?? "", /at try 2/);
  assert.equal(w.watch.sight(pi), undefined);
});

test("a dead board ends as failed with the sentence, not in a loop", async (t) => {
  const w = await world(t);
  const pi = await node(w);
  w.power.bound.add(pi.id);
  await w.stall(pi, "dhcp");
  for (let i = 0; i < 20; i++) {
    await w.later(60_000);
    for (const one of w.power.asked) one.done();
    await w.settled();
    await w.later(90_000);
  }
  assert.equal(w.power.asked.length, 3);
  assert.equal(w.watch.sight(pi)?.phase, "failed");
  const events = await w.fake.events(pi);
  assert.ok(
    events.includes(
      "given up after 4 tries and 3 power cycles: It has power, but no DHCP request of it was heard.",
    ),
    events.join("\n"),
  );
  const gone = await w.core.book.selectFrom("boot").select("cause").where("gaveUp", "=", 1).execute();
  assert.deepEqual(gone, [{ cause: "no-dhcp" }]);
});

test("without a power driver it says so in words, once, and waits", async (t) => {
  const w = await world(t);
  const pi = await node(w);
  await w.stall(pi, "kernel");
  for (let i = 0; i < 5; i++) await w.later(30_000);
  const told = (await w.fake.events(pi)).filter((words) =>
    /nothing of ours can switch its power/.test(words),
  );
  assert.equal(told.length, 1);
  assert.equal(w.watch.sight(pi)?.phase, "waiting");
  w.power.bound.add(pi.id);
  await w.later(1_000);
  assert.equal(w.power.asked.length, 1, "a switch was bound to it since");
});

test("maintenance leaves its power alone until it is over; so does a pause for all", async (t) => {
  const w = await world(t);
  const pi = await node(w);
  w.power.bound.add(pi.id);
  pi.maintenance = "a new fan";
  await w.stall(pi, "root");
  await w.later(100_000);
  assert.deepEqual([w.power.asked.length, w.watch.sight(pi)?.paused], [0, true]);
  delete pi.maintenance;
  const commands = superviseCommands(w.core, { supervisor: w.watch });
  await commands.setSupervision({ paused: true }, undefined as never);
  await w.later(1_000);
  assert.equal(w.power.asked.length, 0);
  await commands.setSupervision({ paused: false }, undefined as never);
  await w.later(1_000);
  assert.equal(w.power.asked.length, 1);
});

test("a board that is up before its switch has told that it is on is left alone", async (t) => {
  const w = await world(t);
  const pi = await node(w);
  w.power.bound.add(pi.id);
  w.power.read(pi, "on");
  await w.stall(pi, "agent");
  await w.later(600_000);
  assert.equal(w.power.asked.length, 1);
  w.clock.now += 100;
  w.power.read(pi, "off");
  w.clock.now += 3_000;
  w.obey(w.desk.discover(pi.id, "fast", w.clock.now, false).orders);
  w.clock.now += 900;
  w.obey(w.desk.step(pi.id, { atMs: w.clock.now, kind: "agent", words: "up" }, "booted"));
  w.clock.now += 100;
  w.power.read(pi, "on");
  w.power.asked[0]?.done();
  await w.settled();
  assert.equal(w.desk.current(pi.id), undefined, "no boot is expected");
  await w.later(600_000);
  await w.later(600_000);
  assert.equal(w.power.asked.length, 1, "its power is not cut again");
});

test("a power cycle stands in the book before anybody is asked for it", async (t) => {
  const w = await world(t);
  const pi = await node(w);
  w.power.bound.add(pi.id);
  const seen: Promise<{ phase: string; cycles: number } | undefined>[] = [];
  w.power.power.set = () => {
    seen.push(w.core.book.selectFrom("watch").select(["phase", "cycles"]).executeTakeFirst());
    return new Promise(() => {});
  };
  await w.stall(pi, "agent");
  await w.later(10_000);
  assert.deepEqual(await Promise.all(seen), [{ phase: "cycling", cycles: 1 }]);
});

test("a kill between order and end of a power cycle costs one cycle, and gives none more: all else is as it was", async (t) => {
  const first = await world(t);
  const pi = await node(first);
  first.power.bound.add(pi.id);
  await first.stall(pi, "agent");
  await first.later(10_000);
  assert.equal(first.power.asked.length, 1);
  // killed here: nothing of the first one's memory is left
  const second = await world(t, { core: first.fake });
  second.power.bound.add(pi.id);
  await second.later(0);
  assert.deepEqual(
    [second.watch.sight(pi)?.phase, second.watch.sight(pi)?.powerCycles, second.watch.sight(pi)?.tries],
    ["booting", 1, 2],
  );
  assert.equal(second.desk.current(pi.id)?.stage, "power");
  for (let i = 0; i < 10; i++) {
    await second.later(90_000);
    for (const one of second.power.asked) one.done();
    await second.settled();
  }
  assert.equal(first.power.asked.length + second.power.asked.length, 3);
  assert.equal(second.watch.sight(pi)?.phase, "failed");
  const third = await world(t, { core: first.fake });
  assert.equal(third.watch.sight(pi)?.phase, "failed", "also over a restart");
});

test("a power cycle that the power desk takes up after a kill is still ours: its node keeps its tries", async (t) => {
  const first = await world(t);
  const pi = await node(first);
  first.power.bound.add(pi.id);
  await first.stall(pi, "agent");
  await first.later(10_000);
  const second = await world(t, { core: first.fake });
  second.power.bound.add(pi.id);
  second.power.sights.set(pi.id, { busy: true, desired: "on" });
  await second.later(1_000);
  second.power.read(pi, "off");
  second.power.read(pi, "on");
  assert.equal(second.watch.sight(pi)?.phase, "cycling");
  second.power.sights.set(pi.id, { busy: false, desired: "on" });
  await second.later(1_000);
  assert.deepEqual(
    [second.watch.sight(pi)?.phase, second.watch.sight(pi)?.powerCycles, second.watch.sight(pi)?.tries],
    ["booting", 1, 2],
  );
});

test("a switch that is away does not count as a power cycle, and is told", async (t) => {
  const w = await world(t);
  const pi = await node(w);
  w.power.bound.add(pi.id);
  await w.stall(pi, "agent");
  await w.later(10_000);
  w.power.asked[0]?.fail("POWER_FAILED");
  await w.settled();
  assert.deepEqual([w.watch.sight(pi)?.phase, w.watch.sight(pi)?.powerCycles], ["resting", 0]);
  assert.ok((await w.fake.events(pi)).some((words) => /could not be cycled: the switch is away/.test(words)));
  await w.later(60_000);
  assert.equal(w.power.asked.length, 2);
});

test("power that somebody cuts ends the boot without a failure; power that comes begins one", async (t) => {
  const w = await world(t);
  const pi = await node(w);
  w.power.bound.add(pi.id);
  w.power.read(pi, "off");
  w.power.read(pi, "on");
  assert.equal(w.desk.current(pi.id)?.stage, "power");
  w.power.read(pi, "off");
  await w.later(500_000);
  assert.equal(w.watch.sight(pi), undefined);
  assert.equal(w.power.asked.length, 0);
  const rows = await w.core.book.selectFrom("boot").select(["outcome", "verdict"]).execute();
  assert.deepEqual(rows, [{ outcome: "stopped", verdict: "Its power was switched off." }]);
});

test("while the power desk is busy with a node, or has an alarm about it, nothing is ordered from it", async (t) => {
  const w = await world(t);
  const pi = await node(w);
  w.power.bound.add(pi.id);
  w.power.sights.set(pi.id, { alarm: "power.stuck_off" });
  await w.stall(pi, "agent");
  await w.later(60_000);
  w.power.sights.set(pi.id, { busy: true });
  await w.later(1_000);
  assert.equal(w.power.asked.length, 0);
  w.power.sights.set(pi.id, { busy: false });
  await w.later(1_000);
  assert.equal(w.power.asked.length, 1);
});

test("a switch that was away for a while does not make its running nodes boot", async (t) => {
  const w = await world(t);
  const pi = await node(w);
  for (const state of ["on", "unknown", "on"] as const) w.power.read(pi, state);
  assert.equal(w.desk.current(pi.id), undefined);
});

test("a node that nobody has enrolled is not expected to boot when its power comes", async (t) => {
  const w = await world(t);
  const pi = await node(w, "10000001", "discovered");
  w.power.read(pi, "off");
  w.power.read(pi, "on");
  assert.equal(w.desk.current(pi.id), undefined);
});

test("retry: without a power driver it is refused with words; with one it begins at once", async (t) => {
  const w = await world(t);
  const pi = await node(w);
  const commands = superviseCommands(w.core, { supervisor: w.watch });
  await assert.rejects(commands.retryNode({ node: pi.name }, undefined as never), { code: "NOT_AVAILABLE" });
  await assert.rejects(superviseCommands(w.core).retryNode({ node: pi.name }, undefined as never), {
    code: "NOT_AVAILABLE",
  });
  w.power.bound.add(pi.id);
  const sight = await commands.retryNode({ node: pi.name }, undefined as never);
  assert.deepEqual([sight.phase, sight.tries], ["cycling", 0]);
  await w.settled();
  assert.equal(w.power.asked.length, 1);
});

test("settings that cannot be are refused, and nothing is changed", async (t) => {
  const w = await world(t);
  const bad = [
    { bootsAtOnce: 0 },
    { powerCycles: -1 },
    { powerCycles: 1.5 },
    { backOffSeconds: [] },
    { backOffSeconds: [-1] },
    { deadlineScale: 0 },
    { deadlineScale: Number.NaN },
  ];
  for (const patch of bad)
    await assert.rejects(writeSupervision(w.core.book, patch), { code: "BAD_INPUT" }, JSON.stringify(patch));
  const { powerCycles, backOffSeconds } = await superviseCommands(w.core).supervision({}, undefined as never);
  assert.deepEqual([powerCycles, backOffSeconds], [3, [10, 30, 60]]);
});
