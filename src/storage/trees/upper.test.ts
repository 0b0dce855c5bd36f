import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Blocks } from "./upper-blocks.ts";
import { Entries, OWN_COOKIE } from "./upper-entries.ts";

const range = fc.tuple(fc.nat(60), fc.nat(12)).map(([from, length]) => [from, from + length] as const);
const step = fc.oneof(
  fc.record({ do: fc.constant("add" as const), range }),
  fc.record({ do: fc.constant("remove" as const), range }),
  fc.record({ do: fc.constant("cut" as const), range }),
);

test("Blocks agree with a set of numbers after any adding, removing and cutting", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), range, (steps, [from, to]) => {
      const blocks = new Blocks();
      const model = new Set<number>();
      for (const { do: act, range } of steps) {
        const before = model.size;
        const end = act === "cut" ? 100 : range[1];
        for (let block = range[0]; block < end; block++)
          act === "add" ? model.add(block) : model.delete(block);
        const changed = act === "cut" ? blocks.cut(range[0]) : blocks[act](...range);
        assert.equal(changed, Math.abs(model.size - before));
        assert.equal(blocks.count, model.size);
      }
      assert.deepEqual(
        [...blocks.runs()].flatMap(([a, b]) => Array.from({ length: b - a }, (_, i) => a + i)),
        [...model].sort((a, b) => a - b),
      );
      for (let block = 0; block < 80; block++) {
        assert.equal(blocks.has(block), model.has(block));
        let turn = block;
        while (turn < 200 && model.has(turn) === model.has(block)) turn++;
        assert.equal(blocks.turn(block), turn === 200 ? Number.POSITIVE_INFINITY : turn);
      }
      const inside = [...model].filter((block) => block >= from && block < to).length;
      assert.equal(blocks.within(from, to), inside);
      // No two runs touch: a file written in order is one run.
      const runs = [...blocks.runs()];
      for (const [i, [start]] of runs.entries()) assert.ok(i === 0 || (runs[i - 1]?.[1] ?? 0) < start);
    }),
  );
});

test("Entries list own names by cookie, the youngest first, also while names are removed and after they were tidied away", () => {
  const entries = new Entries();
  for (let i = 0; i < 1000; i++) entries.set(`n${i}`, i + 1, OWN_COOKIE + i);
  const seen: string[] = [];
  let found = entries.before(Number.POSITIVE_INFINITY);
  while (found) {
    const { name, cookie } = found.entry;
    seen.push(name);
    entries.set(name, 0, cookie);
    found = entries.before(cookie, found.next);
  }
  assert.deepEqual(
    seen,
    Array.from({ length: 1000 }, (_, i) => `n${999 - i}`),
  );
  assert.equal(entries.shown, 0);
  assert.equal(entries.names.size, 0);
});

test("Entries keep whiteouts of the image's names, forget own names, and count both", () => {
  const entries = new Entries();
  entries.set("image", 0, 3);
  entries.set("own", 9, OWN_COOKIE);
  assert.deepEqual([entries.shown, entries.hidden], [1, 1]);
  entries.set("own", 0, OWN_COOKIE);
  entries.set("image", 7, 3);
  assert.deepEqual([entries.shown, entries.hidden], [1, 0]);
  assert.deepEqual([...entries.names.keys()], ["image"]);
  assert.equal(entries.before(Number.POSITIVE_INFINITY), undefined);
});
