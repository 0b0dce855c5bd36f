import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { shared } from "../../test/tools.ts";
import {
  type LifeEvent,
  NODE_STATES,
  type NodeState,
  STATES,
  type StateTable,
  TRANSITIONS,
  type Transition,
} from "./lifecycle-table.ts";

/** What is wrong with a table of states and transitions, each in words that name the place. */
function faultsOf(states: StateTable, transitions: readonly Transition[]): string[] {
  const faults: string[] = [];
  const names = Object.keys(states) as NodeState[];
  const all = transitions.flatMap((one) =>
    one.from === "*"
      ? names.filter((from) => from !== "retired" && from !== one.to).map((from) => ({ ...one, from }))
      : [{ ...one, from: one.from }],
  );
  const outOf = (state: NodeState) => all.filter(({ from }) => from === state);
  const reach = (from: readonly NodeState[], not?: NodeState): Set<NodeState> => {
    const seen = new Set(from);
    for (const state of seen)
      if (state !== not) for (const { to } of outOf(state)) if (to !== not) seen.add(to);
    return seen;
  };
  const seenFromStart = reach(["discovered"]);
  for (const state of names) {
    const { kind, terminal, timeoutS, onTimeout, retries = 0 } = states[state];
    const out = outOf(state);
    if (!seenFromStart.has(state)) faults.push(`${state}: nothing leads there`);
    const byUs = out.filter(({ event }) => event !== "identity_conflict");
    if (terminal ? out.length > 0 : byUs.length === 0)
      faults.push(`${state}: ${terminal ? "terminal, and something leads out" : "a dead end"}`);
    if (!terminal && !reach([state]).has("retired")) faults.push(`${state}: no way to the end`);
    if (kind === "busy") {
      const fails = out.filter((one) => one.event === onTimeout && one.who.includes("system"));
      if (!timeoutS || !(timeoutS > 0) || retries < 0) faults.push(`${state}: busy without a deadline`);
      if (fails.length === 0 || fails.some(({ to }) => states[to].kind !== "fail"))
        faults.push(`${state}: busy without a state to fail to`);
      if (!out.some(({ event }) => event === "fail")) faults.push(`${state}: busy, and cannot be aborted`);
    } else if (
      timeoutS !== undefined &&
      !out.some((one) => one.event === onTimeout && one.who.includes("system"))
    )
      faults.push(`${state}: it expires, and to nothing`);
    if (kind === "fail" && !out.some(({ who }) => who.includes("operator")))
      faults.push(`${state}: no person leads out of it`);
    for (const event of new Set(out.map((one) => one.event)))
      for (const policy of ["home", "hosting"] as const)
        if (out.filter((one) => one.event === event && (one.policy ?? policy) === policy).length > 1)
          faults.push(`${state}: ${event} leads to two states in policy ${policy}`);
  }
  for (const { from, event, to, who } of all) {
    if (who.length === 0) faults.push(`${from} ${event}: nobody may`);
    if (who.includes("node") && states[from].kind !== "busy")
      faults.push(`${from} ${event}: a board may move a node that waits for a person`);
    if (
      who.includes("tenant") &&
      (to === "enrolled" || from === "quarantined" || from === "broken" || from === "cleaning")
    )
      faults.push(`${from} ${event}: not a tenant's`);
  }
  const touched = names.filter((name) => states[name].touched);
  if (reach(touched, "cleaning").has("ready")) faults.push("somebody's data gets to ready without cleaning");
  return faults;
}

const planted = (
  change: (states: { [S in NodeState]: StateTable[S] }, rows: Transition[]) => Transition[] | undefined,
) => {
  const states = structuredClone(STATES) as StateTable;
  const rows = structuredClone(TRANSITIONS) as Transition[];
  return faultsOf(states, change(states, rows) ?? rows);
};
const without =
  (from: NodeState, ...events: LifeEvent[]) =>
  (_: unknown, rows: Transition[]) =>
    rows.filter((one) => !(one.from === from && events.includes(one.event)));

test("the table has no dead end, every busy state ends in time, and nothing gets to ready around cleaning", () => {
  assert.deepEqual(faultsOf(STATES, TRANSITIONS), []);
  assert.equal(NODE_STATES.length, 21);
  assert.deepEqual(Object.keys(STATES).sort(), [...NODE_STATES].sort());
});

const BAD: [name: string, faults: string[], says: RegExp][] = [
  ["a dead end", planted(without("clean_failed", "clean", "quarantine")), /clean_failed: a dead end/],
  [
    "a fail state that nobody leads out of",
    planted((_, rows) =>
      rows.map((one) => (one.from === "release_failed" ? { ...one, who: ["system"] } : one)),
    ),
    /release_failed: no person/,
  ],
  [
    "a busy state without a deadline",
    planted((states) => void delete states.rescuing.timeoutS),
    /rescuing: busy without a deadline/,
  ],
  [
    "a busy state that cannot fail",
    planted(without("installing", "fail")),
    /installing: busy without a state to fail to/,
  ],
  [
    "a busy state that fails to a rest state",
    planted((_, rows) =>
      rows.map((one) => (one.from === "installing" && one.event === "fail" ? { ...one, to: "ready" } : one)),
    ),
    /installing: busy without a state to fail to/,
  ],
  [
    "a way from deployed to ready",
    planted((_, rows) => [...rows, { from: "deployed", event: "done", to: "ready", who: ["system"] }]),
    /without cleaning/,
  ],
  [
    "a longer way around cleaning",
    planted((_, rows) => [...rows, { from: "broken", event: "accept", to: "reserved", who: ["operator"] }]),
    /without cleaning/,
  ],
  [
    "a release that forgets cleaning",
    planted((_, rows) =>
      rows.map((one) =>
        one.from === "restoring_firmware" && one.event === "done" ? { ...one, to: "ready" } : one,
      ),
    ),
    /without cleaning/,
  ],
  [
    "a state that nothing leads to",
    planted((_, rows) => rows.filter(({ to }) => to !== "rescue")),
    /rescue: nothing leads there/,
  ],
  [
    "a board that ends its own quarantine",
    planted((_, rows) => [
      ...rows,
      { from: "quarantined", event: "phone_home", to: "deployed", who: ["node"] },
    ]),
    /a board may move/,
  ],
  [
    "one event with two ends",
    planted((_, rows) => [...rows, { from: "ready", event: "reserve", to: "broken", who: ["operator"] }]),
    /ready: reserve leads to two/,
  ],
  ["an expiry to nothing", planted(without("reserved", "unreserve")), /reserved: it expires/],
  [
    "a terminal state with a way out",
    planted((_, rows) => [...rows, { from: "retired", event: "repair", to: "ready", who: ["operator"] }]),
    /retired: terminal/,
  ],
  [
    "a tenant who frees its node from quarantine",
    planted((_, rows) => rows.map((one) => (one.from === "quarantined" ? { ...one, who: ["tenant"] } : one))),
    /not a tenant's/,
  ],
];
for (const [name, faults, says] of BAD)
  test(`the check sees ${name}`, () => {
    assert.match(faults.join("\n"), says);
  });

interface Written {
  states: Record<string, { kind: string; timeoutS?: number; retries?: number; onTimeout?: string }>;
  transitions: { from: string; event: string; to: string; who: string[] }[];
}
/** Where we differ from the written table, and why: docs/lifecycle.md. */
const OURS = ["enrolled adopt deployed", "restoring_firmware fail quarantined"];

test("the table is the written one, but for what docs/lifecycle.md names", (t) => {
  const path = shared(t, "spec/lifecycle.json");
  if (!path) return;
  const written = JSON.parse(readFileSync(path, "utf8")) as Written;
  const lines = (rows: readonly { from: string; event: string; to: string }[]) =>
    rows.map(({ from, event, to }) => `${from} ${event} ${to}`).sort();
  assert.deepEqual(
    lines(TRANSITIONS.filter((one) => !OURS.includes(`${one.from} ${one.event} ${one.to}`))),
    lines(written.transitions),
  );
  const who = new Map(
    written.transitions.map((one) => [
      `${one.from} ${one.event}`,
      one.who.map((name) => ({ "node-token": "node", scheduler: "policy" })[name] ?? name).sort(),
    ]),
  );
  for (const one of TRANSITIONS) {
    const key = `${one.from} ${one.event}`;
    if (who.has(key)) assert.deepEqual([...one.who].sort(), who.get(key), key);
  }
  for (const [name, { kind, timeoutS, retries }] of Object.entries(written.states)) {
    const ours = STATES[name as NodeState];
    assert.deepEqual([ours.kind, ours.retries], [kind, retries], name);
    if (name !== "reserved") assert.equal(ours.timeoutS, timeoutS, name);
  }
});
