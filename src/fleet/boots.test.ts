import assert from "node:assert/strict";
import { test } from "node:test";
import { type Boot, type BootStage, Boots, type Do, type Step } from "./boots.ts";
import { diagnose } from "./diagnosis.ts";
import { Deadlines } from "./supervision-deadlines.ts";

const file = (path: string, atMs: number, result: Step["result"] = "sent"): Step => ({
  atMs,
  kind: "tftp",
  words: `${path} ${result}`,
  path,
  ...(result && { result }),
});
const rules = () => {
  const deadlines = new Deadlines();
  return {
    deadlineMs: (nodeId: string, stage: BootStage) => deadlines.deadlineMs(nodeId, stage),
    diagnose: (boot: Boot) => diagnose({ boot }),
  };
};
const names = (orders: Do[]) => orders.map((o) => o.do).join(" ");

test("a repeated DISCOVER before the first file is the same boot, one after files is a new one", () => {
  const boots = new Boots(rules());
  assert.equal(names(boots.discover("n", "1", 0, false).orders), "open");
  assert.equal(names(boots.discover("n", "2", 5_000, false).orders), "");
  boots.step("n", file("config.txt", 6_000), "firmware");
  const again = boots.discover("n", "3", 9_000, false).orders;
  assert.equal(names(again), "close open");
  assert.equal(again[0]?.boot.outcome, "superseded");
  assert.equal(boots.current("n")?.id, "3");
});

test("bootcode.bin's own DISCOVER goes on with the ROM's boot", () => {
  const boots = new Boots(rules());
  boots.discover("n", "1", 0, false);
  boots.step("n", file("bootcode.bin", 100), "firmware");
  assert.equal(names(boots.discover("n", "2", 200, true).orders), "");
  boots.step("n", file("abcd/start.elf", 300), "firmware");
  assert.equal(names(boots.discover("n", "2", 400, true).orders), "close open");
});

test("a stage never goes back, booted ends the boot", () => {
  const boots = new Boots(rules());
  boots.discover("n", "1", 0, false);
  boots.step("n", { atMs: 1, kind: "agent", words: "root" }, "root");
  boots.step("n", file("late.txt", 2), "firmware");
  assert.equal(boots.current("n")?.stage, "root");
  const done = boots.step("n", { atMs: 61_000, kind: "agent", words: "up" }, "booted");
  assert.equal(names(done), "step close");
  assert.match(done[1]?.boot.verdict ?? "", /came up 61\.0 s/);
  assert.equal(boots.size, 0);
});

test("silence ends a boot with a sentence that names the last thing seen", () => {
  const boots = new Boots(rules());
  boots.discover("n", "1", 0, false);
  boots.step("n", file("start4.elf", 1_000, "missing"), "firmware");
  boots.step("n", file("pieeprom.sig", 1_000, "missing"), "firmware");
  assert.deepEqual(boots.tick(2_000), []);
  const [close] = boots.tick(200_000);
  assert.equal(close?.boot.outcome, "failed");
  assert.match(close?.boot.verdict ?? "", /None of the files.*start4\.elf/);
  assert.doesNotMatch(close?.boot.verdict ?? "", /pieeprom/);
});

test("a board that asks for ever does not grow its boot for ever", () => {
  const boots = new Boots(rules());
  boots.discover("n", "1", 0, false);
  for (let i = 0; i < 5_000; i++) boots.step("n", file("start4.elf", i, "missing"), "firmware");
  assert.equal(boots.current("n")?.steps.length, 1_000);
});

test("the agent's failure is the verdict", () => {
  const boots = new Boots(rules());
  boots.discover("n", "1", 0, false);
  const orders = boots.fail("n", { atMs: 5, kind: "agent", words: "no root partition 2 on the disk" });
  assert.equal(orders.at(-1)?.boot.verdict, "no root partition 2 on the disk");
});

test("a boot that began with power goes on with the first DISCOVER, and knows when each was", () => {
  const boots = new Boots(rules());
  assert.equal(names(boots.power("n", "1", 0)), "open");
  assert.equal(names(boots.power("n", "2", 10)), "", "the same power-on, seen twice");
  const { fresh, orders } = boots.discover("n", "3", 7_000, false);
  assert.deepEqual([fresh, names(orders)], [true, "step"]);
  assert.equal(boots.current("n")?.id, "1");
  assert.deepEqual(boots.current("n")?.reached, { power: 0, dhcp: 7_000 });
  assert.equal(boots.fetching, 1);
});

test("a board that was up before its switch had told that it is on is not expected once more", () => {
  const boots = new Boots(rules());
  boots.discover("n", "1", 1_000, false);
  assert.equal(names(boots.step("n", { atMs: 3_000, kind: "agent", words: "up" }, "booted")), "step close");
  assert.equal(names(boots.power("n", "2", 3_500, 900)), "", "dark before that boot began");
  assert.equal(names(boots.power("n", "3", 9_000, 4_000)), "open", "dark since");
});

test("a board that failed before its switch had told that it is on is expected once more", () => {
  const boots = new Boots(rules());
  boots.discover("n", "1", 1_000, false);
  boots.fail("n", { atMs: 3_000, kind: "agent", words: "no root partition 2 on the disk" });
  assert.equal(names(boots.power("n", "2", 3_500, 900)), "open");
});

test("a node with power that says nothing has failed in stage power", () => {
  const boots = new Boots(rules());
  boots.power("n", "1", 0);
  assert.deepEqual(boots.tick(89_000), []);
  const [close] = boots.tick(90_000);
  assert.deepEqual(
    [close?.boot.stage, close?.boot.outcome, close?.boot.cause],
    ["power", "failed", "no-dhcp"],
  );
});

test("a node in line is not given up while it asks", () => {
  const boots = new Boots(rules());
  boots.power("n", "1", 0);
  for (let now = 30_000; now < 600_000; now += 30_000) {
    boots.touch("n", now);
    assert.deepEqual(boots.tick(now + 29_999), []);
  }
});

test("a report for a boot that silence had ended takes it up again, unless a newer one has begun", () => {
  const boots = new Boots(rules());
  boots.discover("n", "1", 0, false);
  boots.step("n", { atMs: 1_000, kind: "agent", words: "hello" }, "agent");
  assert.equal(names(boots.tick(500_000)), "close");
  assert.deepEqual(boots.revive("n", "other", 510_000), []);
  assert.equal(names(boots.revive("n", "1", 510_000)), "reopen step");
  assert.equal(boots.current("n")?.outcome, undefined);
  assert.equal(boots.current("n")?.silences.agent, 509_000);
  boots.tick(1_200_000);
  boots.discover("n", "2", 1_300_000, false);
  assert.deepEqual(boots.revive("n", "1", 1_300_001), []);
  boots.fail("n", { atMs: 1_300_002, kind: "agent", words: "no" });
  assert.deepEqual(boots.revive("n", "2", 1_300_003), [], "the agent's own end is an end");
  assert.deepEqual(boots.revive("n", "1", 1_300_004), [], "nor one of before");
});
