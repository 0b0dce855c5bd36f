import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { type TestContext, test } from "node:test";
import { promisify } from "node:util";
import { needs } from "../../test/tools.ts";
import { type PoeSwitchOptions, virtualPoeSwitch } from "./poe-switch.ts";

const exec = promisify(execFile);
const PETH = "1.3.6.1.2.1.105.1.1.1";
const ADMIN = (port: number) => `${PETH}.3.1.${port}`;
const DETECTED = (port: number) => `${PETH}.6.1.${port}`;
const PI = "dc:a6:32:01:02:03";
const V3 = { user: "bramble", authKey: "authpass123", privKey: "privpass123" };

async function aSwitch(t: TestContext, more: Partial<PoeSwitchOptions> = {}) {
  const sw = await virtualPoeSwitch({
    ports: 8,
    communityRo: "ro",
    communityRw: "rw",
    v3: V3,
    searchMs: 5,
    reactMs: 1,
    ...more,
  });
  t.after(() => sw.close());
  const states: string[] = [];
  let wake = () => {};
  sw.on((port, state) => {
    states.push(`${port} ${state}`);
    wake();
  });
  /** Waits until the port has come there. */
  const until = async (port: number, state: string) => {
    while (sw.read(port).detection !== state) await new Promise<void>((resolve) => (wake = resolve));
  };
  /** Debian's net-snmp: a program that is not ours. */
  const ask = async (tool: string, args: string[], community = "rw") => {
    const where = `${sw.host}:${sw.port}`;
    const base = ["-v2c", "-c", community, "-r", "0", "-t", "2", "-On", "-Oe", where];
    return (await exec(tool, [...base, ...args])).stdout;
  };
  return { sw, states, until, ask };
}

test("net-snmp's snmpset cuts a port's power and gives it again, and snmpget sees what the port does", async (t) => {
  if (!needs(t, "snmpset", "snmp")) return;
  const { sw, states, until, ask } = await aSwitch(t);
  sw.plug(7, PI);
  await until(7, "deliveringPower");
  assert.match(await ask("snmpset", [ADMIN(7), "i", "2"]), / = INTEGER: 2/);
  await until(7, "disabled");
  assert.match(await ask("snmpget", [ADMIN(7), DETECTED(7)]), /3\.1\.7 = INTEGER: 2\n.*6\.1\.7 = INTEGER: 1/);
  await ask("snmpset", [ADMIN(7), "i", "1"]);
  await until(7, "deliveringPower");
  assert.deepEqual(states, ["7 deliveringPower", "7 disabled", "7 searching", "7 deliveringPower"]);
});

test("a board that is powered has its MAC in the forwarding table, one without power has not", async (t) => {
  if (!needs(t, "snmpwalk", "snmp")) return;
  const { sw, until, ask } = await aSwitch(t);
  const fdb = () => ask("snmpwalk", ["1.3.6.1.2.1.17.7.1.2.2.1.2"]);
  assert.doesNotMatch(await fdb(), /INTEGER/);
  sw.plug(3, PI);
  await until(3, "deliveringPower");
  assert.match(await fdb(), /\.1\.220\.166\.50\.1\.2\.3 = INTEGER: 3/);
  await ask("snmpset", [ADMIN(3), "i", "2"]);
  await until(3, "disabled");
  assert.doesNotMatch(await fdb(), /INTEGER/);
});

test("a whole walk with GETBULK ends, and shows the up-link as a bridge with many MACs", async (t) => {
  if (!needs(t, "snmpbulkwalk", "snmp")) return;
  const { sw, ask } = await aSwitch(t);
  sw.uplink(8, "02:00:5e:10:00:01", ["02:00:5e:10:00:02", "02:00:5e:10:00:03"]);
  sw.alias(8, "uplink to the core");
  const all = await ask("snmpbulkwalk", ["1"]);
  assert.match(all, /\.31\.1\.1\.1\.18\.8 = STRING: "uplink to the core"/);
  assert.equal(all.match(/\.17\.7\.1\.2\.2\.1\.2\.1\.\S+ = INTEGER: 8/g)?.length, 3);
  const lldp = await ask("snmpbulkwalk", ["1.0.8802"]);
  assert.match(lldp, /4\.1\.1\.12\.0\.8\.1 = Hex-STRING: 20 00/);
});

test("who may only read cannot set, an illegal value is refused, and a column that is read-only stays", async (t) => {
  if (!needs(t, "snmpset", "snmp")) return;
  const { sw, ask } = await aSwitch(t);
  await assert.rejects(ask("snmpset", [ADMIN(1), "i", "2"], "ro"), /noAccess/);
  await assert.rejects(ask("snmpset", [ADMIN(1), "i", "9"]), /badValue/i);
  await assert.rejects(ask("snmpset", [DETECTED(1), "i", "1"]), /notWritable|noAccess/);
  await assert.rejects(ask("snmpget", ["-t", "0.2", ADMIN(1)], "wrong"), /Timeout/);
  assert.deepEqual(sw.read(1), { adminOn: true, detection: "searching" });
});

test("SNMPv3 with authentication and privacy works, a wrong key does not", async (t) => {
  if (!needs(t, "snmpget", "snmp")) return;
  const { sw } = await aSwitch(t);
  const ask = (authKey: string, seconds = "2") =>
    exec("snmpget", [
      ...["-v3", "-l", "authPriv", "-u", V3.user, "-a", "SHA-256", "-A", authKey, "-x", "AES"],
      ...["-X", V3.privKey, "-r", "0", "-t", seconds, "-On", `${sw.host}:${sw.port}`, DETECTED(1)],
    ]);
  assert.match((await ask(V3.authKey)).stdout, /INTEGER: 2/);
  await assert.rejects(ask("wrongpass123", "0.2"), /Authentication failure|Timeout|incorrect/);
});

test("a reboot cuts all power, sets sysUpTime back, and what was set stays unless the switch forgets", async (t) => {
  if (!needs(t, "snmpset", "snmp")) return;
  const { sw, until, ask } = await aSwitch(t);
  sw.plug(1, PI);
  sw.plug(2, "dc:a6:32:01:02:04");
  await until(1, "deliveringPower");
  await until(2, "deliveringPower");
  await ask("snmpset", [ADMIN(2), "i", "2"]);
  await until(2, "disabled");
  sw.reboot({ downMs: 10 });
  assert.equal(sw.read(1).detection, "disabled");
  await until(1, "deliveringPower");
  assert.equal(sw.read(2).adminOn, false);
  const ticks = Number(/\((\d+)\)/.exec(await ask("snmpget", ["1.3.6.1.2.1.1.3.0"]))?.[1]);
  assert.ok(ticks < 500, `${ticks}`);
  sw.reboot({ downMs: 10, forgets: true });
  await until(2, "deliveringPower");
});

test("a switch that lies answers like an honest one", async (t) => {
  if (!needs(t, "snmpset", "snmp")) return;
  const { sw, until, ask } = await aSwitch(t);
  sw.plug(1, PI);
  await until(1, "deliveringPower");
  sw.lie("ignores");
  assert.match(await ask("snmpset", [ADMIN(1), "i", "2"]), /INTEGER: 2/);
  assert.match(await ask("snmpget", [DETECTED(1)]), /INTEGER: 3/);
  sw.lie("no-such-instance", [1]);
  assert.match(await ask("snmpset", [ADMIN(1), "i", "1"]), /No Such Instance/);
  assert.equal(sw.read(1).adminOn, false);
  sw.lie(undefined);
  await ask("snmpset", [ADMIN(1), "i", "2"]);
  await until(1, "disabled");
});

test("a switch that hangs answers nobody, and answers again", async (t) => {
  if (!needs(t, "snmpget", "snmp")) return;
  const { sw, ask } = await aSwitch(t);
  sw.hang(true);
  await assert.rejects(ask("snmpget", ["-t", "0.2", ADMIN(1)]), /Timeout/);
  sw.hang(false);
  assert.match(await ask("snmpget", [ADMIN(1)]), /INTEGER: 1/);
});
