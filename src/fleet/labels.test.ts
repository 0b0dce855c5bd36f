import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { labelWords, parseLabels, patchLabels } from "./labels.ts";
import { matches, parseSelector } from "./select.ts";

test("patchLabels() sets and takes away, sorted, and leaves nothing where nothing is left", () => {
  const labels = patchLabels(undefined, { gpu: "", "example.org/row": "b" });
  assert.deepEqual(Object.keys(labels ?? {}), ["example.org/row", "gpu"]);
  assert.deepEqual(patchLabels(labels, { gpu: null, none: null }), { "example.org/row": "b" });
  assert.equal(patchLabels(labels, { gpu: null, "example.org/row": null }), undefined);
});

test("no label has a name or a value that would mean something in a selector, a shell, CSV or JavaScript", () => {
  for (const key of [
    ..."__proto__|-x|x-|=x|a=b|a b|a,b|!a|(a)|é|$x|a*".split("|"),
    ..."|rack|Name|state|switch|maintenance".split("|"),
    "x".repeat(64),
  ])
    assert.throws(
      () => patchLabels(undefined, JSON.parse(`{${JSON.stringify(key)}:"v"}`)),
      { code: "BAD_INPUT" },
      key,
    );
  for (const value of ["=1", "+1", "-1", "@x", "a b", "a,b", "a;b", "a\nb", '"', "*", "x".repeat(64)])
    assert.throws(() => patchLabels(undefined, { key: value }), { code: "BAD_INPUT" }, value);
  assert.throws(() => patchLabels(undefined, { key: 1 } as never), { code: "BAD_INPUT" });
  const many = Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`l${i}`, ""]));
  assert.throws(() => patchLabels(undefined, many), { code: "BAD_INPUT" });
});

test("a label called constructor is a label", () => {
  const labels = patchLabels(undefined, JSON.parse('{"constructor":"x"}'));
  assert.equal(Object.hasOwn(labels ?? {}, "constructor"), true);
  assert.equal(labelWords(labels), "constructor=x");
});

test("parseLabels() reads key=value, key, key- and refuses one given twice", () => {
  assert.deepEqual(parseLabels(["a=1", "b", "c-", "d="]), { a: "1", b: "", c: null, d: "" });
  assert.throws(() => parseLabels(["a=1", "a-"]), { code: "BAD_INPUT" });
  assert.throws(() => parseLabels(["=1"]), { code: "BAD_INPUT" });
});

test("any label that is taken can be written as words, read again, and selected by", () => {
  const key = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._/-]{0,10}[A-Za-z0-9]$/);
  const value = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._:@/+-]{0,10}[A-Za-z0-9]$/);
  fc.assert(
    fc.property(key, fc.option(value, { nil: "" }), (name, text) => {
      let labels: Record<string, string>;
      try {
        labels = patchLabels(undefined, { [name]: text }) ?? {};
      } catch {
        return; // a name of a node's own fact
      }
      assert.deepEqual(parseLabels(labelWords(labels).split(" ")), labels);
      const node = { id: "1", name: "n", state: "deployed", profile: "p", labels };
      const term = text === "" ? name : `${name}=${text}`;
      assert.equal(matches(parseSelector(term), node), true, term);
      assert.equal(matches(parseSelector(`!${name}`), node), false);
    }),
    { numRuns: 300, seed: 7 },
  );
});
