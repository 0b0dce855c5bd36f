import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { test } from "node:test";
import { BrambleError } from "../../base/errors.ts";
import { LOCAL } from "../../fleet/actor.ts";
import { POLICIES } from "../../fleet/life-policy.ts";
import type { News } from "../news.ts";
import { lifeBed } from "../testing/life-bed.ts";
import { type Bed, bed, booted, hosting, inventory, powerHand } from "../testing/life-words.ts";

async function history(b: Bed, nodeId: string) {
  const rows = await b.book
    .selectFrom("lifeEvent")
    .selectAll()
    .where("nodeId", "=", nodeId)
    .orderBy("version")
    .execute();
  assert.deepEqual(
    rows.map(({ version }) => version),
    rows.map((_, i) => i + 1),
    "no version is missing or double",
  );
  return rows.map(({ from, event, to }) => `${from} ${event} ${to}`);
}

test("state, event and effects stand in the book together, and the news tell of them after that", async (t) => {
  const b = await bed(t);
  const node = await b.board(1);
  const told: News[] = [];
  b.news.listen((news) => told.push(news));
  await b.life.apply(node.id, "reinstall", LOCAL, { words: "new image" });
  assert.equal(node.state, "installing");
  const row = await b.book.selectFrom("node").selectAll().where("id", "=", node.id).executeTakeFirstOrThrow();
  assert.deepEqual([row.state, row.version, row.attempt], ["installing", 3, 1]);
  assert.equal(
    told.some((news) => news.about === "node" && news.id === node.id),
    true,
  );
  assert.ok(
    told.some(
      (news) =>
        news.about === "event" && /deployed → installing, reinstall by cli: new image/.test(news.event.words),
    ),
  );
  await b.life.settled();
  assert.deepEqual(await history(b, node.id), [
    "discovered enrol enrolled",
    "enrolled adopt deployed",
    "deployed reinstall installing",
    "installing installed first_boot",
  ]);
  assert.equal(existsSync(b.clone(node.id)), true);
  assert.equal((await b.book.selectFrom("effect").selectAll().execute()).length, 0);
  await b.hear(node.id, booted());
  assert.equal(node.state, "deployed");
});

test("what is refused leaves no trace; a stale version is refused; of two at once one wins", async (t) => {
  const b = await bed(t);
  const node = await b.board(1);
  await assert.rejects(b.life.apply(node.id, "accept", LOCAL), { code: "NODE_STATE" });
  await assert.rejects(b.life.apply(node.id, "reinstall", LOCAL, { version: 1 }), { code: "NODE_CHANGED" });
  await assert.rejects(b.life.apply("nobody", "reinstall", LOCAL), { code: "NODE_UNKNOWN" });
  const { version } = node;
  const both = await Promise.allSettled([
    b.life.apply(node.id, "reinstall", LOCAL, { version }),
    b.life.apply(node.id, "release", LOCAL, { version }),
  ]);
  assert.deepEqual(
    both.map(({ status }) => status),
    ["fulfilled", "rejected"],
  );
  await b.life.settled();
  assert.equal((await history(b, node.id)).filter((line) => line.startsWith("deployed")).length, 1);
});

test("a change of settings that was under way does not take a state back", async (t) => {
  const b = await bed(t);
  const node = await b.board(1);
  await b.life.apply(node.id, "reinstall", LOCAL);
  await b.life.settled();
  const now = { ...node };
  b.registry.live(node, { ...node, state: "deployed", version: 2 }); // as it was when the settings were read
  const stale = b.registry.save(node);
  b.registry.live(node, now);
  await stale;
  const row = await b.book.selectFrom("node").selectAll().where("id", "=", node.id).executeTakeFirstOrThrow();
  assert.deepEqual([row.state, row.version], ["first_boot", 4]);
});

test("a board that a rule enrols is deployed at once for the boot path, and in the book behind it", async (t) => {
  const b = await bed(t);
  const node = b.registry.see({ serial: "10000009" }, 1)?.node;
  assert.ok(node);
  b.life.soon(node, ["enrol", "adopt"], { kind: "policy", name: "auto" }, "heard");
  assert.equal(node.state, "deployed");
  assert.equal(b.life.answer(node).tree, "deployed");
  await b.life.settled();
  assert.deepEqual([node.state, node.version], ["deployed", 2]);
  assert.match(
    await b.words(node),
    /discovered → enrolled, enrol by auto\nenrolled → deployed, adopt by auto: heard/,
  );
});

test("between a change and the withdrawal of what its last boot may open, a node gets nothing", async (t) => {
  const b = await bed(t);
  const node = await b.board(1);
  let go = () => {};
  const gate = new Promise<void>((resolve) => {
    go = resolve;
  });
  b.life.does("revoke", async () => {
    await gate;
    return undefined;
  });
  await b.life.apply(node.id, "rescue", LOCAL);
  assert.equal(b.life.answer(node).tree, "none");
  go();
  await b.life.settled();
  assert.equal(b.life.answer(node).tree, "ram-rescue");
  await b.hear(node.id, { fact: "booted", bootId: "b2", tree: "ram-rescue", words: "up" });
  assert.equal(node.state, "rescue");
});

test("a boot of another tree proves nothing: neither a late one of before nor an override's", async (t) => {
  const b = await bed(t);
  const node = await b.board(1);
  await b.life.apply(node.id, "rescue", LOCAL);
  await b.hear(node.id, booted());
  assert.equal(node.state, "rescuing");
  await b.hear(node.id, { ...booted(), tree: "custom" });
  assert.equal(node.state, "rescuing");
});

test("work that fails is tried again, and a busy node fails with its words when it stays so", async (t) => {
  const b = await bed(t);
  const node = await b.board(1);
  b.failures.makeClone = new BrambleError("DISK_IO", "the disk makes a noise");
  await b.life.apply(node.id, "reinstall", LOCAL);
  for (let i = 0; i < 3; i++) {
    await b.life.settled();
    b.clock.now += 60_000;
    b.life.tick();
  }
  await b.life.settled();
  assert.equal(node.state, "install_failed");
  assert.match(
    await b.words(node),
    /its clone could not be made: the disk makes a noise; it is tried again[\s\S]*installing → install_failed, fail by bramble: its clone could not be made/,
  );
  b.failures.makeClone = undefined;
  await b.life.apply(node.id, "deploy", LOCAL);
  await b.life.settled();
  assert.equal(node.state, "first_boot");
  b.failures.makeClone = new BrambleError("IMAGE_UNKNOWN", "no such image");
  await b.hear(node.id, booted());
  await b.life.apply(node.id, "reinstall", LOCAL);
  await b.life.settled();
  assert.equal(node.state, "install_failed", "what cannot do better is not tried again");
});

test("an abort calls the work off that is left: nothing of it happens afterwards", async (t) => {
  const b = await bed(t);
  const node = await b.board(1);
  b.failures.makeClone = new BrambleError("DISK_IO", "not now");
  await b.life.apply(node.id, "reinstall", LOCAL);
  await b.life.settled();
  await b.life.apply(node.id, "abort", LOCAL, { words: "I was wrong" });
  b.failures.makeClone = undefined;
  b.clock.now += 3600_000;
  b.life.tick();
  await b.life.settled();
  assert.equal(node.state, "install_failed");
  assert.equal(existsSync(b.clone(node.id)), false);
  assert.match(await b.words(node), /fail by cli: I was wrong/);
});

test("a busy state that does not end is tried again with a power cycle, then fails; deadlines survive a restart", async (t) => {
  const b = await bed(t);
  const power = powerHand(b);
  const node = await b.board(1);
  await b.life.apply(node.id, "rescue", LOCAL);
  await b.life.settled();
  assert.deepEqual(power.asked, ["cycle"]);
  const late = async (bed: { clock: { now: number }; life: Bed["life"] }) => {
    bed.clock.now += 601_000;
    bed.life.tick();
    await new Promise(setImmediate);
    await bed.life.settled();
  };
  await late(b);
  assert.deepEqual([node.state, node.attempt, power.asked.length], ["rescuing", 2, 2]);
  const { now } = b.clock;
  await b.close();

  const again = { ...(await lifeBed(b.root)), root: b.root, close: async () => {} };
  t.after(() => again.life.close().then(() => again.book.destroy()));
  again.clock.now = now;
  powerHand(again);
  const same = again.registry.need(node.id);
  assert.deepEqual([same.state, same.attempt], ["rescuing", 2]);
  await late(again);
  assert.equal(same.attempt, 3);
  await late(again);
  assert.equal(same.state, "rescue_failed");
  assert.match(
    await again.words(same),
    /no end after 600 s as rescuing: try 2 of 3[\s\S]*no end after 600 s as rescuing, 3 tries/,
  );
});

test("where only a person can switch a board on, its deadline is theirs; once it is heard, its own counts", async (t) => {
  const b = await bed(t);
  const node = await b.board(1);
  await b.life.apply(node.id, "reinstall", LOCAL);
  await b.life.settled();
  assert.equal(node.state, "first_boot");
  b.clock.now += 7200_000;
  b.life.tick();
  await b.life.settled();
  assert.equal(node.state, "first_boot", "somebody may still be on the way to it");
  assert.match(await b.words(node), /no power driver is bound to it: power cycle it by hand/);
  await b.hear(node.id, { fact: "began" });
  b.clock.now += 2_401_000;
  b.life.tick();
  await new Promise(setImmediate);
  await b.life.settled();
  assert.equal(node.state, "install_failed");
});

test("in maintenance no time runs and no power is switched; afterwards both go on", async (t) => {
  const b = await bed(t);
  const power = powerHand(b);
  const node = await b.board(1);
  await b.life.maintain(node, LOCAL, "a new fan");
  await b.life.apply(node.id, "rescue", LOCAL);
  await b.life.settled();
  b.clock.now += 86_400_000;
  b.life.tick();
  await b.life.settled();
  assert.deepEqual([node.state, node.attempt, power.asked], ["rescuing", 1, []]);
  await b.life.maintain(node, LOCAL, undefined);
  await b.life.settled();
  assert.deepEqual([power.asked, node.maintenance], [["cycle"], undefined]);
  assert.equal((node.deadlineMs ?? 0) > b.clock.now, true);
  assert.match(await b.words(node), /cli: in maintenance: a new fan[\s\S]*cli: maintenance is over/);
});

test("two boards that claim to be one: an event, and quarantine only where the policy wants it", async (t) => {
  const b = await bed(t);
  const node = await b.board(1);
  await b.hear(node.id, { fact: "conflict", words: "two macs" });
  assert.equal(node.state, "deployed");
  await b.life.setPolicy({ ...POLICIES.home, quarantineOnMove: true }, LOCAL);
  await b.hear(node.id, { fact: "conflict", words: "two macs" });
  await b.hear(node.id, { fact: "conflict", words: "two macs" });
  assert.equal(node.state, "quarantined");
  assert.equal(b.life.answer(node).tree, "none");
  assert.match(await b.words(node), /deployed → quarantined, identity-conflict by bramble: two macs/);
});

test("the supervisor's last word ends a state that waits for the board, and nothing else", async (t) => {
  const b = await bed(t);
  const node = await b.board(1);
  await b.hear(node.id, { fact: "gave-up", words: "no link" });
  assert.equal(node.state, "deployed", "a failed boot is beside the state");
  await b.life.apply(node.id, "rescue", LOCAL);
  await b.hear(node.id, { fact: "gave-up", words: "no link after 3 tries" });
  assert.equal(node.state, "rescue_failed");
});

test("an inventory that lacks what anybody decides by fails the inspection; what is no JSON is not believed", async (t) => {
  const b = await bed(t);
  await b.life.setPolicy(hosting, LOCAL);
  const node = await b.board(1);
  await b.life.apply(node.id, ["enrol", "inspect"], LOCAL);
  for (const text of ["", "[]", "null", "{", '"x"']) await b.hear(node.id, { ...inventory(), text });
  assert.equal(node.state, "inspecting");
  await b.hear(node.id, { ...inventory(), tree: "deployed" });
  assert.equal(node.state, "inspecting", "a boot of another tree has not inspected anything");
  await b.hear(node.id, { ...inventory(), text: '{"serial":"1","disks":[null]}' });
  assert.equal(node.state, "inspect_failed");
});

test("a one-time override goes with the boot that used it, and only that one", async (t) => {
  const b = await bed(t);
  const node = await b.board(1);
  const set = async (atMs: number, once = true) => {
    await b.life.setOverride(node, LOCAL, { boot: "ram", once, by: "cli", atMs });
    return b.life.answer(node);
  };
  const first = await set(1);
  const second = await set(2);
  await b.life.used(node, first, "b1");
  assert.equal(node.override?.atMs, 2, "another one was set meanwhile");
  await b.life.used(node, second, "b2");
  assert.equal(node.override, undefined);
  const row = await b.book
    .selectFrom("node")
    .select("override")
    .where("id", "=", node.id)
    .executeTakeFirstOrThrow();
  assert.equal(row.override, null);
  assert.match(await b.words(node), /boot b2 used what was set for the next boot/);
  const always = await set(3, false);
  await b.life.used(node, always, "b3");
  assert.equal(b.registry.need(node.id).override?.boot, "ram");
  assert.equal(node.state, "deployed");
});
