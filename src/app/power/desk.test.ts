// The power desk over SNMP to virtual switches.
import assert from "node:assert/strict";
import { test } from "node:test";
import { sql } from "kysely";
import type { BrambleError } from "../../base/errors.ts";
import type { PowerDeskOptions } from "./desk.ts";
import { openDriver } from "./open-driver.ts";
import { BY, eventually, powerBed, QUICK } from "./testing.ts";

const failure = async (promise: Promise<unknown>): Promise<BrambleError> =>
  promise.then(
    () => assert.fail("it did not fail"),
    (error: BrambleError) => error,
  );

async function aBoard(t: Parameters<typeof powerBed>[0], more = {}, set = {}, options = {}) {
  const bed = await powerBed(t, options);
  const { sw, device } = await bed.poeSwitch("sw1", more, set);
  const node = await bed.node();
  sw.plug(3, node.mac ?? "");
  await eventually(() => sw.read(3).detection === "deliveringPower");
  await bed.desk().bindings.bind(node, device, "1.3", "hand");
  const states: string[] = [];
  sw.on((port, state) => {
    if (port === 3) states.push(state);
  });
  return { ...bed, sw, device, node, states, id: node.id };
}

test("off and on end when the port was seen to be so, and say what they saw", async (t) => {
  const { desk, sw, id, states } = await aBoard(t);
  const off = await desk().set(id, "off", BY);
  assert.deepEqual([off.desired, off.actual, sw.read(3).detection], ["off", "off", "disabled"]);
  const on = await desk().set(id, "on", BY);
  assert.deepEqual([on.desired, on.actual, on.busy], ["on", "on", false]);
  assert.deepEqual(states, ["disabled", "searching", "deliveringPower"]);
  const before = sw.heard();
  await desk().set(id, "on", BY);
  assert.equal(sw.heard() - before, 1, "what is on already is looked at, and not ordered again");
});

test("a cycle is off, observed, and on, observed", async (t) => {
  const { desk, id, states } = await aBoard(t);
  assert.equal((await desk().set(id, "cycle", BY)).actual, "on");
  assert.deepEqual(states, ["disabled", "searching", "deliveringPower"]);
});

test("a switch that takes the order and does nothing is not believed", async (t) => {
  const { desk, sw, id, events } = await aBoard(t, {}, {}, { timings: { ...QUICK, reachMs: 40 } });
  sw.lie("ignores");
  const error = await failure(desk().set(id, "off", BY));
  assert.equal(error.code, "POWER_TIMEOUT");
  assert.match(`${error.message} ${error.hint}`, /deliveringPower.*did not carry it out/);
  assert.equal(desk().view(id).actual, "on");
  assert.match((await events(id)).join("\n"), /off failed/);
});

test("a SET that succeeds with an exception inside is a refusal", async (t) => {
  const { desk, sw, id } = await aBoard(t);
  sw.lie("no-such-instance");
  assert.equal((await failure(desk().set(id, "off", BY))).code, "POWER_REFUSED");
});

test("a port without a board that takes power says so", async (t) => {
  const { desk, sw, id } = await aBoard(t, {}, {}, { timings: { ...QUICK, reachMs: 40 } });
  await desk().set(id, "off", BY);
  sw.unplug(3);
  const error = await failure(desk().set(id, "on", BY));
  assert.equal(error.code, "POWER_TIMEOUT");
  assert.match(error.hint ?? "", /no board that takes power/);
  assert.equal(desk().view(id).actual, "searching");
});

test("a switch that answers late is waited for; one that never answers is told as such", async (t) => {
  const { desk, sw, id } = await aBoard(t, {}, { timeoutMs: 400 });
  sw.late(80);
  assert.equal((await desk().set(id, "off", BY)).actual, "off");
  sw.late(0);
  sw.hang(true);
  const error = await failure(desk().set(id, "on", BY));
  assert.equal(error.code, "POWER_UNREACHABLE");
  assert.match(error.hint ?? "", /wrong community/);
});

test("the newest request wins, the older ones are told so, and the port ends as the newest wants it", async (t) => {
  const { desk, sw, id } = await aBoard(t);
  const older = ["off", "cycle", "on", "off", "cycle", "on"].map((want) =>
    failure(desk().set(id, want as "on", BY)),
  );
  const newest = desk().set(id, "off", BY);
  for (const error of await Promise.all(older)) assert.equal(error.code, "POWER_SUPERSEDED");
  assert.equal((await newest).actual, "off");
  assert.equal(sw.read(3).detection, "disabled");
});

test("an off in the middle of a cycle ends off", async (t) => {
  const { desk, sw, id } = await aBoard(t, {}, { offSeconds: 0.05 });
  const cycle = failure(desk().set(id, "cycle", BY));
  await eventually(() => sw.read(3).detection === "disabled");
  assert.equal((await desk().set(id, "off", BY)).actual, "off");
  assert.equal((await cycle).code, "POWER_SUPERSEDED");
});

test("a second half of a cycle that fails is told, raises the alarm, and is tried until the board has power", async (t) => {
  const { desk, sw, id, events } = await aBoard(t, {}, {}, { timings: { ...QUICK, reachMs: 20 } });
  sw.lie("stays-off");
  assert.equal((await failure(desk().set(id, "cycle", BY))).code, "POWER_TIMEOUT");
  assert.deepEqual(
    [desk().view(id).alarm, desk().view(id).busy, desk().view(id).desired],
    ["power.stuck_off", true, "on"],
  );
  const before = sw.heard();
  await eventually(() => sw.heard() > before + 20);
  sw.lie(undefined);
  await eventually(() => desk().view(id).actual === "on" && !desk().view(id).busy);
  assert.equal(desk().view(id).alarm, undefined);
  const told = (await events(id)).join("\n");
  assert.match(told, /ALARM: it should be on/);
  assert.match(told, /the alarm is over/);
});

test("an on that takes over from such a cycle gives up no more than it did", async (t) => {
  const { desk, sw, id } = await aBoard(t, {}, {}, { timings: { ...QUICK, reachMs: 20 } });
  sw.lie("stays-off");
  await failure(desk().set(id, "cycle", BY));
  await failure(desk().set(id, "on", BY));
  assert.deepEqual([desk().view(id).alarm, desk().view(id).busy], ["power.stuck_off", true]);
  sw.lie(undefined);
  await eventually(() => desk().view(id).actual === "on" && !desk().view(id).busy);
});

test("what is under way survives our end: a cycle that was cut in two ends with power", async (t) => {
  const bed = await aBoard(t, {}, { offSeconds: 20 });
  const { sw, id } = bed;
  const cut = failure(bed.desk().set(id, "cycle", BY));
  await eventually(() => sw.read(3).detection === "disabled");
  const desk = await bed.again();
  assert.equal((await cut).code, "CANCELLED");
  assert.equal(sw.read(3).detection, "disabled");
  assert.equal(desk.view(id).desired, "on");
  const [device] = desk.devices.all();
  if (device) device.options.offSeconds = 0;
  desk.resume();
  await eventually(() => sw.read(3).detection === "deliveringPower" && !desk.view(id).busy);
  const third = await bed.again();
  third.resume();
  assert.equal(third.view(id).busy, false, "what is done is not done again");
});

test("a stuck alarm lasts over our end, and is worked on", async (t) => {
  const bed = await aBoard(t, {}, {}, { timings: { ...QUICK, reachMs: 20 } });
  bed.sw.lie("stays-off");
  await failure(bed.desk().set(bed.id, "cycle", BY));
  const desk = await bed.again();
  assert.equal(desk.view(bed.id).alarm, "power.stuck_off");
  desk.resume();
  bed.sw.lie(undefined);
  await eventually(() => desk.view(bed.id).actual === "on" && desk.view(bed.id).alarm === undefined);
});

test("a kill between any two writes of the book leaves no board dark, and no alarm that nobody works on", async (t) => {
  const bed = await aBoard(t, {}, {}, { timings: { ...QUICK, reachMs: 20 } });
  const { book, sw, id } = bed;
  await sql`create table seen as select * from "powerWant" where 0`.execute(book);
  for (const what of ["insert", "update"])
    await sql
      .raw(
        `create trigger seen_${what} after ${what} on "powerWant" begin insert into seen select * from "powerWant" where "nodeId" = new."nodeId"; end`,
      )
      .execute(book);
  // the first half fails, then the second one does and an `on` takes over
  sw.lie("ignores");
  await failure(bed.desk().set(id, "cycle", BY));
  sw.lie("stays-off");
  await failure(bed.desk().set(id, "cycle", BY));
  await failure(bed.desk().set(id, "on", BY));
  sw.lie(undefined);
  await eventually(() => bed.desk().view(id).alarm === undefined && !bed.desk().view(id).busy);
  const { rows } = await sql<Record<string, string | number | null>>`select * from seen`.execute(book);
  for (const what of ["insert", "update"]) await sql.raw(`drop trigger seen_${what}`).execute(book);
  assert.ok(rows.some(({ alarm }) => alarm !== null) && rows.some(({ doing }) => doing === "off-half"));
  for (const [n, row] of rows.entries()) {
    const isDark = row["doing"] === "on-half" || row["alarm"] !== null;
    await bed.desk().set(id, isDark ? "off" : "on", BY);
    await book.updateTable("powerWant").set(row).where("nodeId", "=", id).execute();
    const desk = await bed.again();
    desk.resume();
    await eventually(
      () =>
        !desk.view(id).busy &&
        desk.view(id).alarm === undefined &&
        sw.read(3).detection === "deliveringPower",
      3,
    ).catch(() => assert.fail(`after write ${n + 1} of ${rows.length}: ${JSON.stringify(row)}`));
  }
});

test("soft: its system is asked first, and its power is cut when its link is down", async (t) => {
  const bed = await aBoard(t, {}, {}, { timings: { ...QUICK, shutdownMs: 5_000 } });
  const { desk, sw, id, node, shutDown } = bed;
  const off = desk().set(id, "off", { ...BY, soft: true });
  await eventually(() => shutDown.length === 1);
  assert.deepEqual([shutDown, sw.read(3).detection], [[node.name], "deliveringPower"]);
  sw.link(3, false);
  assert.equal((await off).actual, "off");
});

test("a node that has halted by itself is brought up by off and on: its port delivers all the time", async (t) => {
  const { desk, id, states, sw } = await aBoard(t);
  sw.link(3, false);
  assert.equal((await desk().set(id, "on", BY)).actual, "on");
  assert.deepEqual(states, ["disabled", "searching", "deliveringPower"]);
  states.length = 0;
  await desk().set(id, "on", BY);
  assert.deepEqual(states, [], "its port came on a moment ago: its link may still come");
});

test("a node that was asked to shut down may have halted, its link up or not: the next on is off and on", async (t) => {
  const bed = await aBoard(t, {}, {}, { timings: { ...QUICK, shutdownMs: 5_000 } });
  const { desk, id, states, shutDown } = bed;
  const off = failure(desk().set(id, "off", { ...BY, soft: true }));
  await eventually(() => shutDown.length === 1);
  assert.equal((await desk().set(id, "on", BY)).actual, "on");
  assert.equal((await off).code, "POWER_SUPERSEDED");
  assert.deepEqual(states, ["disabled", "searching", "deliveringPower"]);
  states.length = 0;
  await desk().set(id, "on", BY);
  assert.deepEqual(states, [], "it was brought up");
});

for (const [what, link] of [
  ["does not tell of links", async () => undefined],
  ["cannot be asked for its link", () => Promise.reject(new Error("no such table"))],
] as const)
  test(`a board that is on is left alone where its switch ${what}`, async (t) => {
    const open: PowerDeskOptions["open"] = (wish) => Object.assign(openDriver(wish, Date.now), { link });
    const { desk, id, states } = await aBoard(t, {}, {}, { open });
    assert.equal((await desk().set(id, "on", BY)).actual, "on");
    assert.deepEqual(states, []);
  });

test("four questions at a time for one switch, and no board waits for ever", async (t) => {
  const bed = await powerBed(t);
  const { sw, device } = await bed.poeSwitch("sw1", { reactMs: 0, searchMs: 0 });
  const nodes = [];
  for (let port = 1; port <= 8; port++) {
    const node = await bed.node();
    nodes.push(node);
    sw.plug(port, node.mac ?? "");
    await bed.desk().bindings.bind(node, device, `1.${port}`, "hand");
  }
  sw.late(10);
  sw.mostAtOnce();
  await Promise.all(nodes.map(({ id }) => bed.desk().set(id, "off", BY)));
  assert.equal(sw.mostAtOnce(), 4);
  for (let port = 1; port <= 8; port++) assert.equal(sw.read(port).detection, "disabled");
});

test("boards of one switch get their power one after the other", async (t) => {
  const bed = await powerBed(t);
  const { sw, device } = await bed.poeSwitch("sw1", { reactMs: 0, searchMs: 0 });
  const nodes = [await bed.node(), await bed.node(), await bed.node()];
  for (const [i, node] of nodes.entries()) {
    sw.plug(i + 1, node.mac ?? "");
    await bed.desk().bindings.bind(node, device, `1.${i + 1}`, "hand");
  }
  await Promise.all(nodes.map(({ id }) => bed.desk().set(id, "off", BY)));
  const at: number[] = [];
  sw.on((_, state) => {
    if (state === "searching") at.push(performance.now());
  });
  await Promise.all(nodes.map(({ id }) => bed.desk().set(id, "on", BY)));
  const span = (at[2] ?? 0) - (at[0] ?? 0);
  assert.ok(span > 250, `four a second are 500 ms for three: ${span.toFixed(0)} ms`);
});

test("a switch with too little power left switches nothing on, and says how much it lacks", async (t) => {
  const { desk, sw, id } = await aBoard(t, { budgetW: 6 });
  await desk().set(id, "off", BY);
  const error = await failure(desk().set(id, "on", BY));
  assert.equal(error.code, "POWER_BUDGET");
  assert.match(error.message, /6 W left of 6, a board may take 7/);
  assert.equal(sw.read(3).adminOn, false);
});

test("an unknown binding is told with what to do", async (t) => {
  const bed = await powerBed(t);
  const node = await bed.node();
  assert.equal(bed.desk().isBound(node.id), false);
  assert.equal((await failure(bed.desk().set(node.id, "on", BY))).code, "POWER_UNBOUND");
});

test("readings are heard, and told as news", async (t) => {
  const { desk, id, heard } = await aBoard(t);
  const states: string[] = [];
  const stop = desk().on((nodeId, reading) => states.push(`${nodeId} ${reading.state}`));
  await desk().set(id, "off", BY);
  stop();
  await desk().set(id, "on", BY);
  assert.deepEqual(states, [`${id} on`, `${id} off`]);
  assert.ok(heard.some((one) => one.about === "power" && one.id === id));
});
