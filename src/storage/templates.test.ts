import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import fc from "fast-check";
import type { TemplateKind, TemplateValue } from "../fleet/template-values.ts";
import { renderTemplate, templatesRenderer } from "./templates.ts";

const values = {
  node: { name: "pi-1", serial: "10000001", address: null },
  members: [{ name: "pi-1" }],
  evil: "a'; rm -rf / #",
};
const render = (text: string, kind: TemplateKind = "text", more: Record<string, TemplateValue> = {}) =>
  renderTemplate({ name: "user-data", text, kind }, { ...values, ...more });
const refused = (text: string, message: RegExp, hint?: RegExp, kind?: TemplateKind) =>
  assert.throws(
    () => render(text, kind),
    (error: { code?: string; message: string; hint?: string }) => {
      assert.equal(error.code, "TEMPLATE_BAD");
      assert.match(error.message, message);
      if (hint) assert.match(error.hint ?? "", hint);
      return true;
    },
    text,
  );

test("renderTemplate() prints what it knows and names, by line and column, what it does not", () => {
  assert.equal(render("hi {{ node.name }}{% if node.address %}!{% endif %}\n"), "hi pi-1\n");
  refused(
    "a\n  {{ node.nmae }}",
    /^user-data:2:6: there is no value node\.nmae$/,
    /did you mean node\.name\?/,
  );
  refused("{{ nod.name }}", /^user-data:1:4: there is no value nod$/, /did you mean node\?/);
  refused("{{ zzz }}", /no value zzz/, /there are: evil, members, node$/);
  refused("x\n{{ node.name | upcas }}", /^user-data:2:14: there is no filter upcas$/, /did you mean upcase/);
  refused("x\n {% fro %}", /^user-data:2:2: there is no tag fro$/, /did you mean for\?/);
  refused("{% if node %}", /^user-data:1:1: .*not closed/);
  refused("{{ node.name | append: zzz }}", /^user-data:1:24: there is no value zzz/);
  refused("{{ node.address }}", /^user-data:1:1: this is not known of this node/, /bramble profile set/);
  refused("{{ node }}", /a group of values/);
});

test("renderTemplate() reads no file, no clock, no prototype, and no code", () => {
  for (const text of [
    "{% include '/etc/passwd' %}",
    "{% render 'x' %}",
    "{% layout 'x' %}",
    "{{ 'now' | date: '%s' }}",
    "{{ node.constructor }}",
    "{{ node.__proto__ }}",
    "{{ members | sample }}",
    "{{ node | inspect }}",
  ])
    refused(text, /there is no (tag|filter|value)/);
});

test("renderTemplate() stops templates that work for too long, or make too much", () => {
  const at = (what: string) => new RegExp(`^user-data:1:\\d+: it ${what}`);
  refused("{% for i in (1..100000000) %}x{% endfor %}", at("holds too much at once"));
  refused(
    `{% assign a = "0123456789" %}${"{% assign a = a | append: a %}".repeat(40)}{{ a }}`,
    at("holds too much at once"),
  );
  refused(
    "{% for i in (1..3000) %}{% for j in (1..3000) %}{% assign k = j %}{% endfor %}{% endfor %}",
    at("works for more than"),
  );
  refused(
    `{% for i in (1..9000) %}${"x".repeat(60_000)}{% endfor %}`,
    at("makes more than 262144 characters"),
  );
  refused("x".repeat(300_000), at("has more than 262144 characters"));
});

test("renderTemplate() prints a value that a person typed only inside quotes that fit", () => {
  for (const kind of ["shell", "yaml", "text", "words"] as const)
    refused("{{ evil }}", /could mean something/, undefined, kind);
  refused(
    "echo {{ evil | json }}",
    /does not protect a value here: write \{\{ … \| shell \}\}/,
    undefined,
    "shell",
  );
  refused("a: {{ evil | shell }}", /does not protect/, undefined, "yaml");
  refused("{{ evil | raw }}", /no filter raw/, undefined, "shell");
  refused("{{ evil | shell | append: 'x' }}", /could mean something/, undefined, "shell");
  assert.equal(render("{{ evil | raw }}"), values.evil);
  assert.equal(
    render("run: {{ evil | shell | json }}", "yaml"),
    `run: ${JSON.stringify("'a'\\''; rm -rf / #'")}`,
  );
});

test("any text that is quoted for a shell is the one word that it was", () => {
  fc.assert(
    fc.property(
      fc.string({ unit: "grapheme", maxLength: 40 }).filter((text) => !text.includes("\0")),
      (text) => {
        const script = render("printf %s {{ text | shell }}", "shell", { text });
        assert.equal(execFileSync("sh", ["-c", script], { encoding: "utf8" }), text);
      },
    ),
    { numRuns: 60, seed: 3 },
  );
});

test("any text that is quoted for YAML is one scalar: JSON, on one line, of printable characters", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 40 }), (text) => {
      const out = render("{{ text | json }}", "yaml", { text });
      assert.equal(JSON.parse(out), text);
      // YAML 1.2, 5.1: c-printable, and none of its line breaks
      const odd = [...out].filter(
        (c) => c < " " || (c > "~" && c < "\u00a0") || "\u2028\u2029\ufeff\ufffe\uffff".includes(c),
      );
      assert.deepEqual(odd, []);
    }),
    { numRuns: 150, seed: 3 },
  );
});

test("no error repeats a value: a secret may be in it", () => {
  for (const text of [
    "{{ secret.key }}",
    "{{ secret.key | upcase }}",
    "{{ secret.key | split: 'x' }}",
    "{{ secret }}",
  ])
    assert.throws(
      () => render(text, "yaml", { secret: { key: "hunter 2" } }),
      (error: Error) =>
        !/hunter/i.test(`${error.message} ${(error as { hint?: string }).hint} ${error.stack}`),
    );
});

test("templatesRenderer() gives all templates of a node one time together", () => {
  const slow = "{% for i in (1..3000) %}{% for j in (1..3000) %}{% assign k = j %}{% endfor %}{% endfor %}";
  const all = templatesRenderer(300);
  const one = (text: string) => all({ name: "user-data", text, kind: "text" }, values);
  assert.equal(one("{{ node.name }}"), "pi-1");
  assert.throws(() => one(slow), {
    code: "TEMPLATE_BAD",
    message: /^user-data:1:\d+: it works for more than/,
  });
  assert.throws(() => one("{{ node.name }}"), {
    code: "TEMPLATE_BAD",
    message: /before it have worked for too long/,
  });
});
