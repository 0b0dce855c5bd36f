import assert from "node:assert/strict";
import { test } from "node:test";
import { Boots, type Do, type Step } from "./boots.ts";
import { verdict } from "./verdict.ts";

const file = (path: string, atMs: number, result: Step["result"] = "sent"): Step => ({
  atMs,
  kind: "tftp",
  words: `${path} ${result}`,
  path,
  ...(result && { result }),
});
const names = (orders: Do[]) => orders.map((o) => o.do).join(" ");

test("a repeated DISCOVER before the first file is the same boot, one after files is a new one", () => {
  const boots = new Boots(verdict);
  assert.equal(names(boots.discover("n", "1", 0, false)), "open");
  assert.equal(names(boots.discover("n", "2", 5_000, false)), "");
  boots.step("n", file("config.txt", 6_000), "firmware");
  const again = boots.discover("n", "3", 9_000, false);
  assert.equal(names(again), "close open");
  assert.equal(again[0]?.boot.outcome, "superseded");
  assert.equal(boots.current("n")?.id, "3");
});

test("bootcode.bin's own DISCOVER goes on with the ROM's boot", () => {
  const boots = new Boots(verdict);
  boots.discover("n", "1", 0, false);
  boots.step("n", file("bootcode.bin", 100), "firmware");
  assert.equal(names(boots.discover("n", "2", 200, true)), "");
  boots.step("n", file("abcd/start.elf", 300), "firmware");
  assert.equal(names(boots.discover("n", "2", 400, true)), "close open");
});

test("a stage never goes back, booted ends the boot", () => {
  const boots = new Boots(verdict);
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
  const boots = new Boots(verdict);
  boots.discover("n", "1", 0, false);
  boots.step("n", file("start4.elf", 1_000, "missing"), "firmware");
  boots.step("n", file("pieeprom.sig", 1_000, "missing"), "firmware");
  assert.deepEqual(boots.tick(2_000), []);
  const [close] = boots.tick(200_000);
  assert.equal(close?.boot.outcome, "failed");
  assert.match(close?.boot.verdict ?? "", /None of the files.*start4\.elf/);
  assert.doesNotMatch(close?.boot.verdict ?? "", /pieeprom/);
});

test("each stage has its own sentence", () => {
  const sentences = (["dhcp", "firmware", "kernel", "agent", "root", "switched-root"] as const).map((stage) =>
    verdict({ id: "1", nodeId: "n", startedMs: 0, stage, steps: [file("a", 0), file("b", 0, "missing")] }),
  );
  assert.equal(new Set(sentences).size, sentences.length);
});

test("a board that asks for ever does not grow its boot for ever", () => {
  const boots = new Boots(verdict);
  boots.discover("n", "1", 0, false);
  for (let i = 0; i < 5_000; i++) boots.step("n", file("start4.elf", i, "missing"), "firmware");
  assert.equal(boots.current("n")?.steps.length, 1_000);
});

test("the agent's failure is the verdict", () => {
  const boots = new Boots(verdict);
  boots.discover("n", "1", 0, false);
  const orders = boots.fail("n", { atMs: 5, kind: "agent", words: "no root partition 2 on the disk" });
  assert.equal(orders.at(-1)?.boot.verdict, "no root partition 2 on the disk");
});
