import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { NODE_STATES, STATES, TRANSITIONS } from "../src/fleet/lifecycle-table.ts";

const row = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
const table = (head: readonly string[], rows: readonly string[][]) =>
  [row(head), row(head.map(() => "---")), ...rows.map(row)].join("\n");

const states = () =>
  table(
    ["state", "kind", "boots", "time, tries", "what is done when it is entered"],
    NODE_STATES.map((name) => {
      const { kind, boot, timeoutS, retries = 0, effects } = STATES[name];
      const work = effects.map((one) =>
        one.kind === "power"
          ? one.want === "off"
            ? `${one.soft ? "soft, then hard, " : ""}off`
            : "power cycle"
          : one.kind === "goOn"
            ? `then ${one.event}`
            : WORK[one.kind],
      );
      return [
        `\`${name}\``,
        kind,
        boot,
        timeoutS === undefined ? "" : `${timeoutS} s${kind === "busy" ? `, ${retries + 1}` : ""}`,
        work.join("; "),
      ];
    }),
  );
const WORK: Record<string, string> = {
  revoke: "revoke what its boots may open",
  dropClone: "drop the clone",
  makeClone: "make a clone",
  dropVolumes: "drop the volumes",
  dropSecrets: "drop the secrets",
  checkFirmware: "firmware: by the policy",
  checkCleaned: "look whether it is clean; then done or fail",
};
const transitions = () =>
  table(
    ["from", "event", "to", "who", "if"],
    TRANSITIONS.map(({ from, event, to, who, guard, policy }) => [
      from === "*" ? "any but retired" : `\`${from}\``,
      event,
      `\`${to}\``,
      who.join(", "),
      [policy && `policy ${policy}`, guard].filter(Boolean).join("; "),
    ]),
  );

const PARTS: [begin: string, end: string, text: () => string][] = [
  [
    "<!-- states: made from src/fleet/lifecycle-table.ts, a test compares them -->",
    "<!-- end of states -->",
    states,
  ],
  ["<!-- transitions -->", "<!-- end of transitions -->", transitions],
];

/** With BRAMBLE_UPDATE=1 in the environment the page is written anew instead. */
test("docs/lifecycle.md has the states and transitions of the table", () => {
  const path = "docs/lifecycle.md";
  const page = readFileSync(path, "utf8");
  let next = page;
  for (const [begin, end, text] of PARTS) {
    const [from, to] = [next.indexOf(begin) + begin.length, next.indexOf(end)];
    assert.equal(to > from && from > begin.length, true, `${begin} … ${end} are in the page`);
    next = `${next.slice(0, from)}\n${text()}\n${next.slice(to)}`;
  }
  if (process.env["BRAMBLE_UPDATE"]) writeFileSync(path, next);
  else
    assert.equal(
      page,
      next,
      "make it anew: BRAMBLE_UPDATE=1 node --import tsx --test test/lifecycle-docs.test.ts",
    );
});
