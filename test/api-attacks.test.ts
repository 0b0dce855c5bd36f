import assert from "node:assert/strict";
import { request } from "node:http";
import { test } from "node:test";
import { apiBed, PASSWORD } from "./api-bed.ts";

test("a body of 10 MB is refused before it is read, also without a login", async (t) => {
  const { ask, tokenOf, core } = await apiBed(t, { reached: [] });
  const body = `{"patch":"${"x".repeat(10 << 20)}"}`;
  const before = process.memoryUsage().rss;
  const told = await ask("PATCH", "/nodes/x", { token: await tokenOf("admin"), body }).catch(() => undefined); // or the line is cut
  if (told) assert.deepEqual([told.status, told.body.code], [413, "BODY_TOO_LONG"]);
  const stranger = await ask("PATCH", "/nodes/x", { body }).catch(() => undefined);
  if (stranger) assert.equal(stranger.status, 401);
  assert.ok(process.memoryUsage().rss - before < 200 << 20);
  assert.deepEqual(await core.tasks.list(1), []);
});

test("bodies that are no JSON, no object, of another type, or deep, are refused with what is wrong", async (t) => {
  const { ask, tokenOf } = await apiBed(t, { reached: [] });
  const token = await tokenOf("admin");
  for (const body of [
    "{",
    "[]",
    '"x"',
    "null",
    "1",
    '{"__proto__":{"x":1}}',
    `${'{"a":'.repeat(20_000)}1${"}".repeat(20_000)}`,
  ]) {
    const told = await ask("PATCH", "/nodes/x", { token, body });
    assert.deepEqual([told.status, told.body.code], [400, "BAD_INPUT"], body.slice(0, 30));
  }
  const form = await ask("PATCH", "/nodes/x", {
    token,
    body: "a=1",
    headers: { "content-type": "application/x-www-form-urlencoded" },
  });
  assert.deepEqual([form.status, form.body.code], [415, "BAD_INPUT"]);
  const query = await ask("GET", "/nodes?limit=ten", { token });
  assert.match(query.body.title, /limit/);
});

test("a token that is over, revoked, of a removed user or of another Bramble opens nothing", async (t) => {
  let now = Date.now();
  const { ask, tokenOf, core } = await apiBed(t, { now: () => now });
  const other = await apiBed(t, { reached: [] });
  const good = await tokenOf("viewer", "short", { days: 1 });
  assert.equal((await ask("GET", "/me", { token: good })).status, 200);
  assert.equal((await other.ask("GET", "/me", { token: good })).status, 401, "another Bramble's");
  now += 86_400_001;
  assert.equal((await ask("GET", "/me", { token: good })).body.code, "AUTH_REFUSED", "over");
  const revoked = await tokenOf("viewer", "gone");
  await core.access.tokens.remove("gone");
  assert.equal((await ask("GET", "/me", { token: revoked })).status, 401, "revoked");
  await core.access.users.add("ada", "operator");
  const theirs = (await core.access.tokens.make({ name: "t", user: "ada", role: "operator" })).token;
  await core.access.users.set("ada", { role: "viewer" });
  assert.equal(
    (await ask("GET", "/me", { token: theirs })).body.role,
    "viewer",
    "no more than its user is now",
  );
  await core.access.users.remove("ada");
  assert.equal((await ask("GET", "/me", { token: theirs })).status, 401, "removed user");
});

test("a token with scopes stays inside them, and makes no other tokens", async (t) => {
  const { ask, base, tokenOf } = await apiBed(t);
  const token = await tokenOf("admin", "narrow", { scopes: ["nodes:read", "profiles"] });
  assert.equal((await ask("GET", "/nodes", { token })).status, 200);
  assert.equal((await ask("PATCH", "/nodes/x", { token, body: { patch: {} } })).status, 403);
  assert.equal((await ask("GET", "/images", { token })).status, 403);
  assert.equal((await ask("GET", "/profiles", { token })).status, 200);
  assert.equal((await ask("POST", "/tokens", { token, body: { name: "wide" } })).status, 403);
  assert.equal((await ask("GET", "/stream", { token })).status, 403);
  const measures = async (shown: string) =>
    (await fetch(`${base}/metrics`, { headers: { authorization: `Bearer ${shown}` } })).status;
  assert.equal(await measures(token), 403);
  assert.equal(await measures(await tokenOf("tenant", "ada")), 403, "measures are of all nodes");
  assert.equal(await measures(await tokenOf("viewer", "prometheus", { scopes: ["metrics:read"] })), 200);
  assert.equal((await fetch(`${base}/metrics`)).status, 401);
  assert.equal((await fetch(`${base}/health`)).status, 200);
});

test("nobody makes a token that may do more than its maker", async (t) => {
  const { ask, core } = await apiBed(t);
  await core.access.users.add("ada", "operator");
  const token = (await core.access.tokens.make({ name: "t", user: "ada", role: "operator" })).token;
  assert.equal((await ask("POST", "/tokens", { token, body: { name: "up", role: "admin" } })).status, 403);
  assert.equal((await ask("POST", "/tokens", { token, body: { name: "up", user: "demo" } })).status, 403);
  const made = await ask("POST", "/tokens", { token, body: { name: "same" } });
  assert.deepEqual([made.body.role, made.body.user], ["operator", "ada"]);
});

test("a session's cookie is HttpOnly and SameSite, changes need its CSRF token, and other origins may nothing", async (t) => {
  const { ask, core, base } = await apiBed(t);
  await core.access.users.add("ada", "admin", PASSWORD);
  const opened = await ask("POST", "/login", { body: { user: "ada", password: PASSWORD } });
  assert.equal(opened.status, 200);
  const set = opened.headers.get("set-cookie") ?? "";
  for (const attribute of ["HttpOnly", "SameSite=Strict", "Path=/"]) assert.ok(set.includes(attribute), set);
  const cookie = set.split(";")[0] ?? "";
  const { csrf } = opened.body;
  const change = { body: { patch: { user: "pi" } } };
  const bare = await ask("PATCH", "/profiles/default", { ...change, headers: { cookie } });
  assert.deepEqual([bare.status, bare.body.code], [403, "CSRF_REFUSED"]);
  const wrong = await ask("PATCH", "/profiles/default", {
    ...change,
    headers: { cookie, "x-bramble-csrf": "x" },
  });
  assert.equal(wrong.status, 403);
  const foreign = await ask("PATCH", "/profiles/default", {
    ...change,
    headers: { cookie, "x-bramble-csrf": csrf, origin: "https://evil.example" },
  });
  assert.equal(foreign.body.code, "CSRF_REFUSED");
  const own = await ask("PATCH", "/profiles/default", {
    ...change,
    headers: { cookie, "x-bramble-csrf": csrf, origin: base },
  });
  assert.equal(own.status, 200, JSON.stringify(own.body));
  assert.equal((await ask("GET", "/me", { headers: { cookie } })).body.name, "ada");
  assert.equal(
    (await ask("POST", "/logout", { body: {}, headers: { cookie, "x-bramble-csrf": csrf } })).status,
    200,
  );
  assert.equal((await ask("GET", "/me", { headers: { cookie } })).status, 401, "a session that ended");
});

test("guessing passwords is slowed down by address, and never says whether the user exists", async (t) => {
  const { ask, core } = await apiBed(t);
  await core.access.users.add("ada", "viewer", PASSWORD);
  const words = new Set<string>();
  const codes: number[] = [];
  for (let n = 0; n < 12; n++) {
    const told = await ask("POST", "/login", {
      body: { user: n % 2 ? "ada" : "nobody", password: `wrong ${n}` },
    });
    codes.push(told.status);
    if (told.status === 401) words.add(told.body.title);
    else assert.ok(told.headers.has("retry-after"));
  }
  assert.deepEqual(codes.slice(0, 10), Array(10).fill(401));
  assert.deepEqual(codes.slice(10), [429, 429]);
  assert.equal(words.size, 1, "one answer for both");
  const tries = await core.access.audit.query({ action: "login" });
  assert.equal(tries.length, 10);
  assert.ok(tries.every(({ result, from }) => result === "AUTH_REFUSED" && from === "127.0.0.1"));
});

test("the setup link and a login link work once, and not when they are over", async (t) => {
  let now = Date.now();
  const { ask, core } = await apiBed(t, { now: () => now });
  assert.equal((await ask("GET", "/start")).body.setup, true);
  const secret = (await core.access.links.firstStart()) ?? "";
  assert.equal(await core.access.links.firstStart(), undefined, "told once");
  const person = { user: "ada", password: PASSWORD };
  assert.equal((await ask("POST", "/setup", { body: { ...person, secret: "guess" } })).status, 401);
  assert.equal((await ask("POST", "/setup", { body: { ...person, secret } })).body.role, "admin");
  assert.equal(
    (await ask("POST", "/setup", { body: { user: "bob", password: PASSWORD, secret } })).status,
    401,
  );
  assert.equal((await ask("GET", "/start")).body.setup, false);
  const once = core.access.links.login("ada").secret;
  assert.equal((await ask("POST", "/login/link", { body: { secret: once } })).status, 200);
  assert.equal((await ask("POST", "/login/link", { body: { secret: once } })).status, 401);
  const late = core.access.links.login("ada").secret;
  now += 6 * 60_000;
  assert.equal((await ask("POST", "/login/link", { body: { secret: late } })).status, 401);
});

test("a stranger's name for our address reads nothing; whoever opens the socket is the folder's owner", async (t) => {
  const { port, askLocal, tokenOf } = await apiBed(t, { reached: [] });
  const token = await tokenOf("admin");
  const status = await new Promise((resolve, reject) =>
    request(
      {
        port,
        host: "127.0.0.1",
        path: "/api/v1/me",
        headers: { host: "evil.example", authorization: `Bearer ${token}` },
      },
      (answer) => resolve(answer.resume().statusCode),
    )
      .on("error", reject)
      .end(),
  );
  assert.equal(status, 421);
  assert.deepEqual(JSON.parse((await askLocal("GET", "/me")).body), {
    name: "cli",
    role: "admin",
    via: "socket",
  });
});

test("If-Match: a change on top of somebody else's is refused, and of two at once one wins", async (t) => {
  const { ask, tokenOf, node } = await apiBed(t);
  const token = await tokenOf("operator");
  const { name, id } = await node("10000001");
  const read = await ask("GET", `/nodes/${name}`, { token });
  const etag = read.headers.get("etag") ?? "";
  assert.match(etag, /^"[\w-]{22}"$/);
  const change = (user: string, tag: string, called = name) =>
    ask("PATCH", `/nodes/${called}`, { token, body: { patch: { user } }, headers: { "if-match": tag } });
  const both = await Promise.all(
    [name, id, name.slice(0, -1)].map((called, i) => change(`one-${i}`, etag, called)),
  );
  assert.deepEqual(both.map(({ status }) => status).sort(), [200, 412, 412], "by whatever name");
  const won = both.find(({ status }) => status === 200);
  assert.notEqual(won?.headers.get("etag"), etag);
  assert.equal((await change("three", etag)).body.code, "STALE");
  assert.equal(
    (await change("four", won?.headers.get("etag") ?? "")).status,
    200,
    "the answer's own tag goes on",
  );
  assert.equal((await change("five", "*")).status, 200);
});

test("If-Match holds between verbs: a change and a deletion at once, of what both have read, and one is done", async (t) => {
  const { ask, tokenOf } = await apiBed(t);
  const token = await tokenOf("admin");
  await ask("POST", "/groups", { token, body: { group: "rack-3" } });
  const etag = (await ask("GET", "/groups/rack-3", { token })).headers.get("etag") ?? "";
  const headers = { "if-match": etag };
  const [changed, removed] = await Promise.all([
    ask("PATCH", "/groups/rack-3", { token, body: { patch: { user: "ada" } }, headers }),
    ask("DELETE", "/groups/rack-3", { token, headers }),
  ]);
  const { status } = await ask("GET", "/groups/rack-3", { token });
  const [first, late] = status === 200 ? [changed, removed] : [removed, changed];
  assert.equal(first.status, 200);
  assert.ok([404, 412].includes(late.status), `${late.status}: what it has read is no more`);
});

test("Idempotency-Key: done once, answered the same, also after a restart; never for another request or in the middle", async (t) => {
  const { ask, tokenOf, node, core } = await apiBed(t);
  const token = await tokenOf("operator");
  const { name, id } = await node("10000001");
  const headers = { "idempotency-key": "0c4f7a52" };
  const body = { patch: { user: "one" } };
  const first = await ask("PATCH", `/nodes/${name}`, { token, body, headers });
  await ask("PATCH", `/nodes/${name}`, { token, body: { patch: { user: "two" } } });
  const again = await ask("PATCH", `/nodes/${name}`, { token, body, headers });
  assert.deepEqual(again.body, first.body);
  assert.equal(again.headers.get("idempotency-replayed"), "true");
  assert.equal(core.registry.byId(id)?.seed.user, "two", "not done again");
  const other = await ask("PATCH", `/nodes/${name}`, { token, body: { patch: { user: "three" } }, headers });
  assert.deepEqual([other.status, other.body.code], [422, "KEY_REUSED"]);
  const elses = await ask("PATCH", `/nodes/${name}`, {
    token: await tokenOf("operator", "bob"),
    body,
    headers,
  });
  assert.equal(elses.status, 200, "another caller's keys are its own");
  await core.book.updateTable("answer").set({ status: null, body: null }).execute(); // killed in the middle
  const unsure = await ask("PATCH", `/nodes/${name}`, { token, body, headers });
  assert.deepEqual([unsure.status, unsure.body.code], [409, "KEY_BUSY"]);
  const refused = { "idempotency-key": "free" };
  assert.equal((await ask("PATCH", "/nodes/none", { token, body, headers: refused })).status, 404);
  assert.equal(
    (await ask("PATCH", `/nodes/${name}`, { token, body, headers: refused })).status,
    200,
    "a refusal keeps no key",
  );
});
