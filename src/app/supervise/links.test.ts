import assert from "node:assert/strict";
import { test } from "node:test";
import type { Node } from "../../fleet/node.ts";
import { node, type World, world } from "./testing.ts";

/** Its power comes on, it stays silent for its whole time, a third at a time. */
async function silence(w: World, pi: Node, before: (third: number) => void = () => {}) {
  w.obey(w.desk.power(pi.id, `silent-${w.clock.now}`, w.clock.now));
  const third = w.watch.deadlineMs(pi.id, "power") / 3 + 1;
  for (let n = 0; n < 3; n++) {
    before(n);
    await w.later(third);
  }
  const row = await w.core.book
    .selectFrom("boot")
    .select(["cause", "verdict"])
    .where("nodeId", "=", pi.id)
    .executeTakeFirstOrThrow();
  return row;
}

test("a board whose port gives power and has no link is diagnosed so", async (t) => {
  const w = await world(t);
  const pi = await node(w);
  w.power.bound.add(pi.id);
  w.power.sights.set(pi.id, { actual: "on" });
  w.power.links.set(pi.id, false);
  const { cause, verdict } = await silence(w, pi);
  assert.equal(cause, "no-link");
  assert.match(verdict ?? "", /its network link never came up/);
});

test("a link that came up once did come up: a board that says nothing over it is another cause", async (t) => {
  const w = await world(t);
  const pi = await node(w);
  w.power.bound.add(pi.id);
  assert.equal((await silence(w, pi, (third) => w.power.links.set(pi.id, third === 0))).cause, "no-dhcp");
});

test("where the switch does not tell of links, or nothing gives the board power, nothing is claimed", async (t) => {
  const w = await world(t);
  const [silent, loose] = [await node(w), await node(w, "10000002")];
  w.power.bound.add(silent.id);
  w.power.links.set(loose.id, false);
  assert.equal((await silence(w, silent)).cause, "no-dhcp");
  assert.equal((await silence(w, loose)).cause, "no-dhcp");
});

test("a link that was down first and came up later did come up; a switch that cannot be asked leaves the rest to others", async (t) => {
  const w = await world(t);
  const [late, unasked] = [await node(w), await node(w, "10000002")];
  for (const { id } of [late, unasked]) w.power.bound.add(id);
  assert.equal((await silence(w, late, (third) => w.power.links.set(late.id, third > 0))).cause, "no-dhcp");
  w.power.power.link = () => Promise.reject(new Error("the switch is away"));
  assert.equal((await silence(w, unasked)).cause, "no-dhcp");
});

test("a hall of silent boards is asked about eight ports at a time, and each in its turn", async (t) => {
  const w = await world(t);
  const asked = new Map<string, () => void>();
  const free = () => {
    for (const answer of asked.values()) answer();
  };
  w.power.power.link = (nodeId) =>
    new Promise((resolve) => {
      assert.ok(!asked.has(nodeId), "once in a third of its time");
      asked.set(nodeId, () => resolve(false));
    });
  for (let n = 0; n < 20; n++) {
    const pi = await node(w, `100000${n + 10}`);
    w.power.bound.add(pi.id);
    w.obey(w.desk.power(pi.id, `silent-${n}`, w.clock.now));
  }
  await w.later(w.watch.deadlineMs([...w.power.bound][0] ?? "", "power") / 3 + 1);
  const counts = [asked.size];
  for (let n = 0; n < 3; n++) {
    await w.later(1);
    free();
    await w.settled();
    await w.later(1);
    counts.push(asked.size);
  }
  assert.deepEqual(counts, [8, 16, 20, 20]);
});
