import assert from "node:assert/strict";
import { test } from "node:test";
import { Die, rounds } from "../testing/die.ts";
import { chainOf, MOST_CHAINED, nextStep, type PlannedLayer } from "./merge-plan.ts";

const MIB = 1 << 20;
type Sketch = Partial<Omit<PlannedLayer, "number">>;

/** Layers by number; each stands on the one before unless it says otherwise. */
const layers = (...sketches: Sketch[]): PlannedLayer[] =>
  sketches.map((sketch, i) => ({
    ...{ number: i + 1, on: i === 0 ? undefined : i, wanted: true, due: false, bytes: MIB },
    ...sketch,
  }));
const top = (on: number | undefined, bytes = MIB) => ({ on, bytes });

const ROWS: [string, ReturnType<typeof top>, PlannedLayer[], ReturnType<typeof nextStep>][] = [
  ["nothing to do without layers", top(undefined), [], undefined],
  ["four files are few enough", top(3), layers({}, {}, {}), undefined],
  ["a layer that nobody needs goes", top(1), layers({}, { wanted: false }), { do: "remove", layer: 2 }],
  ["a layer that is held stays, due or not", top(1), layers({}, { due: true }), undefined],
  [
    "a small dropped one goes up",
    top(2),
    layers({ wanted: false, due: true, bytes: 1 }, {}),
    { do: "pull", from: 1, into: 2 },
  ],
  [
    "onto a large dropped one what is above goes down",
    top(2),
    layers({ wanted: false, due: true, bytes: 9 * MIB }, {}),
    { do: "push", from: 2, into: 1 },
  ],
  [
    "not where another stands on it, too",
    top(2),
    layers({ wanted: false, due: true, bytes: 9 * MIB }, {}, { on: 1, bytes: 2 * MIB }),
    { do: "pull", from: 1, into: 2 },
  ],
  [
    "a dropped one below the clone itself goes up, while the node writes",
    top(1),
    layers({ wanted: false, due: true }),
    { do: "pull", from: 1, into: "top" },
  ],
  [
    "a large one below a small clone: frozen first",
    top(1),
    layers({ wanted: false, due: true, bytes: 900 * MIB }),
    { do: "freeze" },
  ],
  [
    "of a long chain the cheapest pair",
    top(4),
    layers({ bytes: 5 * MIB }, { bytes: 2 * MIB }, { bytes: 3 * MIB }, {}),
    { do: "pull", from: 2, into: 3 },
  ],
  [
    "in a long chain what is not wanted may be pushed onto",
    top(4),
    layers({ bytes: 50 * MIB, wanted: false }, { bytes: MIB / 2 }, { bytes: 3 * MIB }, { bytes: 4 * MIB }),
    { do: "push", from: 2, into: 1 },
  ],
];

for (const [name, above, below, step] of ROWS)
  test(`nextStep(): ${name}`, () => assert.deepEqual(nextStep(above, below), step));

/** What a step does to the layers, without their bytes. */
function done(
  above: ReturnType<typeof top>,
  all: PlannedLayer[],
  step: NonNullable<ReturnType<typeof nextStep>>,
) {
  const by = (number: number) => all.find((layer) => layer.number === number) as PlannedLayer;
  if (step.do === "remove") return { above, all: all.filter(({ number }) => number !== step.layer) };
  if (step.do === "freeze") {
    const number = Math.max(...all.map((layer) => layer.number)) + 1;
    const frozen = { number, on: above.on, wanted: false, due: false, bytes: above.bytes };
    return { above: top(number, 1), all: [...all, frozen] };
  }
  if (step.do === "pull") {
    const { on, bytes } = by(step.from);
    if (step.into === "top") return { above: top(on, above.bytes + bytes), all };
    const into = step.into;
    const merged = (layer: PlannedLayer) =>
      layer.number === into ? { ...layer, on, bytes: layer.bytes + bytes } : layer;
    return { above, all: all.map(merged) };
  }
  const lower = by(step.into);
  assert.equal(lower.wanted, false, "nobody's bytes change");
  assert.notEqual(above.on, lower.number);
  assert.equal(all.filter(({ on }) => on === lower.number).length, 1);
  const { on, bytes } = lower;
  const left = all.filter(({ number }) => number !== lower.number);
  const taken = (layer: PlannedLayer) =>
    layer.number === step.from ? { ...layer, on, bytes: layer.bytes + bytes } : layer;
  return { above, all: left.map(taken) };
}

test("any tree of layers comes to an end: short, nothing unwanted below it, each wanted one there", () => {
  for (let seed = 1; seed <= rounds(500, 20_000); seed++) {
    const die = new Die(seed);
    const count = die.below(12);
    let all: PlannedLayer[] = Array.from({ length: count }, (_, i) => {
      const wanted = die.below(2) === 0;
      const on = i === 0 || die.oneIn(5) ? undefined : 1 + die.below(i);
      return { number: i + 1, on, wanted, due: !wanted && die.oneIn(2), bytes: die.below(900) * MIB };
    });
    let above = top(count === 0 || die.oneIn(6) ? undefined : 1 + die.below(count), die.below(300) * MIB);
    const wanted = all.filter((layer) => layer.wanted).map(({ number }) => number);
    let steps = 0;
    for (let step = nextStep(above, all); step; step = nextStep(above, all)) {
      ({ above, all } = done(above, all, step));
      steps += 1;
      assert.ok(steps < 100, `seed ${seed} never ends`);
    }
    assert.ok(chainOf(above.on, all).length + 1 <= MOST_CHAINED, `seed ${seed}`);
    assert.ok(
      all.every((layer) => !layer.due || layer.wanted),
      `seed ${seed}: what was dropped is still there`,
    );
    for (const number of wanted)
      assert.ok(
        all.some((layer) => layer.number === number),
        `seed ${seed}`,
      );
  }
});
