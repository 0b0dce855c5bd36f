import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { shared } from "../../test/tools.ts";
import { replayTrace, type StartServers } from "./replay.ts";
import { toyDhcp, toyTftp } from "./toy-servers.ts";
import { virtualNet } from "./virtual-net.ts";

const inMemory: StartServers = async ({ files }) => ({
  net: virtualNet({ servers: [toyDhcp(), toyTftp({ files })] }),
  close: async () => {},
});

// biome-ignore lint/suspicious/noExplicitAny: JSON of many shapes, mutated here
type Trace = any;

function traces(t: TestContext): Map<string, Trace> {
  const folder = shared(t, "fixtures/pi/traces");
  if (!folder) return new Map();
  const names = readdirSync(folder).filter((name) => name.endsWith(".json"));
  return new Map(names.map((name) => [name, JSON.parse(readFileSync(join(folder, name), "utf8"))]));
}

test("every recorded boot is repeated by the matching virtual Pi", async (t) => {
  const all = traces(t);
  if (all.size === 0) return;
  assert.ok(all.size >= 12);
  for (const [name, trace] of all) {
    const result = await replayTrace(trace, inMemory);
    assert.ok(
      result.same,
      `${name}: ${result.firstDifference}\n${result.boot.requests.map(({ path, result: how }) => `  ${path} ${how}`).join("\n")}`,
    );
  }
});
