import assert from "node:assert/strict";
import { test } from "node:test";
import { LOCAL } from "../fleet/actor.ts";
import { chosen } from "./chosen.ts";
import { fakeCore } from "./testing/fake-core.ts";

test("chosen() takes a selector or a list of ids and names, each node once; a tenant's list has its own nodes only", async (t) => {
  const { core } = await fakeCore(t);
  const { registry } = core;
  const [a, b] = ["10000001", "10000002"].map((serial) => registry.see({ serial }, 1)?.node);
  assert.ok(a && b);
  a.owner = "ann";
  const names = (args: Parameters<typeof chosen>[1], by = LOCAL) =>
    chosen(registry, args, by).map(({ name }) => name);
  assert.deepEqual(names({ select: `name=${a.name}` }), [a.name]);
  assert.deepEqual(names({ nodes: [b.id, a.name, b.name] }), [b.name, a.name]);
  assert.throws(() => names({ nodes: ["pi"] }), { code: "NODE_UNKNOWN" }, "no beginnings of names");
  assert.throws(() => names({}), { code: "BAD_INPUT" });
  assert.throws(() => names({ select: "state=discovered", nodes: [a.id] }), { code: "BAD_INPUT" });
  const ann = { kind: "tenant", name: "ann" } as const;
  assert.deepEqual(names({ nodes: [a.id] }, ann), [a.name]);
  assert.throws(() => names({ nodes: [b.id] }, ann), { code: "NODE_UNKNOWN" });
});
