import assert from "node:assert/strict";
import { test } from "node:test";
import { virtualPoeSwitch } from "../../sim/poe-switch.ts";
import { openDriver } from "./open-driver.ts";

test("openDriver() tells how long each SNMP question took, also one that nobody answered", async (t) => {
  const sw = await virtualPoeSwitch({ ports: 4, communityRw: "geheim" });
  t.after(() => sw.close());
  const asked: number[] = [];
  const driver = openDriver(
    {
      name: "sw1",
      driver: "snmp",
      address: `${sw.host}:${sw.port}`,
      options: { timeoutMs: 200 },
      secrets: { community: "geheim" },
    },
    Date.now,
    (ms) => asked.push(ms),
  );
  t.after(() => driver.close());
  assert.equal((await driver.sweep?.(AbortSignal.timeout(20_000)))?.ports.size, 4);
  const answered = asked.length;
  assert.ok(answered >= 5, `${answered} questions`);
  sw.hang(true);
  await assert.rejects(driver.get({ port: "1.1" }, AbortSignal.timeout(20_000)));
  assert.equal(asked.length, answered + 1);
  assert.ok((asked.at(-1) ?? 0) >= 200, "its repetitions included");
});
