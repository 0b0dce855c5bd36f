import assert from "node:assert/strict";
import { test } from "node:test";
import type { Boot, BootStage, Do, Step } from "../../fleet/boots.ts";
import type { Node } from "../../fleet/node.ts";
import { bootCounts } from "./boot-counts.ts";
import { makeMetrics } from "./metrics.ts";

test("bootCounts() counts a boot once, with the time of each stage and until kernel, root and ready", async () => {
  const metrics = makeMetrics({ version: "0" });
  const count = bootCounts(metrics, {
    node: () => ({ model: "4B" }) as unknown as Node,
    imageOf: () => "demo:1",
    now: () => 99_000,
  });
  const boot = { id: "b", nodeId: "n", startedMs: 0, stage: "dhcp", steps: [] } as unknown as Boot;
  count({ do: "open", boot });
  for (const [stage, atMs] of [
    ["dhcp", 500],
    ["firmware", 1_000],
    ["kernel", 5_000],
    ["root", 9_000],
    ["booted", 30_000],
  ] as [BootStage, number][]) {
    boot.stage = stage;
    count({ do: "step", boot, step: { atMs } as unknown as Step } as Do);
  }
  boot.outcome = "booted";
  boot.endedMs = 30_000;
  count({ do: "close", boot });
  const text = await metrics.registry.metrics();
  for (const line of [
    'bramble_boots_total{result="booted",image="demo:1",model="4B"} 1',
    'bramble_boot_stage_total{stage="kernel"} 1',
    'bramble_boot_stage_seconds_sum{stage="firmware"} 4',
    'bramble_boot_duration_seconds_sum{to="kernel",image="demo:1"} 5',
    'bramble_boot_duration_seconds_sum{to="root",image="demo:1"} 9',
    'bramble_boot_duration_seconds_sum{to="ready",image="demo:1"} 30',
  ])
    assert.ok(text.split("\n").includes(line), `${line} in\n${text.match(/^bramble_boot.*$/gm)?.join("\n")}`);
});
