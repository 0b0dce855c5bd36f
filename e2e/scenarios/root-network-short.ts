import assert from "node:assert/strict";
import {
  endWriting,
  eventsOf,
  MEDDLING,
  meddle,
  ROOT_NETWORK,
  startWriting,
  untouched,
} from "../bed/root-network.ts";
import type { Scenario } from "../scenario.ts";

/** Short enough to run out while the server is away. */
const LEASE_SECONDS = 20;

/** NetworkManager and systemd-networkd of a stock image leave the root's interface alone; the server comes back with other name servers. */
export const scenario: Scenario = {
  name: "root-network-short",
  tier: "ci",
  budgetSeconds: 450,
  ...ROOT_NETWORK,
  async run(t) {
    const writing = await startWriting(t, LEASE_SECONDS);
    const told = (await eventsOf(writing.fleet)).find(({ words }) => words.includes("netroot"));
    assert.match(told?.words ?? "", /\/run\/NetworkManager\/conf\.d\/netroot\.conf/);
    t.say(told?.words ?? "");
    await meddle(t, writing, { what: MEDDLING.slice(0, 5), restMs: 1000 });

    const { bramble } = writing.fleet;
    await bramble.server.stop("SIGKILL");
    await new Promise((resolve) => setTimeout(resolve, (LEASE_SECONDS + 5) * 1000));
    await bramble.again();
    await untouched(writing, `a server that was away for longer than the lease of ${LEASE_SECONDS} s`);
    await endWriting(t, writing);
  },
};
