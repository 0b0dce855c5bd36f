import assert from "node:assert/strict";
import { test } from "node:test";
import { ROUTES } from "../src/api/contract.ts";
import type { DescribedRoute, Role } from "../src/api/route.ts";
import { ROLES } from "../src/app/access/users.ts";
import { apiBed, requestOf, sample, type Verb } from "./api-bed.ts";

const VERBS = Object.keys(ROUTES) as Verb[];
const describedRoute = (verb: Verb) => ROUTES[verb] as DescribedRoute;
const rank = (role: Role) => ROLES.indexOf(role);
const takesNode = ({ args }: DescribedRoute) => "node" in args.properties;
const argsFor = (verb: Verb, node: string) => {
  const route = describedRoute(verb);
  const args = sample(route.args) as Record<string, unknown>;
  if (verb === "nodesAction") return { ...args, action: "actNode" };
  return takesNode(route) ? { ...args, node } : args;
};

for (const role of ROLES.filter((one) => one !== "tenant")) {
  test(`${role}: reaches every route that asks for no more, and no other`, async (t) => {
    const reached: string[] = [];
    const { ask, tokenOf, core } = await apiBed(t, { reached });
    const token = await tokenOf(role);
    for (const verb of VERBS) {
      const { method, path, body } = requestOf(describedRoute(verb), argsFor(verb, "pi-mine"));
      const before = reached.length;
      const told = await ask(method, path, { token, ...(body && { body }) });
      const may = rank(role) >= rank(describedRoute(verb).role);
      const seen = `${verb}: ${told.status} ${JSON.stringify(told.body).slice(0, 200)}`;
      if (!may) {
        assert.deepEqual([told.status, told.body.code], [403, "FORBIDDEN"], seen);
        assert.equal(reached.length, before, `${verb} was reached`);
      } else assert.ok(told.status < 300 || verb === "tokens", seen);
    }
    for (const task of await core.tasks.list(100)) assert.notEqual(task.error?.code, "FORBIDDEN");
  });
}

test("a tenant: reaches its own node by the routes for tenants; what belongs to nobody only where a route says so", async (t) => {
  const reached: string[] = [];
  const { ask, tokenOf, node } = await apiBed(t, { reached });
  const token = await tokenOf("tenant", "ada");
  const own = await node("10000001", "ada");
  for (const verb of VERBS) {
    const route = describedRoute(verb);
    const { method, path, body } = requestOf(route, argsFor(verb, own.name));
    const told = await ask(method, path, { token, ...(body && { body }) });
    const seen = `${verb}: ${told.status} ${JSON.stringify(told.body).slice(0, 200)}`;
    const may =
      rank(route.role) <= rank("tenant") && (argsFor(verb, "") as { node?: string }).node !== undefined
        ? true
        : rank(route.role) <= rank("tenant") && route.tenant !== undefined;
    if (may) assert.ok(told.status < 300 || told.status === 404, seen);
    else assert.deepEqual([told.status, told.body.code], [403, "FORBIDDEN"], seen);
  }
});

test("a tenant who names another tenant's node, or nobody's, learns by no route that it is there", async (t) => {
  const reached: string[] = [];
  const { ask, tokenOf, node, core } = await apiBed(t, { reached });
  const token = await tokenOf("tenant", "ada");
  await node("10000001", "ada");
  const others = [await node("20000001", "bob"), await node("20000002")];
  let tried = 0;
  for (const verb of VERBS.filter((one) => takesNode(describedRoute(one)))) {
    const route = describedRoute(verb);
    const told: Record<string, unknown> = {};
    for (const name of [
      ...others.flatMap(({ id, name: called }) => [id, called, called.slice(0, 5)]),
      "no-such-node",
    ]) {
      const { method, path, body } = requestOf(route, { ...argsFor(verb, name), node: name });
      const answer = await ask(method, path, { token, ...(body && { body }) });
      const { code, title } = answer.body as { code: string; title: string };
      told[name] = [answer.status, code, title.replace(name, "NAME")];
      tried += 1;
    }
    const unknown = told["no-such-node"] as [number, string];
    assert.ok([403, 404].includes(unknown[0]), `${verb}: ${unknown}`);
    for (const answer of Object.values(told)) assert.deepEqual(answer, unknown, verb);
  }
  assert.ok(tried > 50);
  assert.deepEqual(reached, []);
  assert.deepEqual(await core.tasks.list(10), []);
});

test("lists show a tenant its own: nodes, boots, events, and a page of them is full", async (t) => {
  const { ask, tokenOf, node, core } = await apiBed(t);
  const token = await tokenOf("tenant", "ada");
  for (let n = 0; n < 6; n++) await node(`1000000${n}`, n % 2 ? "ada" : "bob");
  for (const { id } of core.registry.all()) {
    core.journal.event("test", id, "it was looked at");
    core.journal.boot({ ...BOOT, id: `boot-${id}`, nodeId: id });
  }
  await core.journal.flush();
  const names = (rows: { name?: string; node?: string }[]) =>
    [...new Set(rows.map((row) => row.name ?? row.node))].sort();
  const own = core.registry
    .all()
    .filter(({ owner }) => owner === "ada")
    .map(({ name }) => name);
  assert.equal(own.length, 3);
  for (const path of ["/nodes", "/boots", "/events?limit=3"])
    assert.deepEqual(names((await ask("GET", path, { token })).body), own, path);
  const page = await ask("GET", "/nodes?limit=2", { token });
  assert.equal(page.body.length, 2);
  const next = /<\/api\/v1([^>]+)>/.exec(page.headers.get("link") ?? "")?.[1] ?? "";
  assert.deepEqual(names((await ask("GET", next, { token })).body), own.slice(2));
  const foreign = core.registry.all().find(({ owner }) => owner === "bob");
  assert.equal((await ask("GET", `/boots/boot-${foreign?.id}`, { token })).status, 404);
  assert.equal((await ask("GET", `/nodes?select=${foreign?.name}`, { token })).status, 404);
  assert.deepEqual((await ask("GET", "/nodes?select=owner%3Dbob", { token })).body, []);
});

const BOOT = {
  startedMs: 1,
  endedMs: null,
  stage: "dhcp",
  outcome: null,
  verdict: null,
  root: null,
  image: null,
  address: null,
  tokenHash: null,
  server: null,
} as never as Parameters<Awaited<ReturnType<typeof apiBed>>["core"]["journal"]["boot"]>[0];

test("a bulk verb does to each node what the caller may, and says of each what became of it", async (t) => {
  const { ask, tokenOf, node, core } = await apiBed(t);
  for (let n = 0; n < 3; n++) await node(`1000000${n}`, n < 2 ? "ada" : "bob");
  const finished = async (token: string, body: object) => {
    const begun = await ask("POST", "/nodes/actions", { token, body });
    assert.equal(begun.status, 202, JSON.stringify(begun.body));
    for (let seen = -1; ; ) {
      const { body: task } = await ask("GET", `/tasks/${begun.body.id}?seen=${seen}`, { token });
      if (task.state !== "running") return task;
      seen = task.version;
    }
  };
  const patch = { patch: { user: "pi" } };
  const all = await finished(await tokenOf("operator"), {
    select: "state=discovered",
    action: "setNode",
    args: patch,
  });
  assert.deepEqual([all.state, all.result.done, all.result.failed], ["done", 3, 0], JSON.stringify(all));
  assert.equal(core.registry.all().filter(({ seed }) => seed.user === "pi").length, 3);
  const tenant = await tokenOf("tenant", "ada");
  const no = await ask("POST", "/nodes/actions", {
    token: tenant,
    body: { select: "state=discovered", action: "setNode", args: patch },
  });
  assert.deepEqual([no.status, no.body.code], [403, "FORBIDDEN"], "refused as a whole, and at once");
  const unknown = await ask("POST", "/nodes/actions", {
    token: tenant,
    body: { select: "all", action: "x" },
  });
  assert.deepEqual([unknown.status, unknown.body.code], [400, "BAD_INPUT"]);
  const some = await finished(await tokenOf("operator"), {
    nodes: core.registry.all().map(({ id }) => id),
    action: "setNode",
    args: { patch: { user: "ada" } },
  });
  assert.deepEqual([some.state, some.result.done], ["done", 3], JSON.stringify(some));
  const refused = await finished(await tokenOf("operator"), {
    select: "state=discovered",
    action: "setNode",
    args: { patch: { foo: 1 } },
  });
  assert.deepEqual([refused.state, refused.error.code], ["failed", "BAD_INPUT"]);
  const stranger = await ask("GET", `/tasks/${all.id}`, { token: await tokenOf("tenant", "bob") });
  assert.equal(stranger.status, 404);
});
