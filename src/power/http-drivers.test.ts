// BMCs, webhooks and plugs against small servers that want exactly the requests of the devices' manuals.
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import type { PowerDriver } from "./driver.ts";
import { type Asked, basic, device, now, off, on, soon } from "./http-testing.ts";
import { shelly, tasmota } from "./plugs.ts";
import { redfish } from "./redfish.ts";
import { maasWebhook, webhook } from "./webhook.ts";

test("Redfish: a session, Reset with a type that the system allows, nothing where it is so already", async (t) => {
  let state = "Off";
  const path = "/redfish/v1/Systems/1";
  const { url, asked, since } = await device(t, {
    "POST /redfish/v1/SessionService/Sessions": { status: 201, headers: { "x-auth-token": "tok" }, json: {} },
    [`GET ${path}`]: () => ({
      json: {
        "@odata.id": path,
        PowerState: state,
        Actions: {
          "#ComputerSystem.Reset": {
            target: `${path}/Actions/ComputerSystem.Reset`,
            "ResetType@Redfish.AllowableValues": ["ForceOn", "ForceOff"],
          },
        },
      },
    }),
    [`POST ${path}/Actions/ComputerSystem.Reset`]: ({ body }) => {
      state = body.includes("ForceOn") ? "On" : "Off";
      return { status: 204 };
    },
    "GET /redfish/v1/Systems": { json: { Members: [{ "@odata.id": path }] } },
  });
  const driver = redfish({ url, user: "bramble", password: "geheim" }, now);
  await on(driver, "1");
  assert.deepEqual(since(), [
    ["POST /redfish/v1/SessionService/Sessions", { UserName: "bramble", Password: "geheim" }],
    `GET ${path}`,
    `GET ${path}`,
    [`POST ${path}/Actions/ComputerSystem.Reset`, { ResetType: "ForceOn" }],
  ]);
  await on(driver, path);
  assert.equal(asked.at(-1)?.headers["x-auth-token"], "tok");
  assert.deepEqual(since(), [`GET ${path}`]);
  await off(driver, "1");
  assert.deepEqual(since().at(-1), [`POST ${path}/Actions/ComputerSystem.Reset`, { ResetType: "ForceOff" }]);
  assert.equal((await driver.sweep?.(soon()))?.ports.get("1")?.state, "off");
});

test("a Redfish service without sessions gets Basic, and one that refuses us is told as such", async (t) => {
  const { url, asked } = await device(t, {
    "GET /redfish/v1/Systems/1": ({ headers }) =>
      headers.authorization === basic("bramble", "geheim")
        ? { json: { PowerState: "PoweringOn" } }
        : { status: 401 },
  });
  const reading = await redfish({ url, user: "bramble", password: "geheim" }, now).get({ port: "1" }, soon());
  assert.deepEqual([reading.state, reading.detail], ["unknown", "PoweringOn"]);
  const refused = redfish({ url, user: "bramble", password: "falsch" }, now).get({ port: "1" }, soon());
  await assert.rejects(refused, { code: "POWER_AUTH" });
  assert.ok(asked.length > 2);
});

test("our webhook: one POST with what it is about, signed over its time and bytes", async (t) => {
  const { url, asked } = await device(t, { "POST /hook": { json: { state: "on", watts: 4.2 } } });
  const driver = webhook({ url: `${url}/hook`, secret: "s3cret", now });
  const target = { port: "7", node: { name: "pi-7", serial: "10000007" } };
  await driver.set(target, false, soon());
  const { headers, body } = asked[0] as Asked;
  assert.deepEqual(JSON.parse(body), { action: "off", port: "7", node: "pi-7", serial: "10000007", mac: "" });
  const mac = createHmac("sha256", "s3cret").update(`1700000000.${body}`).digest("hex");
  assert.deepEqual(
    [headers["x-bramble-time"], headers["x-bramble-signature"]],
    ["1700000000", `sha256=${mac}`],
  );
  assert.deepEqual(await driver.get(target, soon()), {
    state: "on",
    adminOn: true,
    atMs: now(),
    milliwatts: 4200,
  });
  assert.equal(JSON.parse(asked[1]?.body ?? "").action, "query");
});

test("MAAS's webhook: POST to on and off, GET to query, a Bearer token, states by pattern", async (t) => {
  let running = "stopped";
  const { url, asked, since } = await device(t, {
    "POST /pi%207/on": () => {
      running = "running";
      return {};
    },
    "POST /pi%207/off": {},
    "GET /pi%207": () => ({ json: { status: running } }),
  });
  const driver = maasWebhook({
    onUrl: `${url}/{node}/on`,
    offUrl: `${url}/{node}/off`,
    queryUrl: `${url}/{node}`,
    token: "tok",
    now,
  });
  const target = { port: "x", node: { name: "pi 7" } };
  assert.equal((await driver.get(target, soon())).state, "off");
  await driver.set(target, true, soon());
  assert.equal(asked.at(-1)?.headers.authorization, "Bearer tok");
  assert.equal((await driver.get(target, soon())).state, "on");
  await driver.set(target, false, soon());
  assert.deepEqual(since(), ["GET /pi%207", "POST /pi%207/on", "GET /pi%207", "POST /pi%207/off"]);
});

test("Shelly of both generations", async (t) => {
  const { url, asked, since } = await device(t, {
    "GET /relay/0": { json: { ison: true } },
    "POST /relay/0": { json: { ison: false } },
    "POST /rpc": ({ body }) => ({
      json: {
        id: 1,
        result: body.includes("GetStatus") ? { output: false, apower: 3.5 } : { was_on: false },
      },
    }),
  });
  const first = shelly({ url, generation: 1 }, now);
  assert.equal((await first.get({ port: "0" }, soon())).state, "on");
  await off(first, "0");
  assert.equal(asked[1]?.headers["content-type"], "application/x-www-form-urlencoded");
  assert.deepEqual(since(), ["GET /relay/0", ["POST /relay/0", "turn=off"]]);
  const later = shelly({ url, generation: 2 }, now);
  await on(later, "0");
  assert.deepEqual((await later.get({ port: "0" }, soon())).milliwatts, 3500);
  assert.deepEqual(since(), [
    ["POST /rpc", { id: 1, method: "Switch.Set", params: { id: 0, on: true } }],
    ["POST /rpc", { id: 1, method: "Switch.GetStatus", params: { id: 0 } }],
  ]);
});

test("Tasmota: commands in the query; a plug with one relay answers POWER; a wrong password is told without it", async (t) => {
  const login = "&user=admin&password=geheim";
  const { url, since } = await device(t, {
    [`GET /cm?cmnd=Power2%20on${login}`]: { json: { POWER2: "ON" } },
    [`GET /cm?cmnd=Power1${login}`]: { json: { POWER: "OFF" } },
    "GET /cm?cmnd=Power1&user=admin&password=falsch": {
      json: { WARNING: "Need user=<username>&password=<password>" },
    },
  });
  const driver = tasmota({ url, password: "geheim" }, now);
  await on(driver, "2");
  assert.equal((await driver.get({ port: "1" }, soon())).state, "off");
  assert.deepEqual(since(), [`GET /cm?cmnd=Power2%20on${login}`, `GET /cm?cmnd=Power1${login}`]);
  const wrong = tasmota({ url, password: "falsch" }, now).get({ port: "1" }, soon());
  await assert.rejects(wrong, (error: Error & { code: string }) => {
    assert.equal(error.code, "POWER_AUTH");
    assert.doesNotMatch(error.message, /falsch/);
    return true;
  });
});

test("what is no answer is told: a refusal with its words, silence, something that is no JSON; and never a password", async (t) => {
  const { url } = await device(t, {
    "GET /cm?cmnd=Power1&user=admin&password=geheim": { headers: { "content-type": "text/html" } },
  });
  const failure = (driver: PowerDriver) =>
    driver.get({ port: "1" }, soon()).then(
      () => assert.fail("it did not fail"),
      (error: Error & { code: string }) => `${error.code} ${error.message}`,
    );
  assert.match(await failure(shelly({ url, generation: 1 }, now)), /^POWER_REFUSED .*404.*no such path/);
  const noJson = await failure(tasmota({ url, password: "geheim" }, now));
  assert.match(noJson, /^POWER_REFUSED .*was not answered with JSON/);
  assert.doesNotMatch(noJson, /geheim/);
  const silent = createServer(() => {});
  await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    silent.closeAllConnections();
    silent.close();
  });
  const at = `http://127.0.0.1:${(silent.address() as AddressInfo).port}`;
  assert.match(
    await failure(shelly({ url: at, generation: 1, timeoutMs: 50 }, now)),
    /^POWER_UNREACHABLE .*no answer within 0.05 s/,
  );
  assert.match(
    await failure(shelly({ url: "http://127.0.0.1:1", generation: 1 }, now)),
    /^POWER_UNREACHABLE/,
  );
});
