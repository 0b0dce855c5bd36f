import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { byPlace, checkSeat, judgeMoves, type Placed, patchPlace, placeWords, seatsOf } from "./places.ts";

test("patchPlace() sets, keeps and takes away parts, and takes no formula, no unknown part", () => {
  const place = patchPlace(undefined, { rack: "3", slot: "1" });
  assert.deepEqual(patchPlace(place, { slot: "2", port: "Gi1/0/12" }), {
    rack: "3",
    slot: "2",
    port: "Gi1/0/12",
  });
  assert.equal(patchPlace(place, { rack: null, slot: null }), undefined);
  assert.equal(patchPlace({ rack: "3" }, { rack: "" }), undefined, "an empty word is none");
  for (const rack of ["=1+1", "+1", "-1", "@x", "\t1", "1\n2", "a,b;\u0000", "x".repeat(64), '"', "'=1"])
    assert.throws(() => patchPlace(undefined, { rack }), { code: "BAD_INPUT" }, rack);
  assert.throws(() => patchPlace(undefined, { shelf: "1" } as never), { code: "BAD_INPUT" });
  assert.throws(() => patchPlace(undefined, { rack: 3 } as never), { code: "BAD_INPUT" });
});

test("a unit holds many boards, a slot one, a switch port one, an address one", () => {
  const at = (id: string, more: Partial<Placed>): Placed => ({ id, name: `pi-${id}`, ...more });
  const all = [
    at("1", { place: { rack: "1", unit: "1", slot: "1" } }),
    at("2", { place: { rack: "1", unit: "1" } }),
    at("3", { place: { switch: "sw", port: "3" }, address: "10.0.0.3" }),
  ];
  const free = (more: Partial<Placed>) => checkSeat(all, at("9", more));
  free({ place: { rack: "1", unit: "1" } });
  free({ place: { rack: "1", unit: "1", slot: "2" } });
  free({ place: { rack: "2", unit: "1", slot: "1" } });
  free({ place: { site: "x", rack: "1", unit: "1", slot: "1" } });
  free({ place: { switch: "sw", port: "4" } });
  free({ place: { switch: "sw" } });
  checkSeat(all, all[0] as Placed);
  const taken = { code: "PLACE_TAKEN", message: /^pi-[13] is at .* already$/ };
  assert.throws(() => free({ place: { rack: "1", unit: "1", slot: "1" } }), taken);
  assert.throws(() => free({ place: { switch: "sw", port: "3", rack: "7" } }), taken);
  assert.throws(() => free({ management: "10.0.0.3" }), taken);
});

test("judgeMoves() lets two boards change places, and refuses the later of two for one slot", () => {
  const slot = (id: string, n: string): Placed => ({ id, name: id, place: { rack: "1", slot: n } });
  const nodes = [slot("a", "1"), slot("b", "2"), { id: "c", name: "c" }];
  const swap = judgeMoves(nodes, [slot("a", "2"), slot("b", "1")]);
  assert.equal(swap.accepted.length, 2);
  const two = judgeMoves(nodes, [slot("c", "3"), slot("a", "3")]);
  assert.deepEqual(
    two.refused.map(({ move, seat, by }) => [move.id, seat, by]),
    [["a", "rack 1, slot 3", "c"]],
  );
  const chain = judgeMoves(nodes, [slot("c", "1"), slot("a", "2")]);
  assert.deepEqual(
    chain.refused.map(({ move, by }) => [move.id, by]),
    [
      ["a", "b"],
      ["c", "a"],
    ],
    "a cannot leave, so c cannot come",
  );
  const both = judgeMoves(nodes, [{ id: "c", name: "c", address: "10.0.0.1", management: "10.0.0.1" }]);
  assert.equal(both.refused[0]?.by, "itself");
});

test("however many boards move at once, no two end in one seat, and who is not moved stays", () => {
  const place = fc.record(
    {
      rack: fc.constantFrom("1", "2"),
      slot: fc.constantFrom("1", "2", "3"),
      port: fc.constantFrom("1", "2"),
    },
    { requiredKeys: [] },
  );
  const board = (id: number) => ({ id: String(id), name: `n${id}` });
  fc.assert(
    fc.property(
      fc.array(place, { maxLength: 8 }),
      fc.array(fc.tuple(fc.nat(7), place), { maxLength: 8 }),
      (at, to) => {
        const before: Placed[] = at.map((one, i) => ({ ...board(i), place: { switch: "s", ...one } }));
        const start = judgeMoves(
          before.map(({ id, name }) => ({ id, name: name ?? id })),
          before,
        ).accepted;
        const nodes = before.map(
          ({ id, name }) => start.find((one) => one.id === id) ?? { id, name: name ?? id },
        );
        const wanted = new Map(
          to.map(([i, one]) => [String(i), { ...board(i), place: { switch: "s", ...one } }]),
        );
        const moves = [...wanted.values()].filter(({ id }) => nodes.some((node) => node.id === id));
        const { accepted, refused } = judgeMoves(nodes, moves);
        assert.equal(accepted.length + refused.length, moves.length);
        const after = nodes.map((node) => accepted.find(({ id }) => id === node.id) ?? node);
        const seats = after.flatMap(seatsOf);
        assert.equal(new Set(seats).size, seats.length);
      },
    ),
    { numRuns: 500, seed: 6 },
  );
});

test("byPlace() goes along racks as a person does: 2 before 10, what has no place last", () => {
  const at = (name: string, place?: Placed["place"]): Placed => ({ id: name, name, ...(place && { place }) });
  const sorted = [
    at("d"),
    at("c", { rack: "10" }),
    at("b", { rack: "2", unit: "10" }),
    at("a", { rack: "2", unit: "9" }),
  ].sort(byPlace);
  assert.equal(sorted.map(({ name }) => name).join(""), "abcd");
  assert.equal(placeWords({ port: "1", rack: "2" }), "rack 2, port 1");
});
