// Switches over HTTP against small servers that want exactly the requests of the devices' manuals.
import assert from "node:assert/strict";
import { test } from "node:test";
import { basic, device, now, off, on, soon } from "./http-testing.ts";
import { durationMs, routeros } from "./routeros.ts";
import { ubus } from "./ubus.ts";
import { unifi } from "./unifi.ts";

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
  assert.equal(await driver.link?.({ port: "ether3" }, soon()), first?.up);
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
      up: true,
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
  assert.equal(await driver.link?.({ port: "1" }, soon()), true);
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
