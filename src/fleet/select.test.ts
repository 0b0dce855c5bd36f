import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  glob,
  isSelector,
  matches,
  namedNodes,
  parseSelector,
  type Selectable,
  selectFact,
  selectNodes,
} from "./select.ts";

const node = (name: string, more: Partial<Selectable> = {}): Selectable => ({
  id: `1000${name}`,
  name,
  state: "deployed",
  profile: "default",
  ...more,
});
const NODES = [
  node("pi-1", {
    model: "4B",
    place: { rack: "3", slot: "1" },
    labels: { gpu: "yes" },
    mac: "dc:a6:32:00:00:01",
  }),
  node("pi-2", { model: "5", place: { rack: "3", slot: "2" }, labels: { broken: "" } }),
  node("pi-3", { model: "4B", place: { rack: "4", slot: 1 }, serial: "100000ff" }),
  node("web", { model: "3B+", group: "front" }),
];
const names = (text: string) => selectNodes(NODES, text).map(({ name }) => name);

test("selectNodes() picks by place, model, group, label and what is not there", () => {
  for (const [text, expected] of [
    ["rack=3", "pi-1 pi-2"],
    ["rack==3,model=4b", "pi-1"],
    ["rack=3,model in (4B,5),!broken", "pi-1"],
    ["rack!=3", "pi-3 web"],
    ["rack notin (3, 4)", "web"],
    ["slot=1", "pi-1 pi-3"],
    ["broken=*", "pi-2"],
    ["!rack", "web"],
    ["name=pi-*,!broken", "pi-1 pi-3"],
    ["model=3?+", "web"],
    [" group = front ", "web"],
    ["in in (x)", ""],
    ["pi-[1-2],web", "pi-1 pi-2 web"],
    ["web,pi-1,web", "web pi-1"],
    ["pi-*", "pi-1 pi-2 pi-3"],
    ["100000FF DC-A6-32-00-00-01", "pi-3 pi-1"],
  ] as const)
    assert.equal(names(text).join(" "), expected, text);
  assert.equal(matches(parseSelector("broken"), NODES[1] as Selectable), true, "a label may be empty");
});

test("parseSelector() names the column that it cannot read", () => {
  for (const [text, column] of [
    ["", 1],
    ["rack=", 6],
    ["rack=3,", 8],
    ["rack=3 model=4", 8],
    ["model in 4B", 10],
    ["model in (4B", 13],
    ["model in (4B,)", 14],
    ["=3", 1],
    ["a=b;c", 4],
    ["a=$(x)", 3],
    ["!a=b", 3],
  ] as const)
    assert.throws(
      () => parseSelector(text),
      (error: { code: string; message: string }) => {
        assert.equal(error.code, "SELECTOR_BAD");
        assert.match(error.message, new RegExp(`^selector:1:${column}: `), text);
        return true;
      },
    );
  assert.throws(() => parseSelector(Array(65).fill("a=b").join()), { code: "SELECTOR_BAD" });
  assert.throws(() => parseSelector("a".repeat(5000)), { code: "SELECTOR_BAD" });
});

test("namedNodes() says which there are not, and a pattern that fits none is one", () => {
  assert.throws(() => namedNodes(NODES, "pi-1,pi-[8-9],x*"), {
    code: "NODE_UNKNOWN",
    message: "there is no node pi-8, pi-9, x*",
  });
  assert.throws(() => namedNodes(NODES, "zz[1-9]"), /zz1, zz2, zz3, zz4, zz5 and 4 more$/);
});

test("what every object has is no label of a node", () => {
  for (const key of ["constructor", "toString", "hasOwnProperty", "valueOf"])
    assert.equal(selectFact(NODES[0] as Selectable, key), undefined, key);
  assert.deepEqual(names("constructor=*"), []);
  const odd = node("odd", { labels: JSON.parse('{"constructor":"mine"}') as Record<string, string> });
  assert.equal(matches(parseSelector("constructor=mine"), odd), true);
});

test("any text is a selector or SELECTOR_BAD, a hostlist, HOSTLIST_BAD or NODE_UNKNOWN, quickly", () => {
  const pieces = fc.constantFrom(..."a 1 = ! ( ) , in notin [ ] - * ? . rack pi \t 0 99999".split(" "), " ");
  const text = fc.oneof(
    fc.array(pieces, { maxLength: 30 }).map((parts) => parts.join("")),
    fc.string(),
  );
  fc.assert(
    fc.property(text, (one) => {
      try {
        const found = selectNodes(NODES, one);
        assert.ok(found.every((each) => NODES.includes(each)));
      } catch (error) {
        assert.match((error as { code: string }).code, /^(SELECTOR_BAD|HOSTLIST_BAD|NODE_UNKNOWN)$/);
        assert.equal((error as { code: string }).code === "SELECTOR_BAD", isSelector(one));
      }
    }),
    { numRuns: 800, seed: 4 },
  );
});

test("a term and its opposite part the nodes in two", () => {
  const key = fc.constantFrom("rack", "model", "slot", "broken", "gpu", "group", "none");
  const values = fc.array(fc.constantFrom("3", "4", "4B", "5", "*", "front", "y?s"), {
    minLength: 1,
    maxLength: 3,
  });
  fc.assert(
    fc.property(key, values, (name, list) => {
      const yes = selectNodes(NODES, `${name} in (${list.join()})`);
      const no = selectNodes(NODES, `${name} notin (${list.join()})`);
      assert.deepEqual([...yes, ...no].map((one) => one.name).sort(), NODES.map((one) => one.name).sort());
    }),
    { numRuns: 200, seed: 4 },
  );
});

test("glob() says what a regular expression of the same meaning says, and no pattern is slow", () => {
  const letters = (with_: string) =>
    fc.array(fc.constantFrom(...with_), { maxLength: 12 }).map((c) => c.join(""));
  fc.assert(
    fc.property(letters("ab*?."), letters("ab."), (pattern, text) => {
      const source = pattern.replaceAll(".", "\\.").replaceAll("*", ".*").replaceAll("?", ".");
      assert.equal(glob(pattern, text), new RegExp(`^${source}$`).test(text));
    }),
    { numRuns: 1000, seed: 4 },
  );
  const steps = performance.now();
  assert.equal(glob(`${"*a".repeat(2000)}b`, "a".repeat(4000)), false);
  assert.ok(performance.now() - steps < 2000, "no more than pattern times text");
});
