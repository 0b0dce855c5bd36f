import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { parseIpv4 } from "../base/addresses.ts";
import { type AddressPool, addressOf, checkPool, type Plannable, planAddresses } from "./address-plan.ts";

const pool = (name: string, from: string, to: string, more: Partial<AddressPool> = {}): AddressPool => ({
  ...{ name, from, to, kind: "client", for: "" },
  ...more,
});
const node = (name: string, more: Partial<Plannable> = {}): Plannable => ({
  ...{ id: name, name, state: "deployed", profile: "default" },
  ...more,
});
const given = (nodes: Plannable[], pools: AddressPool[]) => {
  const { planned, trouble } = planAddresses(nodes, pools);
  return {
    trouble,
    addresses: nodes.map(({ id }) => planned.get(id)?.client?.address ?? "-").join(" "),
    keep: nodes.map((one) => {
      const { planned: _, ...rest } = one;
      const next = planned.get(one.id);
      return { ...rest, ...(next && { planned: next }) };
    }),
  };
};

test("checkPool() takes a range of hosts that no other pool has any of", () => {
  const others = [pool("a", "10.0.0.10", "10.0.0.20")];
  assert.equal(checkPool(pool("b", "10.0.0.21", "10.0.0.21"), others).name, "b");
  assert.equal(checkPool(pool("a", "10.0.0.15", "10.0.0.30"), others).name, "a", "itself it may change");
  for (const [from, to] of [
    ["10.0.0.20", "10.0.0.30"],
    ["10.0.0.1", "10.0.0.10"],
    ["10.0.0.1", "10.0.0.99"],
    ["10.0.0.12", "10.0.0.13"],
  ] as const)
    assert.throws(() => checkPool(pool("b", from, to), others), { code: "ADDRESS_POOL_TAKEN" }, from);
  for (const one of [
    pool("b", "10.0.1.2", "10.0.1.1"),
    pool("b", "10.0.0.0", "10.2.0.0"),
    pool("b", "224.0.0.1", "224.0.0.9"),
    pool("b", "0.0.0.1", "0.0.0.9"),
    pool("b", "10.0.1.256", "10.0.2.1"),
    pool("B!", "10.0.1.1", "10.0.1.2"),
    pool("b", "10.0.1.1", "10.0.1.2", { kind: "other" as never }),
  ])
    assert.throws(() => checkPool(one, others), { code: "BAD_INPUT" });
  assert.throws(() => checkPool(pool("b", "10.0.1.1", "10.0.1.2", { for: "rack=" }), others), {
    code: "SELECTOR_BAD",
  });
});

test("planAddresses() gives by rack and label, keeps what fits, and gives strangers nothing", () => {
  const nodes = [
    node("a", { place: { rack: "3" } }),
    node("b", { place: { rack: "3" }, address: "10.3.0.11" }),
    node("c", { place: { rack: "3" } }),
    node("d", { labels: { lab: "" } }),
    node("e", { place: { rack: "3" }, state: "discovered" }),
    node("f", { place: { rack: "9" } }),
  ];
  const pools = [
    pool("rack-3", "10.3.0.10", "10.3.0.12", { for: "rack=3" }),
    pool("lab", "10.9.0.1", "10.9.0.9", { for: "lab" }),
  ];
  const first = given(nodes, pools);
  assert.equal(first.addresses, "10.3.0.10 - 10.3.0.12 10.9.0.1 - -");
  assert.deepEqual(first.trouble, []);
  const again = given([node("0", { place: { rack: "3" } }), ...first.keep], pools);
  assert.equal(again.addresses, "- 10.3.0.10 - 10.3.0.12 10.9.0.1 - -", "who had one keeps it");
  assert.deepEqual(again.trouble, [{ node: "0", kind: "client", why: "rack-3: no address is left" }]);
  const moved = first.keep.map((one) => (one.name === "a" ? { ...one, place: { rack: "4" } } : one));
  assert.equal(
    given(moved, pools).addresses,
    "- - 10.3.0.12 10.9.0.1 - -",
    "who leaves the rack gives it back",
  );
  const said = first.keep.map((one) => (one.name === "d" ? { ...one, address: "10.3.0.10" } : one));
  assert.equal(given(said, pools).addresses, "- - 10.3.0.12 - - -", "a person's word comes first");
});

test("a management address is another one, from pools of its own", () => {
  const pools = [
    pool("m", "10.8.0.1", "10.8.0.2", { kind: "management" }),
    pool("c", "10.7.0.1", "10.7.0.2"),
  ];
  const { planned } = planAddresses([node("a"), node("b", { management: "10.8.0.1" })], pools);
  assert.deepEqual(planned.get("a"), {
    client: { address: "10.7.0.1", pool: "c" },
    management: { address: "10.8.0.2", pool: "m" },
  });
  assert.deepEqual(addressOf({ planned: planned.get("a") ?? {} }, "management"), {
    address: "10.8.0.2",
    from: "pool m",
  });
  assert.equal(planned.get("b")?.management, undefined);
});

test("whatever changes, no two nodes have one address, each lies in a pool that is for it, and nobody loses one that fits", () => {
  const rack = fc.constantFrom("1", "2", "3");
  const nodes = fc.uniqueArray(fc.nat(30), { maxLength: 20 }).chain((ids) =>
    fc.tuple(
      ...ids.map((id) =>
        fc.record({ rack, own: fc.option(fc.nat(20), { nil: undefined }) }).map(({ rack: at, own }) =>
          node(`n${id}`, {
            place: { rack: at },
            ...(own !== undefined && own < 4 && { address: `10.1.0.${own + 1}` }),
          }),
        ),
      ),
    ),
  );
  const pools = fc
    .record({ one: fc.integer({ min: 1, max: 12 }), two: fc.integer({ min: 1, max: 12 }) })
    .map(({ one, two }) => [
      pool("one", "10.1.0.1", `10.1.0.${one}`, { for: "rack in (1,2)" }),
      pool("two", "10.2.0.1", `10.2.0.${two}`, { for: "rack in (2,3)" }),
    ]);
  fc.assert(
    fc.property(nodes, pools, pools, (all, before, after) => {
      const first = given([...all], before);
      const second = given(first.keep, after);
      const has = second.keep.flatMap((one) => addressOf(one, "client")?.address ?? []);
      const own = all.flatMap((one) => one.address ?? []);
      assert.equal(new Set(has).size + own.length - new Set(own).size, has.length);
      for (const one of second.keep) {
        const planned = one.planned?.client;
        const from = after.find(({ name }) => name === planned?.pool);
        if (!planned) continue;
        assert.ok(from && parseIpv4(planned.address) <= parseIpv4(from.to), "in its pool");
        assert.match(one.place?.rack as string, planned.pool === "one" ? /[12]/ : /[23]/);
        const had = first.keep.find(({ id }) => id === one.id)?.planned?.client;
        const still = had && after.find(({ name }) => name === had.pool);
        if (had && still && parseIpv4(had.address) <= parseIpv4(still.to)) assert.deepEqual(planned, had);
      }
    }),
    { numRuns: 200, seed: 8 },
  );
});
