// Drivers over HTTP against small servers that want exactly the requests of the devices' manuals.
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { createServer, type IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";
import { type TestContext, test } from "node:test";
import type { PowerDriver } from "./driver.ts";
import { shelly, tasmota } from "./plugs.ts";
import { redfish } from "./redfish.ts";
import { durationMs, routeros } from "./routeros.ts";
import { ubus } from "./ubus.ts";
import { unifi } from "./unifi.ts";
import { maasWebhook, webhook } from "./webhook.ts";

interface Asked {
  /** METHOD and path with query. */
  what: string;
  headers: IncomingHttpHeaders;
  body: string;
}
interface Said {
  status?: number;
  headers?: Record<string, string | string[]>;
  json?: unknown;
}

/** Answers by `METHOD path`; what it does not know is a 404. Everything asked is kept. */
async function device(t: TestContext, answers: Record<string, Said | ((asked: Asked) => Said)>) {
  const asked: Asked[] = [];
  const server = createServer(async (request, response) => {
    let body = "";
    for await (const chunk of request) body += chunk;
    const one = { what: `${request.method} ${request.url}`, headers: request.headers, body };
    asked.push(one);
    const answer = answers[one.what] ?? { status: 404, json: { error: "no such path" } };
    const { status = 200, headers = {}, json } = typeof answer === "function" ? answer(one) : answer;
    response.writeHead(status, { "content-type": "application/json", ...headers });
    response.end(json === undefined ? "" : JSON.stringify(json));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => new Promise((resolve) => server.close(resolve)));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  /** What was asked since the last time, with JSON bodies read. */
  const since = () =>
    asked
      .splice(0)
      .map(({ what, body }) => (body === "" ? what : [what, body[0] === "{" ? JSON.parse(body) : body]));
  return { url, asked, since };
}
const now = () => 1_700_000_000_000;
const soon = () => AbortSignal.timeout(10_000);
const on = (driver: PowerDriver, port: string) => driver.set({ port }, true, soon());
const off = (driver: PowerDriver, port: string) => driver.set({ port }, false, soon());
const basic = (user: string, password: string) =>
  `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`;

test("RouterOS: PATCH poe-out, its own power-cycle, monitor once, hosts of its bridges; numbers may be strings", async (t) => {
  const ethernet = [
    { ".id": "*3", name: "ether3", "poe-out": "auto-on", running: "true", comment: "rack 1" },
    { ".id": "*9", name: "sfp1", running: "true" },
  ];
  const monitored = [
    { name: "ether3", "poe-out": "auto-on", "poe-out-status": "powered-on", "poe-out-power": "4.3" },
  ];
  const { url, asked, since } = await device(t, {
    "GET /rest/interface/ethernet": { json: ethernet },
    "PATCH /rest/interface/ethernet/*3": { json: {} },
    "POST /rest/interface/ethernet/poe/power-cycle": { json: [] },
    "POST /rest/interface/ethernet/poe/monitor": { json: monitored },
    "GET /rest/system/resource": { json: { uptime: "1w2d3h4m5s" } },
    "GET /rest/interface/bridge/host": {
      json: [
        { "mac-address": "DC:A6:32:01:02:03", interface: "ether3", local: "false" },
        { "mac-address": "64:D1:54:00:00:01", interface: "ether3", local: "true" },
      ],
    },
  });
  const driver = routeros({ url, user: "bramble", password: "geheim" }, now);
  await off(driver, "ether3");
  assert.deepEqual(since(), [
    "GET /rest/interface/ethernet",
    ["PATCH /rest/interface/ethernet/*3", { "poe-out": "off" }],
  ]);
  await on(driver, "ether3");
  assert.deepEqual(since().at(-1), ["PATCH /rest/interface/ethernet/*3", { "poe-out": "auto-on" }]);
  await driver.cycle?.({ port: "ether3" }, 5_000, soon());
  assert.deepEqual(since(), [
    ["POST /rest/interface/ethernet/poe/power-cycle", { numbers: "ether3", duration: "5s" }],
  ]);
  await driver.cycle?.({ port: "ether3" }, 600_000, soon());
  assert.match(asked[0]?.body ?? "", /"duration":"60s"/, "its range ends at a minute");
  since();
  const reading = await driver.get({ port: "ether3" }, soon());
  assert.equal(asked[0]?.headers.authorization, basic("bramble", "geheim"));
  assert.deepEqual(since(), [["POST /rest/interface/ethernet/poe/monitor", { numbers: "ether3", once: "" }]]);
  assert.deepEqual([reading.state, reading.adminOn, reading.milliwatts], ["on", true, 4300]);
  assert.equal((await driver.sweep?.(soon()))?.upTimeMs, 788_645_000);
  const [first, sfp] = (await driver.discover?.(soon())) ?? [];
  assert.deepEqual([first?.port, first?.macs, first?.alias], ["ether3", ["dc:a6:32:01:02:03"], "rack 1"]);
  assert.equal(sfp?.port, undefined);
  await assert.rejects(off(driver, "sfp1"), { code: "POWER_REFUSED" });
});

test("RouterOS writes times as 1w2d3h4m5s", () => {
  assert.equal(durationMs("5s"), 5_000);
  assert.equal(durationMs("1d00h"), 86_400_000);
  assert.equal(durationMs("soon"), undefined);
});

const JWT = `h.${Buffer.from(JSON.stringify({ csrfToken: "csrf-1" })).toString("base64url")}.s`;

test("UniFi OS: login, prefix, CSRF token; a change keeps every other port; its own power-cycle", async (t) => {
  const table = [
    {
      port_idx: 1,
      port_poe: true,
      poe_mode: "auto",
      poe_good: true,
      poe_power: "4.31",
      poe_class: "Class 4",
    },
    { port_idx: 2, port_poe: true, poe_mode: "off", poe_good: false },
    { port_idx: 9, port_poe: false, is_uplink: true },
  ];
  let overrides: object[] = [
    { port_idx: 1, name: "desk", poe_mode: "auto" },
    { port_idx: 5, poe_mode: "off" },
  ];
  const base = "/proxy/network/api/s/default";
  const { url, asked, since } = await device(t, {
    "POST /api/auth/login": { headers: { "set-cookie": [`TOKEN=${JWT}; path=/`] }, json: {} },
    [`GET ${base}/stat/device`]: () => ({
      json: {
        data: [
          { _id: "dev1", mac: "aa:bb:cc:00:00:01", uptime: 12, port_table: table, port_overrides: overrides },
        ],
      },
    }),
    [`PUT ${base}/rest/device/dev1`]: ({ body }) => {
      overrides = (JSON.parse(body) as { port_overrides: object[] }).port_overrides;
      return { json: { data: [] } };
    },
    [`POST ${base}/cmd/devmgr`]: { json: { data: [] } },
    [`GET ${base}/stat/sta`]: {
      json: { data: [{ mac: "DC:A6:32:01:02:03", sw_mac: "aa:bb:cc:00:00:01", sw_port: 1 }] },
    },
  });
  const driver = unifi({ url, user: "bramble", password: "geheim", mac: "AA:BB:CC:00:00:01", now });
  assert.deepEqual(await driver.get({ port: "1" }, soon()), {
    state: "on",
    adminOn: true,
    atMs: now(),
    milliwatts: 4310,
    pdClass: 4,
  });
  assert.deepEqual(since(), [
    ["POST /api/auth/login", { username: "bramble", password: "geheim" }],
    `GET ${base}/stat/device`,
  ]);
  await Promise.all([off(driver, "1"), on(driver, "2")]);
  const put = asked.filter(({ what }) => what.startsWith("PUT"));
  assert.deepEqual([put[0]?.headers["x-csrf-token"], put[0]?.headers.cookie], ["csrf-1", `TOKEN=${JWT}`]);
  const byPort = (a: object, b: object) =>
    (a as { port_idx: number }).port_idx - (b as { port_idx: number }).port_idx;
  assert.deepEqual(
    [...overrides].sort(byPort),
    [
      { port_idx: 1, name: "desk", poe_mode: "off" },
      { port_idx: 2, poe_mode: "auto" },
      { port_idx: 5, poe_mode: "off" },
    ],
    "two changes at once, none is lost",
  );
  since();
  await driver.cycle?.({ port: "1" }, 5_000, soon());
  assert.deepEqual(since(), [
    [`POST ${base}/cmd/devmgr`, { cmd: "power-cycle", mac: "aa:bb:cc:00:00:01", port_idx: 1 }],
  ]);
  assert.deepEqual(
    (await driver.discover?.(soon()))?.map(({ port, macs, neighbour }) => [
      port,
      macs.length,
      neighbour?.isBridge,
    ]),
    [
      ["1", 1, undefined],
      ["2", 0, undefined],
      [undefined, 0, true],
    ],
  );
  await assert.rejects(off(driver, "9"), { code: "POWER_REFUSED" });
});

test("a classic UniFi controller: no prefix, no CSRF; a session that has ended is opened again; a wrong password is told", async (t) => {
  let logins = 0;
  const { url, since } = await device(t, {
    "POST /api/login": ({ body }) =>
      body.includes("geheim")
        ? { headers: { "set-cookie": [`unifises=s${++logins}; Path=/`] }, json: {} }
        : { status: 400, json: { meta: { msg: "api.err.Invalid" } } },
    "GET /api/s/hall/stat/device": ({ headers }) =>
      headers.cookie === "unifises=s2"
        ? {
            json: {
              data: [{ _id: "d", mac: "aa:bb:cc:00:00:01", port_table: [{ port_idx: 1, poe_mode: "off" }] }],
            },
          }
        : { status: 401, json: {} },
  });
  const access = { url, user: "bramble", mac: "aa:bb:cc:00:00:01", unifiOs: false, site: "hall", now };
  const driver = unifi({ ...access, password: "geheim" });
  assert.equal((await driver.get({ port: "1" }, soon())).state, "off");
  assert.equal(since().length, 4);
  const wrong = unifi({ ...access, password: "falsch" });
  await assert.rejects(wrong.get({ port: "1" }, soon()), (error: Error & { code: string }) => {
    assert.equal(error.code, "POWER_AUTH");
    assert.doesNotMatch(error.message, /falsch/);
    return true;
  });
});

test("OpenWrt: session.login, poe manage and info; a session that has ended is opened again; old versions' words", async (t) => {
  const ports: Record<string, unknown> = {
    lan1: { status: "Delivering power", consumption: 4.1 },
    lan2: "Disabled",
  };
  let ended = true;
  const { url, since } = await device(t, {
    "POST /ubus": ({ body }) => {
      const { params } = JSON.parse(body) as { params: [string, string, string, { enable?: boolean }] };
      const [session, object, method] = params;
      if (method === "login") return { json: { result: [0, { ubus_rpc_session: "s1" }] } };
      if (ended) {
        ended = false;
        return { json: { error: { code: -32002, message: "Access denied" } } };
      }
      if (session !== "s1" || object !== "poe") return { json: { result: [6] } };
      return {
        json: method === "info" ? { result: [0, { ports, budget: 65, consumption: 4.1 }] } : { result: [0] },
      };
    },
  });
  const driver = ubus({ url, user: "bramble", password: "geheim" }, now);
  await off(driver, "lan1");
  const call = (id: number, ...params: unknown[]) => [
    "POST /ubus",
    { jsonrpc: "2.0", id, method: "call", params },
  ];
  const login = { username: "bramble", password: "geheim" };
  assert.deepEqual(since(), [
    call(1, "0".repeat(32), "session", "login", login),
    call(2, "s1", "poe", "manage", { port: "lan1", enable: false }),
    call(3, "0".repeat(32), "session", "login", login),
    call(4, "s1", "poe", "manage", { port: "lan1", enable: false }),
  ]);
  assert.deepEqual((await driver.get({ port: "lan1" }, soon())).milliwatts, 4100);
  assert.deepEqual(since(), [call(5, "s1", "poe", "info", {})]);
  const { ports: all } = (await driver.sweep?.(soon())) ?? { ports: new Map() };
  assert.deepEqual(
    [...all].map(([name, { state }]) => [name, state]),
    [
      ["lan1", "on"],
      ["lan2", "off"],
    ],
  );
  assert.deepEqual(await driver.budget?.({ port: "lan1" }, soon()), { capacityW: 65, usedW: 4.1 });
});

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
