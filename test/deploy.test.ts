// What is shipped for Prometheus and Grafana; that its metrics exist is tested with a running server, in observe.test.ts.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { needs, run } from "./tools.ts";

const RULES = "deploy/prometheus/bramble-rules.yml";

test("promtool takes the alert rules, and they fire when they should and only then", (t) => {
  if (!needs(t, "promtool", "prometheus")) return;
  assert.match(run("promtool", ["check", "rules", RULES]), /SUCCESS: \d\d rules/);
  run("promtool", ["test", "rules", "deploy/prometheus/bramble-rules-test.yml"]);
});

test("every alert says in one sentence what is wrong, and how urgent it is", () => {
  const text = readFileSync(RULES, "utf8");
  const alerts = text.split("- alert: ").slice(1);
  assert.ok(alerts.length > 10);
  for (const alert of alerts) {
    assert.match(alert, /severity: (page|ticket)/, alert);
    assert.match(alert, /summary: "/, alert);
  }
});

test("the dashboard's panels have a title, a place of their own and at least one query each", () => {
  const { panels, templating } = JSON.parse(readFileSync("deploy/grafana/bramble.json", "utf8")) as {
    panels: {
      id: number;
      title: string;
      targets: { expr: string }[];
      gridPos: Record<"x" | "y" | "w" | "h", number>;
    }[];
    templating: { list: { type: string }[] };
  };
  assert.ok(panels.length > 15);
  assert.equal(new Set(panels.map(({ id }) => id)).size, panels.length);
  assert.equal(templating.list[0]?.type, "datasource");
  const taken = new Set<string>();
  for (const { title, targets, gridPos } of panels) {
    assert.notEqual(title, "");
    assert.ok(targets.length > 0 && targets.every(({ expr }) => expr.includes("bramble_")), title);
    assert.ok(gridPos.x + gridPos.w <= 24, title);
    for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++)
      for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
        assert.equal(taken.has(`${x} ${y}`), false, `${title} lies over another panel`);
        taken.add(`${x} ${y}`);
      }
  }
});
