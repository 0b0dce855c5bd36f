import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { restored, saved } from "./reservations.ts";
import { Bench, out, type VERB } from "./unit-testing.ts";

const status = (told: { status: number; sense: string }) => told.sense || told.status;
const keysOf = (bench: Bench) => Buffer.from(bench.ask("a", "5e 00 0000000000 ffff").dataIn);
const held = (bench: Bench) => Buffer.from(bench.ask("a", "5e 01 0000000000 ffff").dataIn);
const GOOD = 0;
const CONFLICT = 0x18;

/** What the model knows: keys in the order of registration, the type that is held, by whom. */
interface Model {
  keys: [string, bigint][];
  type: number;
  owner: string;
}
interface Step {
  nexus: string;
  verb: keyof typeof VERB;
  key: bigint;
  action: bigint;
  wanted: number;
}

/** Plays SPC-4 5.9 in the plainest way; says what is answered, and what each of the others is told. */
function play(
  model: Model,
  { nexus, verb, key, action, wanted }: Step,
): { answer: number | string; told: Map<string, string> } {
  const told = new Map<string, string>();
  const { keys, type, owner } = model;
  const tell = (names: [string, bigint][], sense: string) => {
    for (const [name] of names) if (name !== nexus) told.set(name, sense);
  };
  const mine = keys.find(([name]) => name === nexus)?.[1];
  const all = type >= 7;
  const holder = type !== 0 && mine !== undefined && (all || owner === nexus);
  if (verb === "register" || verb === "ignore") {
    if (verb === "register" && (mine ?? 0n) !== key) return { answer: CONFLICT, told };
    const others = keys.filter(([name]) => name !== nexus);
    model.keys =
      action === 0n
        ? others
        : mine === undefined
          ? [...keys, [nexus, action]]
          : keys.map((k) => (k[0] === nexus ? [nexus, action] : k));
    if (action === 0n && holder && (!all || others.length === 0)) {
      if (type >= 5) tell(others, "06/2a/04");
      model.type = 0;
    }
    return { answer: GOOD, told };
  }
  if (mine !== key) return { answer: CONFLICT, told };
  if (verb === "clear") {
    tell(keys, "06/2a/03");
    Object.assign(model, { keys: [], type: 0 });
  } else if (verb === "release") {
    if (holder && type !== wanted) return { answer: "05/26/04", told };
    if (holder && type >= 5) tell(keys, "06/2a/04");
    if (holder) model.type = 0;
  } else if (verb === "reserve") {
    if (type !== 0 && !(holder && type === wanted)) return { answer: CONFLICT, told };
    if (type === 0) Object.assign(model, { type: wanted, owner: nexus });
  } else {
    const held = keys.find(([name]) => name === owner)?.[1];
    const takes = type !== 0 && (all ? action === 0n : held === action);
    if (!takes && type !== 0 && !all && action === 0n) return { answer: "05/26/00", told };
    const victims = (takes && all ? keys : keys.filter(([, k]) => k === action)).filter(
      ([name]) => !takes || name !== nexus,
    );
    if (!takes && victims.length === 0) return { answer: CONFLICT, told };
    model.keys = keys.filter((one) => !victims.includes(one));
    if (takes && type !== wanted) tell(model.keys, "06/2a/04");
    tell(victims, "06/2a/05");
    if (takes) Object.assign(model, { type: wanted, owner: nexus });
    else if (all && model.keys.length === 0) model.type = 0;
  }
  return { answer: GOOD, told };
}

test("any requests: answers, keys, holder and attentions are the model's; what is saved comes back", () => {
  const nexuses = ["a", "b", "c"];
  const step = fc.record({
    nexus: fc.constantFrom(...nexuses),
    verb: fc.constantFrom<keyof typeof VERB>(
      ...(["ignore", "ignore", "ignore", "reserve", "reserve", "release", "register"] as const),
      ...(["preempt", "preempt", "preemptAndAbort", "clear"] as const),
    ),
    right: fc.integer({ min: 0, max: 9 }), // of ten keys nine are the right one, and so many types at RELEASE
    key: fc.bigInt({ min: 0n, max: 3n }),
    action: fc.bigInt({ min: 0n, max: 2n }),
    wanted: fc.constantFrom(1, 3, 5, 6, 7, 8),
    aptpl: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(step, { minLength: 20, maxLength: 40, size: "max" }), (steps) => {
      const bench = new Bench().login(...nexuses);
      const model: Model = { keys: [], type: 0, owner: "" };
      for (const { right, aptpl, ...asked } of steps) {
        const one = { ...asked, wanted: asked.verb === "release" && right ? model.type || 1 : asked.wanted };
        const key = right ? (model.keys.find(([name]) => name === one.nexus)?.[1] ?? 0n) : one.key;
        const what = `${one.nexus} ${one.verb} key ${key} action ${one.action} type ${one.wanted}`;
        const { answer, told } = play(model, { ...one, key });
        assert.equal(
          status(out(bench, one.nexus, one.verb, { key, action: one.action, type: one.wanted, aptpl })),
          answer,
          what,
        );
        for (const name of nexuses) {
          assert.equal(bench.ask(name, "00").sense, told.get(name) ?? "", `${what}: ${name} is told`);
          assert.equal(bench.ask(name, "00").sense, "", "once");
        }
        const there = keysOf(bench);
        const listed = [...Array((there.length - 8) / 8).keys()].map((i) => there.readBigUInt64BE(8 + i * 8));
        assert.deepEqual(
          listed,
          model.keys.map(([, k]) => k),
          what,
        );
        assert.equal(held(bench)[21] ?? 0, model.type, what);
        const owner = model.keys.find(([name]) => name === model.owner);
        if (model.type !== 0 && model.type < 7)
          assert.equal(held(bench).readBigUInt64BE(8), owner?.[1], "the holder is registered");
        if (bench.saved) assert.equal(saved(restored(bench.saved)), bench.saved);
      }
    }),
    { numRuns: 100 },
  );
});
