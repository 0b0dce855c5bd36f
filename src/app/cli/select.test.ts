import assert from "node:assert/strict";
import { test } from "node:test";
import { nodesMeant, selection, someOrAll } from "./select.ts";

test("selection() takes names or -l, not both and not neither; a label alone is asked for by -l", () => {
  assert.equal(selection(["pi-1", "pi[2-3]"], {}), "pi-1,pi[2-3]");
  assert.equal(selection([], { select: "rack=3" }), "rack=3");
  assert.equal(selection([], { select: "gpu" }), "gpu=*");
  assert.equal(selection([], { select: "gpu,row" }), "gpu=*,row");
  assert.throws(() => selection(["pi-1"], { select: "gpu" }), /not both/);
  assert.throws(() => selection([], {}), /which nodes/);
  assert.deepEqual([someOrAll([], {}), someOrAll(["a"], {})], [{}, { select: "a" }]);
});

test("nodesMeant() leaves one name as it is, and asks for all else", async () => {
  const asked: unknown[] = [];
  const places = async (wish: unknown) => {
    asked.push(wish);
    return [{ node: "a" }, { node: "b" }] as never;
  };
  assert.deepEqual(await nodesMeant({ places }, ["pi"], {}), ["pi"]);
  assert.deepEqual(asked, []);
  assert.deepEqual(await nodesMeant({ places }, ["pi[1-2]"], {}), ["a", "b"]);
  assert.deepEqual(await nodesMeant({ places }, ["x", "y"], {}), ["a", "b"]);
  assert.deepEqual(await nodesMeant({ places }, [], { select: "gpu" }), ["a", "b"]);
  assert.deepEqual(asked, [{ select: "pi[1-2]" }, { select: "x,y" }, { select: "gpu=*" }]);
});
