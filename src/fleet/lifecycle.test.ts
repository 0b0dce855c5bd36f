import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Actor } from "./actor.ts";
import { actionsOf, eventsOf, NODE_ACTIONS, steps } from "./life-actions.ts";
import { type LifePolicy, POLICIES, parsePolicy } from "./life-policy.ts";
import { type Ask, allowedFrom, type LifeFacts, step } from "./lifecycle.ts";
import { LIFE_EVENTS, NODE_STATES, type NodeState, STATES, TRANSITIONS } from "./lifecycle-table.ts";

const home = POLICIES.home;
const hosting: LifePolicy = { ...POLICIES.hosting, firmware: "unchecked" };
const operator: Actor = { kind: "operator", name: "op" };
const anna: Actor = { kind: "tenant", name: "anna" };
const bert: Actor = { kind: "tenant", name: "bert" };
const system: Actor = { kind: "system", name: "bramble" };
const node: Actor = { kind: "node", name: "boot 1" };
const at = (state: NodeState, policy = hosting, owner?: string): LifeFacts => ({
  state,
  policy,
  ...(owner && { owner }),
});
const code = (code: string, hint?: RegExp) => (error: { code?: string; hint?: string }) => {
  assert.equal(error.code, code);
  if (hint) assert.match(error.hint ?? "", hint);
  return true;
};

test("at home an unknown board is deployed in one go, by rule or by hand, with no ceremony and nothing to do", () => {
  for (const by of [operator, { kind: "policy", name: "auto" } as const]) {
    const taken = steps(at("discovered", home), eventsOf(at("discovered", home), "enrol"), by, {});
    assert.deepEqual(
      taken.map(({ to }) => to),
      ["enrolled", "deployed"],
    );
    assert.deepEqual(
      taken.flatMap(({ effects }) => effects),
      [],
    );
  }
  assert.throws(
    () => step(at("enrolled", hosting), "adopt", operator, { owner: "anna" }),
    code("NODE_STATE"),
  );
});

test("what the table does not have is refused, and the hint says what there is for this actor", () => {
  assert.throws(
    () => step(at("ready"), "phone_home", operator),
    code("NODE_STATE", /from here: reserve, inspect, clean, mark-broken, retire/),
  );
  assert.throws(
    () => step(at("deployed", hosting, "anna"), "deploy", anna),
    code("NODE_STATE", /from here: reinstall, rescue, release$/),
  );
  assert.throws(
    () => step(at("deployed", hosting, "anna"), "deploy", bert),
    code("NODE_STATE", /only goes on by itself/),
  );
  assert.throws(() => step(at("retired"), "repair", operator), code("NODE_STATE"));
  const moves = { ...hosting, quarantineOnMove: true };
  for (const state of ["retired", "quarantined"] as const)
    assert.throws(() => step(at(state, moves), "identity_conflict", system), code("NODE_STATE"));
});

test("a tenant reaches its own nodes only, reserves what is nobody's, and never does an operator's work", () => {
  assert.equal(
    step(at("ready"), "reserve", anna, { owner: "bert" }).owner,
    "anna",
    "for itself, whatever it says",
  );
  assert.throws(() => step(at("ready", hosting, "bert"), "reserve", anna), code("FORBIDDEN"));
  for (const [state, ask] of [
    ["reserved", "deploy"],
    ["deployed", "release"],
    ["rescue", "unrescue"],
    ["installing", "abort"],
  ] as const) {
    assert.equal(step(at(state, hosting, "anna"), ask, anna).from, state);
    assert.throws(() => step(at(state, hosting, "anna"), ask, bert), code("FORBIDDEN", /another tenant/));
    assert.throws(() => step(at(state, hosting), ask, bert), code("FORBIDDEN"));
  }
  for (const state of NODE_STATES)
    for (const ask of [
      "enrol",
      "clean",
      "accept",
      "repair",
      "retire",
      "forget",
      "done",
      "mark_broken",
    ] as const)
      assert.throws(
        () => step(at(state, hosting, "anna"), ask, anna, { verified: true, inventoryComplete: true }),
        { name: "BrambleError" },
      );
  assert.throws(
    () => step(at("deployed", hosting, "v"), "release", { kind: "viewer", name: "v" }),
    code("FORBIDDEN"),
  );
});

test("a board's token does what is marked so, and nothing else", () => {
  const may = NODE_STATES.flatMap((state) =>
    allowedFrom(at(state), node).map((event) => `${state} ${event}`),
  );
  assert.deepEqual(may.sort(), [
    "first_boot phone_home",
    "installing fail",
    "installing installed",
    "rescuing done",
  ]);
});

test("abort fails a busy state, by its owner and operators, and is nothing elsewhere", () => {
  for (const state of NODE_STATES) {
    const facts = at(state, hosting, "anna");
    if (STATES[state].kind !== "busy")
      assert.throws(() => step(facts, "abort", operator), code("NODE_STATE"));
    else
      for (const by of [operator, anna])
        assert.equal(STATES[step(facts, "abort", by).to].kind, "fail", state);
    assert.throws(() => step(facts, "abort", bert), { name: "BrambleError" });
    assert.throws(() => step(facts, "abort", node), { name: "BrambleError" });
  }
});

test("ready needs verified records, a cleaning a complete inventory, a firmware nobody looked at the policy's word", () => {
  assert.throws(() => step(at("cleaning"), "done", system), code("NODE_STATE"));
  assert.equal(step(at("cleaning"), "done", system, { verified: true }).to, "ready");
  assert.throws(() => step(at("inspecting"), "done", system), code("NODE_STATE"));
  assert.equal(step(at("inspecting"), "done", system, { inventoryComplete: true }).to, "cleaning");
  const strict = POLICIES.hosting;
  assert.throws(
    () => step(at("restoring_firmware", strict), "done", system),
    code("NOT_AVAILABLE", /policy set/),
  );
  assert.throws(
    () => step(at("deployed", strict, "anna"), "release", anna),
    code("NOT_AVAILABLE"),
    "refused before anything is begun",
  );
  assert.equal(step(at("restoring_firmware"), "done", system).to, "cleaning");
});

test("who moves is quarantined where the policy says so only: a stranger's packet must not lock a node away", () => {
  assert.throws(
    () => step(at("deployed", home), "identity_conflict", system),
    code("NODE_STATE", /quarantine-on-move/),
  );
  assert.equal(
    step(at("deployed", { ...home, quarantineOnMove: true }), "identity_conflict", system).to,
    "quarantined",
  );
});

test("its last owner is nobody to a node from the moment that its rights are revoked", () => {
  assert.equal(step(at("deployed", hosting, "anna"), "release", anna).owner, "anna");
  assert.equal(step(at("releasing", hosting, "anna"), "done", system).owner, undefined);
  assert.equal(step(at("quarantined", hosting, "anna"), "accept", operator).owner, undefined);
  assert.equal(step(at("reserved", hosting, "anna"), "unreserve", system).owner, undefined);
  assert.throws(
    () => step(at("ready"), "reserve", operator),
    code("BAD_INPUT"),
    "hosting: it must be somebody's",
  );
  assert.equal(step(at("ready", home), "reserve", operator).owner, undefined, "home: nobody owns anything");
});

test("what does not exist yet is refused by name, with what is missing", () => {
  for (const action of ["install-local", "wipe-local", "restore-firmware"] as const)
    assert.throws(() => eventsOf(at("deployed"), action), code("NOT_AVAILABLE"));
  const told = actionsOf(at("deployed", hosting, "anna"), anna);
  assert.deepEqual(
    told.map(({ action }) => action),
    [...NODE_ACTIONS],
    "every verb is told, also what is refused",
  );
  assert.deepEqual(
    told.filter(({ allowed }) => allowed).map(({ action, to }) => [action, to]),
    [
      ["reinstall", "installing"],
      ["rescue", "rescuing"],
      ["release", "releasing"],
    ],
  );
  for (const { allowed, why } of told) assert.equal(allowed, why === undefined);
  assert.match(told.find(({ action }) => action === "wipe-local")?.why ?? "", /cannot wipe/);
});

test("deploy from ready reserves on the way, and begins with taking every right of before", () => {
  const taken = steps(at("ready", home), eventsOf(at("ready", home), "deploy"), operator, {});
  assert.deepEqual(
    taken.map(({ to }) => to),
    ["reserved", "installing"],
  );
  assert.deepEqual(
    taken.flatMap(({ effects }) => effects.map(({ kind }) => kind)),
    ["revoke", "dropClone", "makeClone", "goOn"],
  );
  for (const state of NODE_STATES) {
    const { effects, kind } = STATES[state];
    const drops = effects.findIndex((one) => one.kind === "dropClone");
    if (drops >= 0)
      assert.equal(effects[0]?.kind, "revoke", `${state}: nobody has its disk open when it goes`);
    if (kind === "busy" && !STATES[state].waitsForBoard)
      assert.ok(effects.length > 0, `${state}: somebody works on it`);
  }
});

test("a policy in the book is whole, or refused", () => {
  assert.equal(parsePolicy(undefined), home);
  assert.deepEqual(parsePolicy('{"name":"hosting","localDisks":"leave"}'), {
    ...POLICIES.hosting,
    localDisks: "leave",
  });
  assert.throws(() => parsePolicy('{"name":"constructor"}'), code("BAD_INPUT"));
});

test("any walk by anybody: each step is in the table, and somebody's data only gets to ready through a verified cleaning", () => {
  const actors: Actor[] = [
    operator,
    anna,
    bert,
    system,
    node,
    { kind: "policy", name: "p" },
    { kind: "viewer", name: "v" },
  ];
  const move = fc.record({
    any: fc.constantFrom<Ask>(...LIFE_EVENTS, "abort"),
    pick: fc.nat(99),
    by: fc.constantFrom(...actors),
    args: fc.record({
      owner: fc.constantFrom("anna", "bert"),
      verified: fc.boolean(),
      inventoryComplete: fc.boolean(),
    }),
  });
  let longest = 0;
  fc.assert(
    fc.property(
      fc.constantFrom(home, hosting),
      fc.array(move, { minLength: 200, maxLength: 400 }),
      (policy, moves) => {
        let facts = at("discovered", policy);
        let dirty = false;
        let taken = 0;
        for (const { any, pick, by, args } of moves) {
          const allowed = allowedFrom(facts, by);
          const ask = (pick > 30 && allowed[pick % allowed.length]) || any;
          let stepped: ReturnType<typeof step>;
          try {
            stepped = step(facts, ask, by, args);
          } catch (error) {
            assert.ok(
              ["NODE_STATE", "FORBIDDEN", "BAD_INPUT", "NOT_AVAILABLE"].includes(
                (error as { code: string }).code,
              ),
            );
            continue;
          }
          taken += 1;
          const { from, to, event } = stepped;
          assert.ok(
            TRANSITIONS.some(
              (one) => (one.from === from || one.from === "*") && one.event === event && one.to === to,
            ),
          );
          if (by.kind === "tenant" && event !== "reserve") assert.equal(facts.owner, by.name);
          if (STATES[to].touched) dirty = true;
          if (from === "cleaning" && to === "ready") {
            assert.ok(args.verified);
            dirty = false;
          }
          if (to === "ready") assert.ok(!dirty, `${from} ${event}`);
          facts = at(to, policy, stepped.owner);
        }
        longest = Math.max(longest, taken);
      },
    ),
    { numRuns: 200 },
  );
  assert.ok(longest > 15, "the walks walk");
});
