// Ports: found, guarded, proved; switches that restart; what is told of them.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { BrambleError } from "../../base/errors.ts";
import { powerCommands } from "./commands.ts";
import { hasRestarted, startRounds } from "./rounds.ts";
import { findNodes, scanDevice } from "./scan.ts";
import { BY, eventually, powerBed } from "./testing.ts";

const CONTEXT = { by: BY.by, progress() {}, signal: AbortSignal.timeout(60_000) };
const soon = () => AbortSignal.timeout(10_000);

async function aRack(t: Parameters<typeof powerBed>[0], set = {}) {
  const bed = await powerBed(t);
  const { sw, device } = await bed.poeSwitch("sw1", {}, set);
  const nodes = [await bed.node(), await bed.node()];
  for (const [i, node] of nodes.entries()) sw.plug(i + 1, node.mac ?? "");
  sw.uplink(8, "02:00:5e:10:00:01", ["02:00:5e:10:00:02"]);
  await eventually(
    () => sw.read(1).detection === "deliveringPower" && sw.read(2).detection === "deliveringPower",
  );
  await scanDevice(bed.desk(), device, soon());
  const core = {
    book: bed.book,
    registry: bed.registry,
    journal: bed.journal,
    news: bed.news,
    power: bed.desk(),
  } as never;
  const commands = powerCommands(core, {} as never);
  return { ...bed, sw, device, nodes, commands };
}

test("a scan finds each board on its port, and binds it where it is asked to", async (t) => {
  const { desk, nodes, commands, registry } = await aRack(t);
  assert.deepEqual(
    findNodes(desk(), registry.all()).map(({ node, port }) => [node.name, port]),
    nodes.map(({ name }, i) => [name, `1.${i + 1}`]),
  );
  const found = await commands.scanSwitch({ switch: "sw1" }, CONTEXT);
  assert.deepEqual([found.length, found.some(({ bound }) => bound)], [2, false]);
  assert.equal(
    (await commands.scanSwitch({ switch: "sw1", bind: true }, CONTEXT)).every(({ bound }) => bound),
    true,
  );
  assert.deepEqual(await commands.scanSwitch({ switch: "sw1", bind: true }, CONTEXT), []);
  assert.equal(desk().view(nodes[1]?.id ?? "").proof, "fdb");
});

test("up-links, ports with many MACs and ports that say so are left alone, until a person allows one", async (t) => {
  const { desk, sw, device, nodes, commands } = await aRack(t);
  sw.alias(2, "do not touch: Uplink of the lab");
  sw.uplink(7, "02:00:5e:10:00:07", []);
  await scanDevice(desk(), device, soon());
  const ports = await commands.switchPorts({ switch: "sw1" }, CONTEXT);
  const why = (name: string) => ports.find((port) => port.name === name)?.guard;
  assert.equal(why("1"), undefined);
  assert.match(why("2") ?? "", /description says/);
  assert.match(why("7") ?? "", /another switch/);
  assert.match(why("8") ?? "", /another switch/);
  const node = nodes[1]?.name ?? "";
  await assert.rejects(commands.bindPower({ node, switch: "sw1", port: "2" }, CONTEXT), {
    code: "POWER_GUARDED",
  });
  const allowed = await commands.guardPort({ switch: "sw1", port: "2", guard: "allow" }, CONTEXT);
  assert.deepEqual([allowed.guard, allowed.allowed], [undefined, true]);
  await commands.bindPower({ node, switch: "sw1", port: "2" }, CONTEXT);
  await scanDevice(desk(), device, soon());
  assert.equal(
    (await commands.setPower({ node, want: "off" }, CONTEXT)).actual,
    "off",
    "a scan forgets no word of a person",
  );
  await commands.guardPort({ switch: "sw1", port: "2", guard: "refuse" }, CONTEXT);
  await assert.rejects(commands.setPower({ node, want: "cycle" }, CONTEXT), { code: "POWER_GUARDED" });
  assert.equal(
    (await commands.setPower({ node, want: "on" }, CONTEXT)).actual,
    "on",
    "giving power harms nobody",
  );
});

test("a board that was seen on another port is not cut by its old one", async (t) => {
  const { desk, sw, device, nodes, commands } = await aRack(t);
  await commands.scanSwitch({ switch: "sw1", bind: true }, CONTEXT);
  const [node] = nodes;
  sw.unplug(1);
  sw.plug(5, node?.mac ?? "");
  await eventually(() => sw.read(5).detection === "deliveringPower");
  await scanDevice(desk(), device, soon());
  assert.match(desk().view(node?.id ?? "").alarm ?? "", /node.moved: it was last seen on port 5 of sw1/);
  await assert.rejects(desk().set(node?.id ?? "", "off", BY), { code: "POWER_GUARDED" });
});

test("proof: the port's power goes and comes, and the one board that asks for an address is bound to it", async (t) => {
  const { sw, nodes, commands, registry } = await aRack(t, { offSeconds: 0.01 });
  const [first, second] = nodes;
  sw.on((port, state) => {
    // what a board on that port would do
    if (port === 2 && state === "deliveringPower") registry.see({ mac: second?.mac ?? "" }, Date.now() + 5);
  });
  const view = await commands.provePort({ switch: "sw1", port: "2" }, CONTEXT);
  assert.deepEqual([view.node, view.port, view.proof], [second?.name, "1.2", "power-toggle"]);
  assert.equal(first?.lastSeenMs === second?.lastSeenMs, false);
  assert.equal(sw.read(2).detection, "deliveringPower");
});

test("a switch that restarts is brought back to what its nodes should be", async (t) => {
  const { desk, sw, nodes, commands, journal, news, events } = await aRack(t, {
    every: 0.02,
    timeoutMs: 300,
  });
  await commands.scanSwitch({ switch: "sw1", bind: true }, CONTEXT);
  const [first, second] = nodes.map(({ id }) => id) as [string, string];
  const rounds = startRounds({ desk: desk(), journal, news, now: Date.now });
  t.after(() => rounds.close());
  await desk().set(first, "off", BY);
  await desk().set(second, "on", BY);
  await eventually(() => (desk().devices.byName("sw1")?.row.upTimeMs ?? 0) > 2_000);
  sw.reboot({ downMs: 20, forgets: true });
  await eventually(async () =>
    (await events(first)).some((words) => /has restarted, and left it otherwise/.test(words)),
  );
  await eventually(() => sw.read(1).detection === "disabled" && sw.read(2).detection === "deliveringPower");
  assert.deepEqual([desk().view(first).desired, desk().view(second).desired], ["off", "on"]);
});

test("a switch that falls silent is told once, its nodes are unknown, and both are over when it answers", async (t) => {
  const { desk, sw, device, nodes, commands, journal, news, events } = await aRack(t, { timeoutMs: 200 });
  await commands.scanSwitch({ switch: "sw1", bind: true }, CONTEXT);
  const [id = ""] = nodes.map((node) => node.id);
  const rounds = startRounds({ desk: desk(), journal, news, now: Date.now });
  t.after(() => rounds.close());
  await rounds.read(device);
  assert.equal(desk().view(id).actual, "on");
  sw.hang(true);
  await rounds.read(device);
  await rounds.read(device);
  assert.deepEqual(
    [desk().view(id).actual, desk().view(id).error?.includes("does not answer")],
    ["unknown", true],
  );
  assert.match((await commands.switches({}, CONTEXT))[0]?.error ?? "", /does not answer by SNMP/);
  sw.hang(false);
  await rounds.read(device);
  assert.deepEqual([desk().view(id).actual, desk().view(id).error], ["on", undefined]);
  const told = (await events()).filter((words) => words.startsWith("sw1: "));
  assert.deepEqual(told.filter((words) => /does not answer/.test(words)).length, 1);
  assert.ok(told.includes("sw1: it answers again"));
});

test("a restart is told from a clock that drifts and from time that has passed unseen", () => {
  const row = { upTimeMs: 100_000, upAtMs: 1_000_000 } as never;
  assert.equal(hasRestarted({ row }, 99_990, 1_000_001), true);
  assert.equal(hasRestarted({ row }, 100_500, 1_000_600), false);
  assert.equal(hasRestarted({ row }, 200_000, 1_100_000 + 1_000), false);
  assert.equal(
    hasRestarted({ row: { upTimeMs: 5_000, upAtMs: 1_000_000 } as never }, 15_000, 1_025_000),
    true,
    "again, soon after",
  );
  assert.equal(
    hasRestarted({ row }, 200_000, 1_000_000 + 3_600_000),
    true,
    "it says more than before, and too little",
  );
  assert.equal(hasRestarted({ row: { upTimeMs: null, upAtMs: null } as never }, 5, 5), false);
});

test("secrets are taken and never shown; what cannot be is told before anything is kept", async (t) => {
  const { commands, book, events, sw, heard } = await aRack(t);
  const secrets = { community: "rw", authKey: "top-secret-1" };
  const add = (name: string, more = {}) =>
    commands.addSwitch(
      {
        name,
        driver: "snmp",
        address: `${sw.host}:${sw.port}`,
        options: { timeoutMs: 300 },
        secrets,
        ...more,
      },
      CONTEXT,
    );
  const view = await add("sw2");
  assert.deepEqual([view.secrets, view.ports], [["community", "authKey"], 8]);
  await commands.setSwitch({ switch: "sw2", secrets: { community: "top-secret-2" } }, CONTEXT);
  const shown = JSON.stringify([
    await commands.switches({}, CONTEXT),
    await commands.switch({ switch: "sw2" }, CONTEXT),
    await commands.switchPorts({ switch: "sw2" }, CONTEXT),
    await events(),
    heard,
  ]);
  assert.doesNotMatch(shown, /top-secret/);
  await assert.rejects(add("sw2"), { code: "SWITCH_TAKEN" });
  await assert.rejects(add("sw3", { secrets: { community: "wrong" } }), (error: BrambleError) => {
    assert.equal(error.code, "POWER_UNREACHABLE");
    assert.doesNotMatch(`${error.message} ${error.hint}`, /wrong$/);
    return true;
  });
  await assert.rejects(add("sw3", { secrets: {} }), { code: "BAD_INPUT" });
  await assert.rejects(add("sw3", { driver: "exec" }), { code: "BAD_INPUT" });
  await assert.rejects(add("sw3", { driver: "shelly", address: "http://u:p@10.0.0.1" }), {
    code: "BAD_INPUT",
  });
  const names = await book.selectFrom("powerSwitch").select("name").execute();
  assert.deepEqual(names.map(({ name }) => name).sort(), ["sw1", "sw2"], "what did not answer is not kept");
  assert.equal((await add("sw3", { secrets: { community: "wrong" }, unseen: true })).name, "sw3");
});

test("a switch that gives nodes their power stays; one without goes with all that is known of it", async (t) => {
  const { commands, nodes, book } = await aRack(t);
  await commands.scanSwitch({ switch: "sw1", bind: true }, CONTEXT);
  await assert.rejects(commands.removeSwitch({ switch: "sw1" }, CONTEXT), { code: "SWITCH_IN_USE" });
  for (const { name } of nodes) await commands.unbindPower({ node: name }, CONTEXT);
  await commands.removeSwitch({ switch: "sw1" }, CONTEXT);
  for (const table of ["powerSwitch", "powerSecret", "powerPort", "powerBinding", "powerWant"] as const)
    assert.deepEqual(await book.selectFrom(table).selectAll().execute(), [], table);
  await assert.rejects(commands.switch({ switch: "sw1" }, CONTEXT), { code: "SWITCH_UNKNOWN" });
});

test("a place on a switch that we know is a binding, until somebody says otherwise", async (t) => {
  const { desk, nodes, registry } = await aRack(t);
  const [node] = nodes;
  assert.ok(node);
  await registry.patch(node, { place: { switch: "sw1", port: "1" } } as never);
  assert.deepEqual([desk().view(node.id).port, desk().view(node.id).proof], ["1.1", "place"]);
  assert.equal((await desk().set(node.id, "off", BY)).actual, "off");
});

test("the program that asks a node to shut down is a setting", async (t) => {
  const { commands } = await aRack(t);
  const standard = await commands.shutdown({}, CONTEXT);
  assert.deepEqual([standard.standard, standard.argv[0]], [true, "ssh"]);
  const argv = ["/usr/local/bin/halt", "{address}"];
  assert.deepEqual(await commands.setShutdown({ argv }, CONTEXT), { argv, standard: false });
  assert.deepEqual(await commands.setShutdown({ argv: null }, CONTEXT), standard);
});

test("a relay's circuit is learned when a node is bound, and finds the next board on that port", async (t) => {
  const { desk, nodes, commands, node } = await aRack(t);
  const [first] = nodes;
  assert.ok(first);
  desk().circuits.heard(first.id, "0106000400010101");
  await commands.bindPower({ node: first.name, switch: "sw1", port: "5" }, CONTEXT);
  const second = await node(); // in no table of the switch
  assert.deepEqual(
    (await commands.scanSwitch({ switch: "sw1" }, CONTEXT)).map((one) => one.node).includes(second.name),
    false,
  );
  desk().circuits.heard(second.id, "0106000400010101");
  await commands.unbindPower({ node: first.name }, CONTEXT);
  await commands.scanSwitch({ switch: "sw1", bind: true }, CONTEXT);
  assert.deepEqual([desk().view(second.id).port, desk().view(second.id).proof], ["1.5", "circuit"]);
});
