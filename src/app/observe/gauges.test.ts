import assert from "node:assert/strict";
import { tmpdir } from "node:os";
import { test } from "node:test";
import type { Core } from "../core.ts";
import { gauges } from "./gauges.ts";
import { makeMetrics } from "./metrics.ts";

test("gauges() counts the nodes that were given up, and the places left for boots where there is a limit", async () => {
  const metrics = makeMetrics({ version: "test" });
  const core = { registry: { all: () => [] }, data: { root: tmpdir(), clones: tmpdir() } } as never as Core;
  let limit = Number.POSITIVE_INFINITY;
  const take = gauges(metrics, {
    core,
    bootsInFlight: () => 5,
    supervision: () => ({ limit, fetching: 3, failed: 2 }),
    pools: () => [],
    planes: () => [],
    perNode: false,
  });
  const told = async () => {
    await take();
    return metrics.registry.metrics();
  };
  const open = await told();
  assert.match(open, /^bramble_nodes_failed 2$/m);
  assert.doesNotMatch(open, /^bramble_boot_tickets_free\{/m, "nothing holds boots back");
  limit = 40;
  assert.match(await told(), /^bramble_boot_tickets_free\{pod="here"\} 37$/m);
});
