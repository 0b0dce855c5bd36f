import assert from "node:assert/strict";
import { test } from "node:test";
import type { Node } from "../../fleet/node.ts";
import { writeSupervision } from "./settings.ts";
import { node, world } from "./testing.ts";

test("thirty nodes with a limit of two: the third waits, says its place, and its boot is not given up", async (t) => {
  const w = await world(t);
  const pis: Node[] = [];
  for (let i = 0; i < 30; i++) pis.push(await node(w, `200000${String(i).padStart(2, "0")}`));
  await writeSupervision(w.core.book, { bootsAtOnce: 2 });
  await w.watch.configure();
  await w.later(0);
  const [a, b, c] = pis as [Node, Node, Node];
  const ask = (pi: Node, stage: "eeprom2711" | "rom3" = "eeprom2711") => {
    const place = w.watch.admit(pi, stage);
    if (place === 0) w.obey(w.desk.discover(pi.id, `${pi.id}-${w.clock.now}`, w.clock.now, false).orders);
    return place;
  };
  w.obey(w.desk.power(c.id, "c1", w.clock.now));
  assert.deepEqual([ask(a), ask(b), ask(c), ask(a)], [0, 0, 1, 0]);
  assert.deepEqual([w.watch.place(c.id), w.watch.waiting(), w.watch.limit()], [1, 1, 2]);
  for (let i = 0; i < 3; i++) {
    await w.later(50_000);
    w.obey(w.desk.step(a.id, { atMs: w.clock.now, kind: "tftp", words: "a file" }, "firmware"));
    w.obey(w.desk.step(b.id, { atMs: w.clock.now, kind: "tftp", words: "a file" }, "firmware"));
    assert.equal(ask(c), 1);
    assert.equal(w.desk.current(c.id)?.id, "c1");
  }
  assert.equal(ask(pis[3] as Node, "rom3"), 0, "a Pi 3's ROM cannot wait");
  w.obey(w.desk.step(a.id, { atMs: w.clock.now, kind: "tftp", words: "its kernel" }, "kernel"));
  w.obey(w.desk.step(b.id, { atMs: w.clock.now, kind: "tftp", words: "its kernel" }, "kernel"));
  assert.equal(ask(c), 0);
  assert.equal(w.watch.waiting(), 0);
});

test("a hall that is switched on for the first time is held back from its thirtieth node on, before any second has gone", async (t) => {
  const w = await world(t);
  await writeSupervision(w.core.book, { bootsAtOnce: 10 });
  await w.watch.configure();
  let answered = 0;
  for (let i = 1; i <= 60; i++) {
    const pi = await node(w, `3000${String(i).padStart(4, "0")}`);
    if (w.watch.admit(pi, "eeprom2712") > 0) continue;
    answered += 1;
    w.obey(w.desk.discover(pi.id, `first-${i}`, w.clock.now, false).orders);
  }
  assert.equal(answered, 29);
});

test("a place that comes free goes to the first in line that still listens", async (t) => {
  const w = await world(t);
  const pis: Node[] = [];
  for (let i = 0; i < 30; i++) {
    const pi = await node(w, `300000${String(i).padStart(2, "0")}`);
    pi.mac = `dc:a6:32:00:00:${String(i).padStart(2, "0")}`;
    pis.push(pi);
  }
  await writeSupervision(w.core.book, { bootsAtOnce: 1 });
  await w.watch.configure();
  await w.later(0);
  const [a, b, c, d] = pis as [Node, Node, Node, Node];
  const asked: string[] = [];
  const ask = (pi: Node) => {
    const place = w.watch.admit(pi, "eeprom2712");
    if (place === 0) w.obey(w.desk.discover(pi.id, `of-${pi.id}`, w.clock.now, false).orders);
    return place;
  };
  w.watch.useDhcp((mac) => {
    asked.push(mac);
    const pi = pis.find((one) => one.mac === mac);
    return pi !== undefined && pi !== b && ask(pi) === 0; // b does not listen any more
  });
  assert.deepEqual([a, b, c, d].map(ask), [0, 1, 2, 3]);
  w.obey(w.desk.step(a.id, { atMs: w.clock.now, kind: "tftp", words: "its kernel" }, "kernel"));
  await w.settled();
  assert.deepEqual(asked, [b.mac, c.mac]);
  assert.equal(w.desk.current(c.id)?.stage, "dhcp");
  assert.deepEqual([w.watch.place(b.id), w.watch.place(c.id), w.watch.place(d.id)], [1, undefined, 2]);
  w.obey(w.desk.end(c.id, "failed", w.clock.now));
  await w.settled();
  assert.equal(w.desk.current(d.id)?.stage, "dhcp");
});
