import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import type { Boot } from "../fleet/boots.ts";
import { type Node, type Profile, resolveNode } from "../fleet/node.ts";
import type { HttpRequest } from "../serve/http.ts";
import { openBook } from "../storage/book.ts";
import { type AgentHooks, agentRoutes } from "./agent-api.ts";
import { sha256 } from "./boot-files.ts";
import { nodeDisks } from "./node-disks.ts";

const NODE = { id: "10000001", name: "pi", profile: "default", seed: {} } as unknown as Node;
const BASE: Profile = { name: "default", root: "iscsi", seed: {} };

/** A node with two boots, the older `a` and `b`, which it is in; who has its disk is kept, in the order of the disk plane. */
async function twoBoots(t: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), "hello-"));
  const book = await openBook(join(folder, "book.db"));
  t.after(async () => {
    await book.destroy();
    rmSync(folder, { recursive: true });
  });
  const given: string[] = [];
  const said: string[] = [];
  const slow: { until?: Promise<void> } = {};
  const core = {
    book,
    newSecret: () => "0123456789abcdef0123456789abcdef",
    data: { clone: (id: string) => `clones/${id}.qcow2` },
    journal: {
      event: (_kind: string, _node: string, words: string) => said.push(words),
      bootUpdate: (boot: string, { address }: { address: string }) =>
        said.push(`boot ${boot} is at ${address}`),
    },
    registry: { byId: () => NODE, resolve: (node: Node) => resolveNode(node, BASE) },
    freshClone: async () => false,
    ensureClone: async () => ({ path: "clone", image: { facts: { rootPartition: 2, partitions: [] } } }),
    disks: {
      async call(what: string, { name, address }: { name: string; address: string }) {
        if (what === "facts") return { size: 1 << 30 };
        if (name.endsWith("/a")) await slow.until;
        given.push(`${name} at ${address}`);
        return { ended: 0 };
      },
    },
  } as unknown as AgentHooks["core"];
  const disks = nodeDisks(core as never, { nbd: () => 10809, iscsi: () => 3260 });
  const hooks = {
    core,
    tokens: new Map(["a", "b"].map((id) => [id, { nodeId: NODE.id, hashes: [sha256(`token of ${id}`)] }])),
    sessions: new Map(),
    current: () => ({ id: "b" }) as Boot,
    revive() {},
    step: (_: Node, words: string, reached?: string) => said.push(`${words}: ${reached}`),
    used: async () => {},
    seen: (node: Node) => node,
    wantsDisks: () => false,
    exportIscsi: disks.exportIscsi,
    exportNbd: disks.exportNbd,
    now: () => 7,
  } as unknown as AgentHooks;
  const route = agentRoutes(hooks).find(({ path }) => path === "/agent/hello");
  const hello = async (boot: string, address: string) => {
    const request = { address, localAddress: "10.0.0.1", body: `boot=${boot}\ntoken=token of ${boot}\n` };
    return String((await route?.handle(request as HttpRequest))?.body);
  };
  return { book, hello, given, said, slow };
}

test("an agent gets the disk for the boot whose token it shows, though the node is in a newer one by now", async (t) => {
  const { hello, given, said } = await twoBoots(t);
  await hello("a", "10.0.0.7");
  assert.deepEqual(given, ["10000001/a at 10.0.0.7"]);
  assert.match(said.join("\n"), /says hello from 10\.0\.0\.7, for a boot that is not its newest/);
  assert.doesNotMatch(said.join("\n"), /: agent/, "the newer boot has not come so far");
  await hello("b", "10.0.0.8");
  assert.deepEqual(given[1], "10000001/b at 10.0.0.8", "another name: what the older one has open ends");
  assert.match(said.join("\n"), /says hello from 10\.0\.0\.8: agent/);
  // another DHCP server may have given these: whoever wants to log in finds them
  assert.ok(said.includes("boot a is at 10.0.0.7") && said.includes("boot b is at 10.0.0.8"));
});

test("an older boot's token is worth nothing once a newer boot has used its own", async (t) => {
  const { hello, given, said } = await twoBoots(t);
  await hello("b", "10.0.0.8");
  await assert.rejects(hello("a", "10.0.0.7"), { code: "TOKEN_REFUSED", message: /a newer boot/ });
  assert.deepEqual(given, ["10000001/b at 10.0.0.8"]);
  assert.match(said.join("\n"), /10\.0\.0\.7 used this boot's token after a newer boot .*: refused/);
});

test("of two boots that say hello at once the newer one has the disk in the end", async (t) => {
  const { book, hello, given, slow } = await twoBoots(t);
  let go = () => {};
  slow.until = new Promise((resolve) => {
    go = resolve;
  });
  const both = [hello("a", "10.0.0.7"), hello("b", "10.0.0.8")];
  // the book answers in the order of its questions: the newer one has had its answers by then, if it has asked
  for (let i = 0; i < 50; i++) await book.selectFrom("secret").selectAll().execute();
  go();
  const answers = await Promise.all(both);
  assert.deepEqual(given, ["10000001/a at 10.0.0.7", "10000001/b at 10.0.0.8"]);
  assert.match(answers[1] ?? "", /session=/);
});
