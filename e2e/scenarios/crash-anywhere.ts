import assert from "node:assert/strict";
import type { Calls, NodeView } from "../../src/api/contract.ts";
import type { LifeEventView } from "../../src/api/life-contract.ts";
import { dice } from "../../src/sim/dice.ts";
import { fleetOf } from "../../src/sim/run-fleet.ts";
import { type Loopback, startLoopback, until } from "../bed/loopback.ts";
import { switchedRack } from "../bed/switched-rack.ts";
import type { Scenario, Stage } from "../scenario.ts";

const BOARDS = 20;
const DEPLOYMENTS = 200;
const KILLS = 5;
const EACH = DEPLOYMENTS / BOARDS;
const LOOPBACK = { server: "127.0.0.1", dhcpPort: 0, tftpPort: 0 };

/** The server is killed at random moments of 200 deployments: no event that was answered is lost, no node is stuck, nothing is done twice. */
export const scenario: Scenario = {
  name: "crash-anywhere",
  tier: "ci",
  budgetSeconds: 180,
  needs: [],
  assets: [],
  async run(t) {
    const bramble = await startLoopback(t);
    const { commands } = bramble;
    await commands.setSupervision({ deadlineScale: 0.04, backOffSeconds: [0.2, 0.3, 0.5], powerCycles: 12 });
    const powerOns = await plugIn(t, bramble);
    const before = powerOns();
    const started = Date.now();
    const asked = new Map<string, number>();
    const seed = Date.now() % 100_000;
    t.say(`dice ${seed}`);
    const work = deployAll(commands, asked);
    const kills = killSometimes(bramble, asked, dice(seed));
    await Promise.all([work, kills]);
    const seconds = ((Date.now() - started) / 1000).toFixed(1);
    t.say(`${DEPLOYMENTS} deployments of ${BOARDS} boards, killed ${await kills} times, in ${seconds} s`);
    await judge(t, commands, asked, powerOns() - before);
  },
};

/** Gives back how often power came on in all. */
async function plugIn(t: Stage, bramble: Loopback): Promise<() => number> {
  const pis = fleetOf({ count: BOARDS, models: ["4B"], ...LOOPBACK }).map((pi, i) => ({ port: i + 1, pi }));
  const powerOns = await switchedRack(t, bramble, pis, {
    searchMs: 50,
    states: () => states(bramble.commands),
  });
  return () => pis.reduce((sum, { port }) => sum + powerOns(port), 0);
}

/** The server may be away, or go away while it answers. */
async function ask<T>(call: () => Promise<T>): Promise<T | undefined> {
  try {
    return await call();
  } catch (error) {
    if ((error as { code?: string }).code === "SERVER_GONE") return undefined;
    throw error;
  }
}

/** Each node again as soon as it is deployed. An answer that got lost is asked for again with the same version: it counts once. */
async function deployAll(commands: Calls, asked: Map<string, number>): Promise<void> {
  const done = () => [...asked.values()].reduce((sum, n) => sum + n, 0);
  await until(
    240,
    async () => {
      const all = done() === DEPLOYMENTS; // else what is asked for below has only begun
      const nodes = (await ask(() => commands.nodes({}))) ?? [];
      await Promise.all(nodes.map((node) => deployAgain(commands, asked, node)));
      const rest = nodes.length === BOARDS && nodes.every(({ state }) => state === "deployed");
      return (rest && all) || undefined;
    },
    async () => `${done()} asked for; ${await states(commands)}`,
  );
}

async function deployAgain(commands: Calls, asked: Map<string, number>, node: NodeView): Promise<void> {
  const n = asked.get(node.id) ?? 0;
  if (node.state !== "deployed" || n >= EACH) return;
  const order = {
    node: node.id,
    action: "reinstall",
    version: node.version,
    reason: `number ${n + 1}`,
  } as const;
  try {
    const life = await ask(() => commands.actNode(order));
    if (life) asked.set(node.id, n + 1);
    else if (await wasDone(commands, node, order.reason)) asked.set(node.id, n + 1);
  } catch (error) {
    // ours, whose answer was lost: it is seen in the history
    if ((error as { code?: string }).code !== "NODE_CHANGED") throw error;
  }
}

/** After a lost answer: whether it stands in the node's history. */
async function wasDone(commands: Calls, node: NodeView, reason: string): Promise<boolean> {
  for (;;) {
    const rows = await ask(() => commands.lifeHistory({ node: node.id, limit: 1000 }));
    if (rows) return rows.some(({ words }) => words.endsWith(`: ${reason}`));
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** At moments that the dice choose, spread over the deployments. */
async function killSometimes(
  bramble: Loopback,
  asked: ReadonlyMap<string, number>,
  random: () => number,
): Promise<number> {
  let kills = 0;
  const done = () => [...asked.values()].reduce((sum, n) => sum + n, 0);
  while (kills < KILLS) {
    const after = ((kills + random()) * DEPLOYMENTS) / (KILLS + 1);
    await until(
      240,
      async () => done() >= after || undefined,
      () => `${done()} deployments`,
    );
    await new Promise((resolve) => setTimeout(resolve, random() * 400));
    await bramble.killed();
    kills += 1;
  }
  return kills;
}

async function judge(
  t: Stage,
  commands: Calls,
  asked: ReadonlyMap<string, number>,
  powerOns: number,
): Promise<void> {
  let installs = 0;
  let cycles = 0;
  for (const node of await commands.nodes({})) {
    const past = (await commands.lifeHistory({ node: node.id, limit: 1000 })).reverse();
    whole(past, node);
    const orders = past
      .filter(({ event }) => event === "reinstall")
      .map(({ words }) => /number (\d+)$/.exec(words)?.[1]);
    const wanted = Array.from({ length: asked.get(node.id) ?? 0 }, (_, i) => String(i + 1));
    assert.deepEqual(orders, wanted, `${node.name}: each deployment once, in its order`);
    const installed = past.filter(({ event }) => event === "installed").length;
    assert.equal(installed, EACH, `${node.name}: each was done once`);
    const ups = past.filter(({ event }) => event === "phone_home").length;
    assert.equal(ups, EACH, `${node.name}: each came up once`);
    assert.deepEqual(
      (await commands.life({ node: node.id })).todo,
      [],
      `${node.name}: nothing is left to be done`,
    );
    const told = (await commands.events({ node: node.id, limit: 1000 })).map(({ words }) => words);
    const made = told.filter((words) => /^a clone of demo/.test(words)).length;
    // one made at its first boot; a kill between a clone and its line loses the line, never the clone
    assert.ok(made <= EACH + 1 && made >= EACH + 1 - KILLS, `${node.name}: ${made} clones`);
    installs += installed;
    cycles += told.filter((words) => /power cycle/.test(words)).length;
  }
  assert.equal((await commands.clones({})).length, BOARDS);
  assert.equal(installs, DEPLOYMENTS);
  // each deployment switches its board on once; a kill may repeat what was under way, and a report that was lost costs a try
  assert.ok(powerOns >= DEPLOYMENTS, `${powerOns} power-ons`);
  assert.ok(
    powerOns <= DEPLOYMENTS + 2 * KILLS * BOARDS,
    `${powerOns} power-ons for ${DEPLOYMENTS} deployments`,
  );
  t.say(`${powerOns} power-ons for ${DEPLOYMENTS} deployments; ${cycles} lines about power cycles`);
}

/** No version is missing, and each event begins where the one before ended. */
function whole(past: readonly LifeEventView[], { name, state, version }: NodeView): void {
  assert.deepEqual(
    past.map((one) => one.version),
    Array.from({ length: version }, (_, i) => i + 1),
    `${name}: no event is lost`,
  );
  for (const [i, { from }] of past.entries()) assert.equal(from, past[i - 1]?.to ?? "discovered", name);
  assert.equal(past.at(-1)?.to, state);
}

async function states(commands: Calls): Promise<string> {
  const nodes = (await ask(() => commands.nodes({}))) ?? [];
  return nodes
    .map(({ name, state, boot, version }) => `${name} ${state} v${version} ${boot?.stage} ${boot?.outcome}`)
    .join("; ");
}
