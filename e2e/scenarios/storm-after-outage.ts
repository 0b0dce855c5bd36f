import assert from "node:assert/strict";
import type { Calls, SupervisionView } from "../../src/api/contract.ts";
import { type PoeSwitch, virtualPoeSwitch } from "../../src/sim/poe-switch.ts";
import { rack } from "../../src/sim/rack.ts";
import { fleetOf } from "../../src/sim/run-fleet.ts";
import { type Loopback, startLoopback, until } from "../bed/loopback.ts";
import type { Scenario, Stage } from "../scenario.ts";

const SWITCHES = 6;
const PORTS = 50;
const BOARDS = SWITCHES * PORTS;
const AT_ONCE = 40;
/** A switch comes back, and half a second later the next. */
const APART_MS = 500;

/** The power of 300 boards comes back: they boot through a line, no more at once than are allowed, none is left behind. */
export const scenario: Scenario = {
  name: "storm-after-outage",
  tier: "ci",
  budgetSeconds: 180,
  needs: [],
  assets: [],
  async run(t) {
    const bramble = await startLoopback(t);
    const { commands } = bramble;
    await commands.setSupervision({ bootsAtOnce: AT_ONCE });
    const switches: PoeSwitch[] = [];
    for (let i = 0; i < SWITCHES; i++) {
      const poe = await virtualPoeSwitch({ ports: PORTS, searchMs: 200, budgetW: 1_000 });
      t.atEnd(() => poe.close());
      switches.push(poe);
    }
    const started = Date.now();
    const seconds = () => (Date.now() - started) / 1000;
    const seen = watchLine(t, commands);
    for (const [i, poe] of switches.entries()) {
      racked(t, bramble, poe, i);
      await new Promise((resolve) => setTimeout(resolve, APART_MS));
    }

    await until(
      110,
      async () => {
        const [row] = await commands.reliability({ by: "image" });
        return row && row.boots >= BOARDS ? true : undefined;
      },
      async () => JSON.stringify(await commands.reliability({ by: "image" })),
    );
    const took = seconds();
    const { most, longest, line } = await seen.end();
    t.say(
      `${BOARDS} boards up after ${took.toFixed(1)} s; at most ${most} fetched at once, ${longest} in line`,
    );
    const rows = await commands.reliability({ by: "image" });
    for (const { boots, firstTry, failed, givenUp, seconds: times, stages } of rows) {
      t.say(
        `${boots} boots, ${Math.round(firstTry * 100)} % at the first try, ${failed} tries failed, ${givenUp} given up; p50 ${times?.p50.toFixed(1)} s, p95 ${times?.p95.toFixed(1)} s`,
      );
      t.say(stages.map(({ stage, p50, p95 }) => `${stage} ${p50.toFixed(2)}/${p95.toFixed(2)} s`).join(", "));
      assert.equal(givenUp, 0);
    }
    assert.ok(most <= AT_ONCE, `${most} boots fetched at once`);
    assert.ok(longest > BOARDS / 4, "there was a line");
    assert.ok(line > 0, "a node's page says its place");
    const nodes = await commands.nodes({});
    assert.equal(nodes.length, BOARDS);
    assert.deepEqual(
      nodes.flatMap(({ name, boot }) => (boot?.outcome === "booted" ? [] : [`${name} ${boot?.outcome}`])),
      [],
    );
    assert.deepEqual((await commands.supervision({})).nodes, []);
  },
};

/** A rack behind one switch, whose ports deliver from now on. */
function racked(t: Stage, { ports }: Loopback, poe: PoeSwitch, nth: number): void {
  const pis = fleetOf({
    count: PORTS,
    models: ["4B", "5", "CM4", "400"],
    firstSerial: 0x51c00001 + nth * PORTS,
    server: "127.0.0.1",
    dhcpPort: 0,
    tftpPort: 0,
    like: { patienceMs: 600_000 },
  });
  const shelf = rack({
    switch: poe,
    server: { address: "127.0.0.1", dhcpPort: ports.dhcp, tftpPort: ports.tftp },
    pis: pis.map((pi, i) => ({ port: i + 1, pi })),
    firstAddress: `127.0.${1 + nth}.1`,
    failed: (error) => t.say(`a board's net failed: ${String(error)}`),
  });
  t.atEnd(() => shelf.close());
}

/** Looks at the line as a person would, again and again. */
function watchLine(t: Stage, commands: Calls) {
  let over = false;
  const seen = { most: 0, longest: 0, line: 0 };
  t.atEnd(() => {
    over = true;
  });
  const look = ({ fetching, waiting }: SupervisionView) => {
    seen.most = Math.max(seen.most, fetching);
    seen.longest = Math.max(seen.longest, waiting);
  };
  const looking = (async () => {
    while (!over) {
      look(await commands.supervision({}));
      if (seen.line === 0 && seen.longest > 0)
        seen.line = Math.max(0, ...(await commands.nodes({ limit: 1000 })).map(({ line = 0 }) => line));
      await new Promise((resolve) => setTimeout(resolve, 250));
    }
  })();
  return {
    async end() {
      over = true;
      await looking;
      return seen;
    },
  };
}
