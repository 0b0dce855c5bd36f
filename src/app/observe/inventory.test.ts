import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { needs, run } from "../../../test/tools.ts";
import { fakeCore } from "../testing/fake-core.ts";
import { ansibleList, inventoryOf } from "./inventory.ts";

test("inventoryOf() says where each node was last heard, who logs in, and which groups it is in", async (t) => {
  const { core, node } = await fakeCore(t);
  const pi = await node("10000001");
  Object.assign(pi, { model: "3B+", labels: { role: "web server", spare: "" }, seed: { user: "ann" } });
  core.journal.boot({
    ...{
      id: "b1",
      nodeId: pi.id,
      startedMs: 1,
      endedMs: 2,
      stage: "booted",
      outcome: "booted",
      verdict: null,
    },
    ...{ root: null, image: null, address: "10.0.0.9", tokenHash: null, server: null },
  } as never);
  await core.journal.flush();
  const [host] = await inventoryOf(core);
  assert.equal(host?.address, "10.0.0.9");
  assert.equal(host?.user, "ann");
  assert.deepEqual(
    [...(host?.groups ?? [])].sort(),
    ["label_role_web_server", "label_spare", "model_3bplus", "profile_default", `state_${pi.state}`].sort(),
  );
  assert.equal(host?.facts["bramble_label_role"], "web server");
});

test("ansible-inventory takes the list, and finds hosts by group with their variables", async (t) => {
  if (!needs(t, "ansible-inventory", "ansible-core")) return;
  const list = ansibleList([
    {
      name: "pi-1",
      address: "10.0.0.1",
      user: "ann",
      groups: ["profile_k3s", "model_4b"],
      facts: { bramble_id: "1", bramble_state: "deployed" },
    },
    { name: "pi-2", groups: ["profile_k3s"], facts: {} },
  ]);
  const folder = mkdtempSync(join(tmpdir(), "ansible-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const script = join(folder, "bramble-inventory");
  writeFileSync(script, `#!/bin/sh\ncat <<'END'\n${JSON.stringify(list)}\nEND\n`);
  chmodSync(script, 0o755);
  const home = { env: { ...process.env, HOME: folder, ANSIBLE_LOCAL_TEMP: folder } };
  const graph = run("ansible-inventory", ["-i", script, "--graph", "profile_k3s"], home as never);
  assert.match(graph, /@profile_k3s:\n\s+\|--pi-1\n\s+\|--pi-2/);
  const vars = JSON.parse(run("ansible-inventory", ["-i", script, "--host", "pi-1"], home as never));
  assert.equal(vars.ansible_host, "10.0.0.1");
  assert.equal(vars.ansible_user, "ann");
  assert.equal(vars.bramble_state, "deployed");
});
