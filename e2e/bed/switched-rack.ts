// Virtual boards on the ports of a virtual PoE switch that Bramble knows: each was up once, and is bound to the port on which it was found.
import assert from "node:assert/strict";
import { virtualPoeSwitch } from "../../src/sim/poe-switch.ts";
import { type RackPi, rack } from "../../src/sim/rack.ts";
import type { Stage } from "../scenario.ts";
import { type Loopback, until } from "./loopback.ts";

/** `states`: what is said where they do not all come up. Gives back how often power came on at a port. */
export async function switchedRack(
  t: Stage,
  { commands, ports }: Loopback,
  pis: readonly RackPi[],
  { searchMs, states }: { searchMs: number; states(): Promise<string> },
): Promise<(port: number) => number> {
  const poe = await virtualPoeSwitch({
    ports: pis.length,
    communityRo: "public",
    communityRw: "private",
    searchMs,
    budgetW: 1_000,
  });
  t.atEnd(() => poe.close());
  const shelf = rack({
    switch: poe,
    server: { address: "127.0.0.1", dhcpPort: ports.dhcp, tftpPort: ports.tftp },
    pis,
    failed: (error) => t.say(`a board's net failed: ${String(error)}`),
  });
  t.atEnd(() => shelf.close());
  await until(
    60,
    async () => {
      const up = (await commands.nodes({})).filter(({ boot }) => boot?.outcome === "booted");
      return up.length === pis.length || undefined;
    },
    states,
  );
  await commands.addSwitch({
    name: "poe",
    driver: "snmp",
    address: `127.0.0.1:${poe.port}`,
    options: { offSeconds: 0.1, every: 1 },
    secrets: { community: "private" },
  });
  const found = await commands.scanSwitch({ switch: "poe", bind: true });
  assert.equal(found.filter(({ bound }) => bound).length, pis.length);
  return shelf.powerOns;
}
