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

const LEASE_SECONDS = 120;
const MINUTES = 15;

/** A quarter of an hour of writes over a lease of two minutes, with NetworkManager and systemd-networkd of a stock image meddling. */
export const scenario: Scenario = {
  name: "root-network",
  tier: "full",
  budgetSeconds: 1500,
  ...ROOT_NETWORK,
  async run(t) {
    const writing = await startWriting(t, LEASE_SECONDS);
    const started = Date.now();
    await meddle(t, writing, { what: MEDDLING, restMs: 20_000 });
    await new Promise((resolve) => setTimeout(resolve, started + MINUTES * 60_000 - Date.now()));
    await untouched(writing, `${MINUTES} minutes`);
    const renewed = (await eventsOf(writing.fleet)).filter(({ words }) => words.includes("renews its lease"));
    const last = Math.max(...renewed.map(({ atMs }) => atMs));
    assert.ok(renewed.length >= 10 && Date.now() - last < LEASE_SECONDS * 1000, `${renewed.length} renewals`);
    t.say(`a lease of ${LEASE_SECONDS} s was renewed ${renewed.length} times`);
    await endWriting(t, writing);
  },
};
