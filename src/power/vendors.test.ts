// Discovery and power against recorded agents of seven devices, served by snmpsim.
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { needs, shared } from "../../test/tools.ts";
import type { PowerDriver } from "./driver.ts";
import { snmpPdu } from "./snmp-pdu.ts";
import { snmpPoe } from "./snmp-poe.ts";
import { SIM_AUTH, SIM_PRIVACY, SIM_USER, startSnmpsim } from "./testing/snmpsim.ts";
import { stateOfText, VENDORS, vendorOf } from "./vendors.ts";

const host = "127.0.0.1";
const now = () => 1_000;
const soon = () => AbortSignal.timeout(20_000);
/** The boards of the recordings: their MACs, and the ports that they hang on. */
const BOARDS = {
  "dc:a6:32:01:02:03": 1,
  "e4:5f:01:0a:0b:0c": 2,
  "2c:cf:67:11:22:33": 3,
  "00:16:3e:00:00:05": 5,
};
const UPSTREAM = "02:00:5e:10:00:01";

test("seven devices as they were recorded", async (t) => {
  if (!needs(t, "snmpsimd", "snmpsim")) return;
  const folder = shared(t, "fixtures/snmp");
  if (!folder) return;
  const port = await startSnmpsim(t, folder);
  const poe = (community: string, more = {}) => snmpPoe({ host, port, community, now, ...more });
  const devices = [
    {
      community: "cisco-ios",
      of: (n: number) => ({ name: `Gi1/0/${n}`, port: `1.${n}` }),
      vlans: [10],
      watts: 4.2,
    },
    { community: "hpe-procurve", of: (n: number) => ({ name: `${n}`, port: `1.${n}` }), watts: 4.3 },
    { community: "juniper-ex", of: (n: number) => ({ name: `ge-0/0/${n - 1}`, port: `1.${n}` }) },
    { community: "netgear-fastpath", of: (n: number) => ({ name: `1/0/${n}`, port: `1.${n}` }), watts: 4.4 },
    {
      community: "tplink-jetstream",
      of: (n: number) => ({ name: `gigabitEthernet 1/0/${n}`, port: `${n}` }),
      watts: 4.3,
    },
    { community: "mikrotik-ros", of: (n: number) => ({ name: `ether${n}`, port: `${n}` }), watts: 4.3 },
  ];
  for (const { community, of, vlans, watts } of devices) {
    await t.test(
      `${community}: each board is found on its port, and the up-link gives no power`,
      async (u) => {
        const driver = closing(u, poe(community, vlans ? { vlans } : {}));
        const ports = (await driver.discover?.(soon())) ?? [];
        for (const [mac, n] of Object.entries(BOARDS)) {
          const found = ports.filter(({ macs }) => macs.includes(mac));
          assert.equal(found.length, 1, mac);
          assert.deepEqual({ name: found[0]?.name, port: found[0]?.port }, of(n));
        }
        const up = ports.find(({ macs }) => macs.includes(UPSTREAM));
        assert.equal(up?.port, undefined);
        if (community !== "cisco-ios") assert.equal(up?.alias, "uplink");
      },
    );
    await t.test(`${community}: a port with a board reads on, one without reads otherwise`, async (u) => {
      const driver = closing(u, poe(community));
      const { ports, upTimeMs } = (await driver.sweep?.(soon())) ?? { ports: new Map() };
      assert.equal(upTimeMs, 1_234_567_890);
      assert.equal(ports.size, 8);
      const board = await driver.get({ port: of(1).port }, soon());
      assert.equal(board.state, "on");
      assert.deepEqual(ports.get(of(1).port), board, "one walk says what one question says");
      assert.equal(board.milliwatts, watts === undefined ? undefined : watts * 1000);
      if (community !== "mikrotik-ros")
        assert.equal(board.pdClass, 4, "class + 1 in the standard, as it is in TP-Link's");
      assert.notEqual((await driver.get({ port: of(4).port }, soon())).state, "on");
      await assert.rejects(driver.get({ port: "77" }, soon()), { code: "POWER_REFUSED" });
    });
  }
  for (const [community, off, instance] of [
    ["hpe-procurve", 2, "1.3.6.1.2.1.105.1.1.1.3.1.6"],
    ["tplink-jetstream", 0, "1.3.6.1.4.1.11863.6.56.1.1.2.1.1.2.6"],
  ] as const) {
    await t.test(`${community}: on is 1 and off is ${off}`, async (u) => {
      const driver = closing(u, poe(community));
      const target = { port: community === "hpe-procurve" ? "1.6" : "6" };
      assert.equal((await driver.get(target, soon())).adminOn, true);
      await driver.set(target, false, soon());
      assert.equal((await driver.get(target, soon())).adminOn, false);
      assert.equal(await raw(port, community, instance), off);
      await driver.set(target, true, soon());
      assert.equal(await raw(port, community, instance), 1);
    });
  }
  await t.test("MikroTik takes no SET: told before one is sent, with the driver that can", async (u) => {
    const driver = closing(u, poe("mikrotik-ros"));
    await assert.rejects(
      driver.set({ port: "1" }, false, soon()),
      (error: { code: string; hint: string }) => {
        assert.equal(error.code, "POWER_REFUSED");
        assert.match(error.hint, /routeros/);
        return true;
      },
    );
  });
  await t.test("a SET that succeeds with an exception inside is a refusal", async (u) => {
    const driver = closing(u, poe("hpe-procurve"));
    await assert.rejects(driver.set({ port: "1.77" }, false, soon()), { code: "POWER_REFUSED" });
  });
  await t.test("a budget is read in watts, whatever the unit of the MIB", async (u) => {
    const budget = (community: string, at: string) =>
      closing(u, poe(community)).budget?.({ port: at }, soon());
    assert.deepEqual(await budget("hpe-procurve", "1.1"), { capacityW: 195, usedW: 18 });
    assert.deepEqual(await budget("tplink-jetstream", "1"), { capacityW: 192, usedW: 17.2 });
  });
  await t.test("SNMPv3 with privacy works; a wrong key is told as such", async (u) => {
    const v3 = {
      host,
      port,
      user: SIM_USER,
      auth: SIM_AUTH,
      privacy: SIM_PRIVACY,
      context: "juniper-ex",
      now,
    };
    assert.equal((await closing(u, snmpPoe(v3)).get({ port: "1.1" }, soon())).state, "on");
    const wrong = { ...v3, auth: { ...SIM_AUTH, key: "wrongpass123" } };
    await assert.rejects(closing(u, snmpPoe(wrong)).get({ port: "1.1" }, soon()), { code: "POWER_AUTH" });
  });
  await t.test("a wrong community is silence", async (u) => {
    const driver = closing(u, poe("wrong", { timeoutMs: 100 }));
    await assert.rejects(driver.get({ port: "1.1" }, soon()), { code: "POWER_UNREACHABLE" });
  });
  await t.test("APC: the state's numbers are not the command's", async (u) => {
    const driver = (family?: "rpdu2" | "masterswitch") =>
      closing(u, snmpPdu({ host, port, community: "apc-pdu", now, ...(family && { family }) }));
    for (const one of [driver(), driver("rpdu2"), driver("masterswitch")]) {
      assert.deepEqual(await one.get({ port: "3" }, soon()), { state: "on", adminOn: true, atMs: 1_000 });
      assert.equal((await one.sweep?.(soon()))?.ports.size, 8);
      await one.set({ port: "4" }, false, soon());
    }
    assert.equal(await raw(port, "apc-pdu", "1.3.6.1.4.1.318.1.1.12.3.3.1.1.4.4"), 2);
    assert.equal(await raw(port, "apc-pdu", "1.3.6.1.4.1.318.1.1.26.9.2.4.1.5.4"), 2);
    assert.equal(
      (await driver("masterswitch").get({ port: "4" }, soon())).state,
      "off",
      "one object for both",
    );
    await driver().cycle?.({ port: "5" }, 7_400, soon());
    assert.equal(await raw(port, "apc-pdu", "1.3.6.1.4.1.318.1.1.12.3.4.1.1.6.5"), 8, "seconds, never fewer");
    assert.equal(await raw(port, "apc-pdu", "1.3.6.1.4.1.318.1.1.12.3.3.1.1.4.5"), 3);
    await assert.rejects(driver().get({ port: "9" }, soon()), { code: "POWER_REFUSED" });
  });
});

test("the vendor with the longest prefix of sysObjectID counts, strangers are the standard's", () => {
  assert.equal(vendorOf("1.3.6.1.4.1.9.6.1.1004.24.1").id, "cisco-small-business");
  assert.equal(vendorOf("1.3.6.1.4.1.9.1.1208").id, "cisco-ios");
  assert.equal(vendorOf("1.3.6.1.4.1.8072.3.2.10").id, "standard");
  assert.equal(vendorOf("").id, "standard");
});

test("the standard's numbers are pinned: on is 1, off is 2, and only deliveringPower is power", () => {
  const { control, status } = VENDORS[0] as (typeof VENDORS)[number];
  assert.deepEqual([control.oid, control.on, control.off], ["1.3.6.1.2.1.105.1.1.1.3", 1, 2]);
  assert.deepEqual(
    [1, 2, 3, 4, 5, 6].map((value) => status.states[value]?.[0]),
    ["off", "searching", "on", "fault", "unknown", "fault"],
  );
});

test("states that are words", () => {
  for (const [word, state] of [
    ["Delivering power", "on"],
    ["Disabled", "off"],
    ["Searching", "searching"],
    ["Requesting power", "searching"],
    ["Other fault", "fault"],
    ["Fault", "fault"],
    ["", "unknown"],
  ] as const)
    assert.equal(stateOfText(word), state, word);
});

function closing(t: TestContext, driver: PowerDriver): PowerDriver {
  t.after(() => driver.close());
  return driver;
}

/** What the object holds, asked by net-snmp directly. */
async function raw(port: number, community: string, oid: string): Promise<unknown> {
  const { openSnmp } = await import("./snmp.ts");
  const agent = openSnmp({ host, port, community });
  const [value] = await agent.get([oid], soon());
  agent.close();
  return value;
}
