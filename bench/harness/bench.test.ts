import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { test } from "node:test";
import { BenchRun } from "./bench.ts";
import { freePort } from "./server.ts";
import { table } from "./table.ts";

const quiet = (only: string[] = []) => new BenchRun({ seconds: 1, rounds: 2, only, say: () => {} });

test("rounds are interleaved, the best of each contender counts, in the sense of its unit", async () => {
  const run = quiet();
  const order: string[] = [];
  const contender = (name: string, values: number[]) => async () => {
    order.push(name);
    return { value: values.shift() ?? Number.NaN, cpuSecondsPerGb: 1, rssMb: 50 };
  };
  const contenders = { ours: contender("ours", [20, 10]), peer: contender("peer", [5, 8]) };
  await run.compare({ name: "speed", unit: "IOPS", contenders });
  const latency = { ours: contender("ours", [20, 10]), peer: contender("peer", [5, 8]) };
  await run.compare({ name: "wait", unit: "ms", better: "less", contenders: latency });
  await run.end();
  assert.deepEqual(order.slice(0, 4), ["ours", "peer", "ours", "peer"]);
  assert.deepEqual(
    run.rows.map(({ name, ours, peers }) => ({ name, ours, peers })),
    [
      { name: "speed", ours: 20, peers: { peer: 8 } },
      { name: "wait", ours: 10, peers: { peer: 5 } },
    ],
  );
  assert.deepEqual(run.rows[0]?.rounds, { ours: [20, 10], peer: [5, 8] });
  const lines = table(run.rows).split("\n");
  assert.match(lines[2] ?? "", /peer +8 IOPS +2\.50x +1 +50$/);
  assert.match(lines[4] ?? "", /peer +5 ms +0\.50x/);
});

test("--only leaves the other cells out, unmeasured", async () => {
  const run = quiet(["this"]);
  const never = async () => assert.fail("measured");
  await run.compare({ name: "another", unit: "ms", contenders: { ours: never } });
  await run.compare({ name: "this-one", unit: "ms", contenders: { ours: async () => ({ value: 1 }) } });
  await run.end();
  assert.deepEqual(
    run.rows.map((row) => row.name),
    ["this-one"],
  );
});

test("a peer that is not installed is said, once, and its place is empty", async () => {
  const said: string[] = [];
  const run = new BenchRun({ seconds: 1, rounds: 1, only: [], say: (line) => said.push(line) });
  assert.equal(run.tool("no-such-program", "no-such-package"), undefined);
  assert.equal(run.tool("no-such-program", "no-such-package"), undefined);
  await run.end();
  assert.deepEqual(said, [
    "MISSING: no-such-program is not installed and is left out (apt install no-such-package)",
  ]);
});

test("servers are measured while they run, told when they fail, and gone when the run ends", async () => {
  const run = quiet();
  const port = await freePort();
  const busy = `require("net").createServer().listen(${port}, "127.0.0.1", () => console.log('ready {"port":1}'))`;
  const server = await run.start({ command: process.execPath, args: ["-e", busy] });
  assert.deepEqual(server.ready, { port: 1 });
  assert.ok(server.cpuSeconds() >= 0);
  assert.ok(server.rssMb() > 10);
  const broken = { command: process.execPath, args: ["-e", "throw new Error('planted')"] };
  await assert.rejects(run.start(broken), /ended with 1: [\s\S]*planted/);
  await run.end();
  assert.equal(existsSync(`/proc/${server.pid}/fd`), false);
  assert.equal(existsSync(run.folder), false);
});
