import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { BrambleError } from "../base/errors.ts";
import { NO_TEMPLATES } from "../fleet/profiles.ts";
import type { HttpRequest } from "../serve/http.ts";
import { openBook } from "../storage/book.ts";
import { clusterRoutes } from "./cluster-api.ts";
import type { Core } from "./core.ts";
import { openJournal } from "./journal.ts";
import { ProfileStore } from "./profile-store.ts";
import { Registry } from "./registry.ts";

const TOKEN = "SWMTKN-1-secret-token";

/** Three nodes, two of them in one profile; a request's session is the node's id. */
async function cluster(t: TestContext) {
  const path = mkdtempSync(join(tmpdir(), "cluster-"));
  const book = await openBook(join(path, "book.db"));
  const registry = await Registry.open(book);
  const profiles = await ProfileStore.open(book);
  const journal = openJournal(book, (error) => {
    throw error;
  });
  t.after(async () => {
    await registry.settled();
    await journal.close();
    await book.destroy();
    rmSync(path, { recursive: true });
  });
  await registry.addProfile({ name: "swarm", root: "auto", seed: {} });
  await profiles.put("swarm", { ...NO_TEMPLATES, cluster: true }, { by: "test", note: "", atMs: 1 });
  const nodes = [];
  for (const n of [1, 2, 3]) {
    const seen = registry.see({ serial: `1000000${n}` }, 1);
    if (!seen) throw new Error("no node");
    if (n < 3) await registry.patch(seen.node, { profile: "swarm" });
    nodes.push(seen.node);
  }
  const session = ({ headers }: HttpRequest) => {
    const node = registry.byId(String(headers["x-bramble-session"]));
    if (!node) throw new BrambleError("TOKEN_REFUSED", "no such session");
    return { node, bootId: "b1" };
  };
  const core = { book, registry, profiles, journal } as Core;
  const routes = clusterRoutes({ core, session, now: () => 7 });
  const call = async (method: string, route: string, by: string, body = "") => {
    const found = routes.find((one) => one.method === method && one.path === route);
    const request = { headers: { "x-bramble-session": by }, body } as unknown as HttpRequest;
    const answer = await found?.handle(request);
    return new Map(
      String(answer?.body ?? "")
        .split("\n")
        .map((line) => line.split(/=(.*)/s) as [string, string]),
    );
  };
  const reset = (node: string, createdMs: number) =>
    book
      .insertInto("clone")
      .values({ nodeId: node, imageSha: "x", createdMs })
      .onConflict((c) => c.column("nodeId").doUpdateSet({ createdMs }))
      .execute();
  const events = async () => {
    await journal.flush();
    return await book.selectFrom("event").selectAll().execute();
  };
  return { ids: nodes.map(({ id }) => id) as [string, string, string], call, reset, events, profiles };
}

test("the join token goes from the first node to the other members of its profile, and to nobody else", async (t) => {
  const { ids, call, events, profiles } = await cluster(t);
  const [first, second, other] = ids;
  assert.equal((await call("GET", "/agent/cluster", first)).get("role"), "first");
  assert.equal((await call("GET", "/agent/cluster", second)).get("role"), "wait");
  const made = `address=10.0.0.2:2377\ntoken=${TOKEN}`;
  await assert.rejects(call("POST", "/agent/cluster", second, made), { code: "TOKEN_REFUSED" });
  assert.equal(profiles.cluster("swarm"), undefined, "a worker cannot say what the cluster is");
  await call("POST", "/agent/cluster", first, made);
  const join = await call("GET", "/agent/cluster", second);
  assert.deepEqual(
    [join.get("role"), join.get("address"), join.get("token")],
    ["join", "10.0.0.2:2377", TOKEN],
  );
  for (const by of [first, other]) {
    const told = await call("GET", "/agent/cluster", by);
    assert.ok(![...told.values()].includes(TOKEN), by);
  }
  await assert.rejects(call("GET", "/agent/cluster", "stranger"), { code: "TOKEN_REFUSED" });
  await assert.rejects(call("POST", "/agent/cluster", other, made), { code: "TOKEN_REFUSED" });
  await call("GET", "/agent/cluster", second);
  const all = await events();
  assert.doesNotMatch(JSON.stringify(all), new RegExp(TOKEN));
  const given = all.filter(({ words }) => words.includes("was given the join token"));
  assert.deepEqual(
    given.map(({ nodeId }) => nodeId),
    [second],
    "told once, on the page of who got it",
  );
});

test("what is reported must be one line each, for it goes into other nodes' scripts", async (t) => {
  const { ids, call } = await cluster(t);
  for (const body of [
    "",
    "address=10.0.0.2",
    `token=${TOKEN}`,
    "address=$(x)\ntoken=12345678",
    "address=a:1\ntoken=a b c d e f",
    `address=a:1\ntoken=${"x".repeat(5000)}`,
  ])
    await assert.rejects(
      call("POST", "/agent/cluster", ids[0], body),
      { code: "BAD_INPUT" },
      body.slice(0, 40),
    );
});

test("a first node whose clone was reset is told why it stops, and its page says so", async (t) => {
  const { ids, call, reset, events, profiles } = await cluster(t);
  const [first, second] = ids;
  await reset(first, 1);
  await call("POST", "/agent/cluster", first, `address=10.0.0.2:2377\ntoken=${TOKEN}`);
  assert.equal((await call("GET", "/agent/cluster", first)).get("role"), "first");
  await reset(first, 2);
  const told = await call("GET", "/agent/cluster", first);
  assert.equal(told.get("role"), "stopped");
  assert.match(told.get("why") ?? "", /its disk was reset since/);
  assert.ok((await events()).some(({ nodeId, words }) => nodeId === first && words === told.get("why")));
  assert.equal(
    (await call("GET", "/agent/cluster", second)).get("role"),
    "join",
    "the old one may still run",
  );
  await profiles.forgetCluster("swarm");
  assert.equal((await call("GET", "/agent/cluster", first)).get("role"), "first");
});

test("how it went is told once per boot, without control characters, and no more than a node can have to say", async (t) => {
  const { ids, call, events } = await cluster(t);
  for (let i = 0; i < 50; i++)
    await call("POST", "/agent/once", ids[0], `failed\ncommand ${i}\u001b[31m ended`);
  await call("POST", "/agent/once", ids[1], "done\n3 steps");
  await call("POST", "/agent/once", ids[1], "done\n3 steps");
  await assert.rejects(call("POST", "/agent/once", ids[1], "other\nx"), { code: "BAD_INPUT" });
  const words = (await events()).map((event) => event.words);
  assert.equal(words.filter((text) => text.startsWith("command ")).length, 20);
  assert.equal(words[0], "command 0[31m ended");
  assert.equal(words.filter((text) => text === "what its profile does once is done: 3 steps").length, 1);
});
