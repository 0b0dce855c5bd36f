import assert from "node:assert/strict";
import { test } from "node:test";
import { clusterRole } from "./cluster.ts";

const cluster = { nodeId: "a", instance: "i-a-1", address: "10.0.0.2:2377", token: "T" };
const asks = (more: object) =>
  clusterRole({ profile: "swarm", nodeId: "a", instance: "i-a-1", index: 0, cluster: undefined, ...more });

test("clusterRole(): the first makes the cluster, the others wait for it and then join", () => {
  assert.deepEqual(asks({}), { role: "first" });
  assert.equal(asks({ nodeId: "b", index: 1 }).role, "wait");
  const join = { role: "join", address: "10.0.0.2:2377", token: "T" };
  assert.deepEqual(asks({ nodeId: "b", index: 1, cluster }), join);
});

test("clusterRole(): who made the cluster stays its first, and a later number 0 joins", () => {
  assert.deepEqual(asks({ cluster }), { role: "first" });
  assert.deepEqual(asks({ cluster, index: 3 }), { role: "first" });
  assert.equal(asks({ nodeId: "c", index: 0, cluster }).role, "join");
});

test("clusterRole(): a first node that was reset makes no second cluster, and is told what to do", () => {
  const told = asks({ cluster, instance: "i-a-2" });
  assert.equal(told.role, "stopped");
  assert.match(
    (told as { why: string }).why,
    /its disk was reset since.*bramble profile forget-cluster swarm/,
  );
});
