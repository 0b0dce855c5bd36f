import assert from "node:assert/strict";
import { test } from "node:test";
import { asBooted, type BootOverride, bootAnswer } from "./boot-answer.ts";
import { NODE_STATES, STATES } from "./lifecycle-table.ts";
import type { Node } from "./node.ts";

const override = (more: Partial<BootOverride> = {}): BootOverride => ({
  boot: "ram",
  once: true,
  by: "op",
  atMs: 7,
  ...more,
});
const NODE: Node = {
  ...{ id: "1", name: "pi", profile: "default", image: "own:1", root: "iscsi", seed: {} },
  ...{ state: "deployed", version: 3, stateSinceMs: 0, attempt: 0, firstSeenMs: 0, lastSeenMs: 0 },
};

test("each state has its tree, and only where somebody's system belongs is it the node's own disk", () => {
  const trees = Object.fromEntries(NODE_STATES.map((state) => [state, bootAnswer(state, undefined).tree]));
  const own = NODE_STATES.filter((state) => trees[state] === "deployed");
  assert.deepEqual(own, ["first_boot", "deployed", "rescue_failed"]);
  assert.deepEqual(
    NODE_STATES.filter((state) => trees[state] === "ram-rescue"),
    ["rescuing", "rescue"],
  );
  assert.deepEqual(
    NODE_STATES.filter((state) => trees[state] === "agent-inventory"),
    ["inspecting"],
  );
  assert.equal(bootAnswer("inspecting", undefined).root, "inventory");
  for (const state of NODE_STATES) assert.ok(bootAnswer(state, undefined).why.length > 5);
});

test("while its rights are being withdrawn a node gets nothing, whatever is set", () => {
  for (const state of NODE_STATES) assert.equal(bootAnswer(state, override(), true).tree, "none");
});

test("an override counts where a person may boot the node, and never for one that waits to be enrolled, is locked away or is being worked on", () => {
  for (const state of NODE_STATES) {
    const { tree } = bootAnswer(state, override());
    const counts = STATES[state].kind !== "busy" && !["discovered", "quarantined", "retired"].includes(state);
    assert.equal(tree === "custom", counts, state);
  }
  assert.deepEqual(bootAnswer("install_failed", override({ boot: "rescue", once: false })), {
    ...{ tree: "ram-rescue", root: "ram", why: "op has set its boots to rescue" },
  });
  assert.equal(bootAnswer("deployed", override()).onceMs, 7);
});

test("a boot of its own system sees the node as it is; any other reads the image and leaves the clone alone", () => {
  assert.equal(asBooted(NODE, bootAnswer("deployed", undefined)), NODE);
  const rescue = asBooted(NODE, bootAnswer("rescue", undefined));
  assert.deepEqual([rescue.root, rescue.ephemeral, rescue.image], ["ram", true, "own:1"]);
  const custom = asBooted(
    NODE,
    bootAnswer("deployed", override({ boot: "custom", image: "other:2", profile: "lab" })),
  );
  assert.deepEqual([custom.root, custom.image, custom.profile, custom.id], ["ram", "other:2", "lab", "1"]);
  assert.deepEqual(
    [NODE.root, NODE.image, NODE.ephemeral],
    ["iscsi", "own:1", undefined],
    "the node itself has not changed",
  );
});
