import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { restored, saved } from "./reservations.ts";
import { Bench, out, VERB } from "./unit-testing.ts";

const status = (told: { status: number; sense: string }) => told.sense || told.status;
const keysOf = (bench: Bench) => Buffer.from(bench.ask("a", "5e 00 0000000000 ffff").dataIn);
const held = (bench: Bench) => Buffer.from(bench.ask("a", "5e 01 0000000000 ffff").dataIn);
const GOOD = 0;
const CONFLICT = 0x18;

test("any requests: holders are registered, what is saved comes back, a simple model agrees on who holds what", () => {
  const step = fc.record({
    nexus: fc.constantFrom("a", "b", "c"),
    verb: fc.constantFrom(...(Object.keys(VERB) as (keyof typeof VERB)[])),
    key: fc.bigInt({ min: 0n, max: 3n }),
    action: fc.bigInt({ min: 0n, max: 3n }),
    type: fc.constantFrom(1, 3, 5, 6, 7, 8),
    aptpl: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
      const bench = new Bench().login("a", "b", "c");
      let keys: [string, bigint][] = [];
      let type = 0;
      let owner = "";
      const keyOf = (nexus: string) => keys.find(([name]) => name === nexus)?.[1];
      for (const { nexus, verb, key, action, type: wanted, aptpl } of steps) {
        const told = status(out(bench, nexus, verb, { key, action, type: wanted, aptpl }));
        const mine = keyOf(nexus);
        const all = type >= 7;
        const holder = type !== 0 && mine !== undefined && (all || owner === nexus);
        let expected: number | string = GOOD;
        if (verb === "register" || verb === "ignore") {
          if (verb === "register" && (mine ?? 0n) !== key) expected = CONFLICT;
          else {
            keys = keys.filter(([name]) => name !== nexus);
            if (action !== 0n) keys.push([nexus, action]);
            else if (holder && (!all || keys.length === 0)) type = 0;
          }
        } else if (mine !== key) expected = CONFLICT;
        else if (verb === "clear") [keys, type] = [[], 0];
        else if (verb === "release") {
          if (holder && type !== wanted) expected = "05/26/04";
          else if (holder) type = 0;
        } else if (verb === "reserve") {
          if (type !== 0 && !(holder && type === wanted)) expected = CONFLICT;
          else [type, owner] = [wanted, type === 0 ? nexus : owner];
        } else {
          const takes = type !== 0 && (all ? action === 0n : keyOf(owner) === action);
          const victims = takes && all ? keys : keys.filter(([, k]) => k === action);
          if (!takes && type !== 0 && !all && action === 0n) expected = "05/26/00";
          else if (!takes && victims.length === 0) expected = CONFLICT;
          else {
            keys = keys.filter((one) => !victims.includes(one) || (takes && one[0] === nexus));
            if (takes) [type, owner] = [wanted, nexus];
            else if (all && keys.length === 0) type = 0;
          }
        }
        assert.equal(told, expected, `${nexus} ${verb} key ${key} action ${action} type ${wanted}`);
        for (const name of ["a", "b", "c"]) while (bench.ask(name, "00").sense !== "");
        const there = keysOf(bench);
        const listed = [...Array((there.length - 8) / 8).keys()].map((i) => there.readBigUInt64BE(8 + i * 8));
        assert.deepEqual(listed.sort(), keys.map(([, k]) => k).sort());
        assert.equal(held(bench)[21] ?? 0, type);
        if (type !== 0 && type < 7)
          assert.equal(held(bench).readBigUInt64BE(8), keyOf(owner), "the holder is registered");
        if (bench.saved) assert.equal(saved(restored(bench.saved)), bench.saved);
      }
    }),
    { numRuns: 400 },
  );
});
