import assert from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Calls } from "../../src/api/contract.ts";
import { type PoeSwitch, virtualPoeSwitch } from "../../src/sim/poe-switch.ts";
import { type Rack, rack } from "../../src/sim/rack.ts";
import { fleetOf } from "../../src/sim/run-fleet.ts";
import { output } from "../bed/commands.ts";
import { startLoopback, until } from "../bed/loopback.ts";
import type { Scenario, Stage } from "../scenario.ts";

const BOARDS = 6;
const UPLINK = 8;
const COMMUNITY = "a-secret-community";
const MAIN = fileURLToPath(new URL(`../../src/app/main${import.meta.url.slice(-3)}`, import.meta.url));
const LOOPBACK = { server: "127.0.0.1", dhcpPort: 0, tftpPort: 0 };

/** A switch that restarts, forgets, falls silent in the middle of a power cycle: every board ends as it should be, also when Bramble is killed meanwhile. */
export const scenario: Scenario = {
  name: "switch-reboots",
  tier: "ci",
  budgetSeconds: 100,
  needs: [],
  assets: [],
  async run(t) {
    const bramble = await startLoopback(t);
    const { commands, ports } = bramble;
    const poe = await virtualPoeSwitch({
      ports: UPLINK,
      communityRw: COMMUNITY,
      searchMs: 100,
      budgetW: 500,
    });
    t.atEnd(() => poe.close());
    poe.uplink(UPLINK, "02:00:5e:10:00:01", ["02:00:5e:10:00:02"]);
    const pis = fleetOf({ count: BOARDS, models: ["4B", "5"], ...LOOPBACK }).map((pi, i) => ({
      port: i + 1,
      pi,
    }));
    const shelf = rack({
      switch: poe,
      server: { address: "127.0.0.1", dhcpPort: ports.dhcp, tftpPort: ports.tftp },
      pis,
      failed: (error) => t.say(`a board's net failed: ${String(error)}`),
    });
    t.atEnd(() => shelf.close());
    await allUp(commands, BOARDS);

    const options = { offSeconds: 0.5, every: 0.5, timeoutMs: 300 };
    const secrets = { community: COMMUNITY };
    const address = `127.0.0.1:${poe.port}`;
    await commands.addSwitch({ name: "poe", driver: "snmp", address, options, secrets });
    const proved = await commands.provePort({ switch: "poe", port: "3" });
    assert.deepEqual([proved.proof, shelf.powerOns(3)], ["power-toggle", 2]);
    assert.equal((await commands.node({ node: pis[2]?.pi.mac ?? "" })).name, proved.node);
    await commands.scanSwitch({ switch: "poe", bind: true });
    const names = await Promise.all(pis.map(async ({ pi }) => (await commands.node({ node: pi.mac })).name));
    assert.deepEqual((await commands.powers({})).map((one) => one.node).sort(), [...names].sort());
    const [first = "", second = ""] = names;
    await leavesTheUplinkAlone(commands, first);
    t.say(`port 3 was proved, ${BOARDS} boards are bound, the up-link is left alone`);

    await commands.setPower({ node: first, want: "off" });
    await allUp(commands, BOARDS - 1);
    await forgets(t, commands, poe, shelf, first);
    await cutInTwo(t, bramble, poe, second);
    await tellsNoSecret(t, commands, bramble.server().text());
  },
};

/** A restart gives power to all ports, whatever was set: one node should be off, and is again. */
async function forgets(t: Stage, commands: Calls, poe: PoeSwitch, shelf: Rack, off: string): Promise<void> {
  const before = shelf.powerOns(1);
  const startedMs = Date.now();
  poe.reboot({ downMs: 1_000, forgets: true });
  await until(
    20,
    async () => (shelf.powerOns(1) > before && poe.read(1).detection === "disabled" ? true : undefined),
    () => `port 1 says ${JSON.stringify(poe.read(1))}`,
  );
  const again = (Date.now() - startedMs) / 1000;
  await allUp(commands, BOARDS - 1);
  const { events } = await commands.explain({ node: off });
  assert.ok(
    events.some(({ words }) => /poe has restarted, and left it otherwise/.test(words)),
    "the node's page says why it was switched off again",
  );
  assert.ok((await commands.events({ limit: 200 })).some(({ words }) => /poe: it has restarted/.test(words)));
  t.say(
    `the switch forgot: the node that should be off was off again ${again.toFixed(1)} s after its restart began`,
  );
}

/** Silence between off and on, a kill of ours, a restart of the switch that keeps the port off: it ends with power. */
async function cutInTwo(
  t: Stage,
  bramble: Awaited<ReturnType<typeof startLoopback>>,
  poe: PoeSwitch,
  node: string,
): Promise<void> {
  const { commands } = bramble;
  const view = async () => (await commands.powers({ select: node }))[0];
  const told = () => async () => JSON.stringify(await view());
  await commands.setSwitch({ switch: "poe", options: { offSeconds: 3 } });
  const cycle = commands.setPower({ node, want: "cycle" }).then(
    () => "it ended well",
    (error: { code?: string }) => error.code,
  );
  await until(10, async () => ((await view())?.actual === "off" ? true : undefined), told());
  poe.hang(true);
  assert.equal(await cycle, "POWER_UNREACHABLE");
  assert.deepEqual([(await view())?.alarm, (await view())?.desired], ["power.stuck_off", "on"]);
  await bramble.killed();
  assert.equal((await view())?.alarm, "power.stuck_off", "an alarm lasts over a kill of ours");
  poe.reboot({ downMs: 500 });
  const startedMs = Date.now();
  await until(
    30,
    async () => {
      const now = await view();
      return now?.actual === "on" && now.alarm === undefined && !now.busy ? true : undefined;
    },
    told(),
  );
  t.say(
    `a cycle that was cut in two by silence, kill -9 and a restart had power again after ${((Date.now() - startedMs) / 1000).toFixed(1)} s`,
  );
  await allUp(commands, BOARDS - 1);
}

async function leavesTheUplinkAlone(commands: Calls, node: string): Promise<void> {
  const up = (await commands.switchPorts({ switch: "poe" })).find(({ name }) => name === String(UPLINK));
  assert.match(up?.guard ?? "", /another switch hangs on it/);
  await assert.rejects(commands.provePort({ switch: "poe", port: String(UPLINK) }), {
    code: "POWER_GUARDED",
  });
  const wrong = { node, switch: "poe", port: String(UPLINK) };
  await assert.rejects(commands.bindPower(wrong), { code: "POWER_GUARDED" });
}

/** The community stands in nothing that a person or program is told. */
async function tellsNoSecret(t: Stage, commands: Calls, log: string): Promise<void> {
  const cli = (...args: string[]) =>
    output(process.execPath, [...process.execArgv, MAIN, "--data", join(t.folder, "data"), ...args]);
  const [shown, ...told] = await Promise.all([
    cli("switch", "show", "poe"),
    commands.switches({}),
    commands.switchPorts({ switch: "poe" }),
    commands.powers({}),
    commands.events({ limit: 1_000 }),
  ]);
  assert.match(shown, /secrets: community/);
  assert.ok(!JSON.stringify([shown, told, log]).includes(COMMUNITY));
}

async function allUp(commands: Calls, count: number): Promise<void> {
  const up = async () => (await commands.nodes({})).filter(({ boot }) => boot?.outcome === "booted").length;
  await until(
    30,
    async () => ((await up()) >= count ? true : undefined),
    async () => `${await up()} of ${count} boards are up`,
  );
}
