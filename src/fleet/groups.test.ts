import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { baseOf, checkGroupName, type Group, patchValues } from "./groups.ts";
import { resolveSettings, valuesFor } from "./inherit.ts";
import { type Node, type Profile, resolveNode } from "./node.ts";

const NODE: Node = {
  ...{ id: "1", name: "pi", state: "deployed", profile: "default", seed: {} },
  ...{ firstSeenMs: 0, lastSeenMs: 0, version: 0, stateSinceMs: 0, attempt: 0 },
};
const volume = (name: string, size: number) => ({ name, size, fstype: "none" as const });

test("a group's settings come before the profile's and behind the node's, volume by volume", () => {
  const profile: Profile = {
    ...{ name: "default", root: "nbd", image: "p:1", seed: { user: "p", sshKeys: ["k"] } },
    ...{ quota: 1, volumes: [volume("a", 1), volume("b", 1)] },
  };
  const group: Group = {
    ...{ name: "g", seed: { user: "g" }, values: {}, version: 1 },
    ...{ root: "ram" as const, quota: 2, volumes: [volume("b", 2), volume("c", 2)], ephemeral: true },
  };
  const node = { ...NODE, quota: 3, volumes: [volume("c", 3)] };
  const now = resolveNode(node, baseOf(profile, group));
  assert.deepEqual(
    [now.image, now.root, now.quota, now.ephemeral, now.seed],
    ["p:1", "ram", 3, true, { user: "g", sshKeys: ["k"] }],
  );
  assert.deepEqual(now.volumes.map(({ name, size }) => name + size).sort(), ["a1", "b2", "c3"]);
  assert.equal(baseOf(profile, undefined), profile);
});

test("what resolveSettings() shows is what resolveNode() does, and the first that says anything wins", () => {
  const maybe = <T>(one: fc.Arbitrary<T>) => fc.option(one, { nil: undefined });
  const layer = fc.record({
    image: maybe(fc.constantFrom("a:1", "b:1")),
    root: maybe(fc.constantFrom("nbd", "ram", "auto")),
    firmware: maybe(fc.constantFrom("f:1", "f:2")),
    ephemeral: maybe(fc.boolean()),
    quota: maybe(fc.integer({ min: 1, max: 3 })),
    nfsDurability: maybe(fc.constantFrom("durable", "fast")),
    user: maybe(fc.constantFrom("x", "y")),
  });
  const set = (given: object) =>
    Object.fromEntries(Object.entries(given).filter(([key, value]) => value !== undefined && key !== "user"));
  const seedOf = ({ user }: { user: string | undefined }) => (user === undefined ? {} : { user });
  fc.assert(
    fc.property(layer, layer, layer, fc.boolean(), (p, g, n, inGroup) => {
      const profile = { name: "default", root: "auto", ...set(p), seed: seedOf(p) } as Profile;
      const group = { name: "g", values: {}, version: 1, ...set(g), seed: seedOf(g) } as Group;
      const node = { ...NODE, ...set(n), seed: seedOf(n) } as Node;
      const shown = resolveSettings(node, profile, inGroup ? group : undefined);
      const now = resolveNode(node, baseOf(profile, inGroup ? group : undefined));
      const of = (name: string) => shown.find((one) => one.name === name);
      for (const key of ["image", "firmware", "ephemeral", "quota", "nfsDurability"] as const)
        assert.deepEqual(of(key)?.value, now[key], key);
      assert.equal(of("user")?.value, now.seed.user);
      assert.equal(of("root")?.value === "auto" ? "iscsi" : of("root")?.value, now.root);
      for (const { from, over } of shown) {
        const order = ["node", "group g", "profile default", "bramble"];
        const places = [from, ...over.map((one) => one.from)].map((one) => order.indexOf(one));
        assert.deepEqual(places, [...places].sort());
        assert.ok(inGroup || !places.includes(1));
      }
    }),
    { numRuns: 300, seed: 10 },
  );
});

test("template values: the node's, else the group's, else the profile's", () => {
  const group = { name: "g", values: { a: "g", b: "g" }, version: 1, seed: {} };
  assert.deepEqual(valuesFor({ values: { a: "n" } }, group, { a: "p", b: "p", c: null }), {
    ...{ a: "n", b: "g", c: null },
  });
  assert.deepEqual(patchValues({ a: "1" }, { a: null, b: "2" }), { b: "2" });
  for (const bad of [{ A: "x" }, JSON.parse('{"__proto__":"x"}'), { a: 1 }, { a: "x".repeat(20_000) }])
    assert.throws(() => patchValues(undefined, bad as never), { code: "BAD_INPUT" });
  for (const name of ["", "A", "a b", "-a", "a/..", "x".repeat(64), "__proto__"])
    assert.throws(() => checkGroupName(name), { code: "BAD_INPUT" }, name);
});
