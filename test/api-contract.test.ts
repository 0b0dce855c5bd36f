import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { misfits } from "../src/api/check.ts";
import { apiDocument } from "../src/api/document.ts";
import { isDescribed } from "../src/api/openapi.ts";
import { VERSION } from "../src/app/commands.ts";
import { packageFolder } from "../src/app/package.ts";
import { ALL_ROUTES, apiBed, requestOf, sample, type Told } from "./api-bed.ts";

const CODES = new Set(
  [...readFileSync(join(packageFolder("docs"), "errors.md"), "utf8").matchAll(/\*\*([A-Z_]+)\*\*/g)].map(
    ([, code]) => code,
  ),
);

function isProblem({ status, headers, body }: Told, where: string): void {
  assert.match(headers.get("content-type") ?? "", /^application\/problem\+json/, where);
  assert.equal(body.status, status, where);
  assert.ok(CODES.has(body.code), `${where}: ${body.code} has no paragraph`);
  assert.ok(body.title.length > 0, where);
}

test("docs/openapi.json is the document of the routes as they are: npm run build && node scripts/openapi.mjs", () => {
  const kept = JSON.parse(readFileSync(join(packageFolder("docs"), "openapi.json"), "utf8"));
  assert.deepEqual(kept, JSON.parse(JSON.stringify(apiDocument(VERSION))));
});

test("every route describes itself, and each answer that the document names is there", () => {
  const document = apiDocument(VERSION) as {
    openapi: string;
    paths: Record<string, Record<string, { operationId: string }>>;
    components: { schemas: Record<string, unknown> };
  };
  assert.equal(document.openapi, "3.1.0");
  const operations = Object.values(document.paths).flatMap((path) =>
    Object.values(path).map((one) => one.operationId),
  );
  assert.deepEqual(
    operations.sort(),
    Object.keys(ALL_ROUTES).sort(),
    `not described: ${Object.entries(ALL_ROUTES)
      .filter(([, route]) => !isDescribed(route))
      .map(([name]) => name)}`,
  );
  const references = JSON.stringify(document).match(/#\/components\/schemas\/[^"]+/g) ?? [];
  assert.ok(references.length > 50);
  for (const one of new Set(references))
    assert.ok(document.components.schemas[one.split("/").at(-1) ?? ""], `${one} leads nowhere`);
});

test("nobody who does not say who calls gets further than the door, by any route", async (t) => {
  const reached: string[] = [];
  const { ask } = await apiBed(t, { reached });
  for (const [name, route] of Object.entries(ALL_ROUTES).filter(([, one]) => !one.open)) {
    const { method, path, body } = requestOf(route, {});
    for (const token of [undefined, "bramble_nonsense"]) {
      const told = await ask(method, path, { ...(body && { body }), ...(token !== undefined && { token }) });
      assert.equal(told.status, 401, name);
      assert.equal(told.body.code, token === undefined ? "AUTH_NEEDED" : "AUTH_REFUSED", name);
      isProblem(told, name);
    }
  }
  assert.deepEqual(reached, []);
});

test("every route refuses a field that it does not know and a value of another type, and drops neither", async (t) => {
  const reached: string[] = [];
  const { ask, tokenOf } = await apiBed(t, { reached });
  const token = await tokenOf("admin");
  for (const [name, route] of Object.entries(ALL_ROUTES)) {
    if (route.open && route.method === "POST") continue; // few tries a minute: looked at below
    const args = sample(route.args) as Record<string, unknown>;
    const strange = requestOf(route, { ...args, "no-such-field": "1" });
    const told = await ask(strange.method, strange.path, {
      token,
      ...(strange.body && { body: strange.body }),
    });
    assert.equal(told.status, 400, `${name}: ${JSON.stringify(told.body)}`);
    assert.match(told.body.title, /no-such-field/, name);
    isProblem(told, name);
    const needed = (route.args as { required?: string[] }).required ?? [];
    const inBody = needed.filter((one) => !route.path.includes(`:${one}`) && strange.body !== undefined);
    for (const field of inBody) {
      const { [field]: _, ...without } = args;
      const less = requestOf(route, without);
      const lacking = await ask(less.method, less.path, { token, body: less.body ?? {} });
      assert.equal(lacking.status, 400, `${name} without ${field}`);
      assert.match(lacking.body.title, new RegExp(field), name);
    }
  }
  assert.deepEqual(reached, []);
});

test("what lists and things answer fits what the document says of them", async (t) => {
  const { ask, tokenOf, node, core } = await apiBed(t);
  const token = await tokenOf("admin");
  await node("10000001");
  core.journal.event("test", "10000001", "something happened");
  await core.journal.flush();
  let looked = 0;
  for (const [name, route] of Object.entries(ALL_ROUTES)) {
    if (route.method !== "GET" || ["stream", "doctor", "supportBundle", "openapi"].includes(name)) continue;
    const args = { ...(sample(route.args) as Record<string, unknown>) };
    if ("node" in args) args["node"] = "10000001";
    if (name === "profile" || name === "templateVersions") args["profile"] = "default";
    const { path } = requestOf(route, args);
    const told = await ask("GET", path, { token });
    if (told.status === 200) {
      looked += 1;
      assert.deepEqual(
        misfits(route.result, told.body),
        [],
        `${name}: ${JSON.stringify(told.body).slice(0, 400)}`,
      );
    } else isProblem(told, name);
  }
  assert.ok(looked > 20, `only ${looked} answered`);
});

test("what is not there, or takes other methods, says so", async (t) => {
  const { ask } = await apiBed(t, { reached: [] });
  const nothing = await ask("GET", "/nonsense");
  assert.deepEqual([nothing.status, nothing.body.code], [404, "ROUTE_UNKNOWN"]);
  const method = await ask("PATCH", "/nodes");
  assert.deepEqual(
    [method.status, method.body.code, method.headers.get("allow")],
    [405, "METHOD_REFUSED", "GET"],
  );
});

test("the API's page and its document are for anybody who may reach us, and hold every route", async (t) => {
  const { base, ask } = await apiBed(t, { reached: [] });
  const page = await (await fetch(`${base}/api/docs`)).text();
  for (const name of Object.keys(ALL_ROUTES)) assert.ok(page.includes(`id="${name}"`), name);
  assert.ok(!page.includes("<script"));
  assert.equal((await ask("GET", "/openapi.json")).body.openapi, "3.1.0");
});
