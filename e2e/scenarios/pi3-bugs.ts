import assert from "node:assert/strict";
import type { Bugs, SimBoot, VirtualPi } from "../../src/sim/board.ts";
import type { Impairment } from "../../src/sim/impair.ts";
import { sh } from "../bed/commands.ts";
import { dnsmasq, makeHost } from "../bed/host.ts";
import { makeNetwork, type Network } from "../bed/network.ts";
import { boardOf, makeRack } from "../bed/rack.ts";
import { leases, rightFiles, type SmallBramble, startSmall } from "../bed/small.ts";
import type { Scenario, Stage } from "../scenario.ts";

const BOARDS = 100;
/** Boards that boot without the counter-measures: each fails alike, after half a minute of patience. */
const CONTROLS = 5;

interface Bug {
  name: string;
  bugs: Bugs;
  /** A ROM's TFTP so slow that a neighbour entry ends in the middle of it. */
  impair?: Impairment;
  /** What its boot ends with where nothing is done about it, and what its log says. */
  fails: { outcome: SimBoot["outcome"]; says: RegExp };
}

/** Rows 2, 3 and 4 of the reliability table. */
const BUGS: readonly Bug[] = [
  {
    name: "early replies are lost",
    bugs: { earlyReplyLostMs: 1_900 },
    fails: { outcome: "no-dhcp", says: /came too soon/ },
  },
  {
    name: "an OFFER is stuck until another frame comes",
    bugs: { flush: true },
    fails: { outcome: "no-dhcp", says: /no broadcast came before/ },
  },
  {
    name: "no ARP during TFTP",
    bugs: { arpSilent: true },
    impair: { delayMs: 15 },
    fails: { outcome: "no-firmware", says: /bootcode\.bin: timeout/ },
  },
];
const STRICT: Bugs = { strictOption43: true };
const OFF = ["delayed-offer", "frame-before-offer", "pinned-neighbour"];

/** A fleet of Pi 3Bs, each bug of their ROM a hundred times: with the counter-measures and without. */
export const scenario: Scenario = {
  name: "pi3-bugs",
  tier: "ci",
  budgetSeconds: 180,
  needs: [{ tool: "dnsmasq", package: "dnsmasq-base" }],
  assets: ["agent-packages"],
  async run(t) {
    await Promise.all([withMeasures(t), withoutMeasures(t), aloneAndStuck(t), plainMenu(t)]);
  },
};

async function bramble(t: Stage, ...more: string[]): Promise<{ network: Network; server: SmallBramble }> {
  const network = await makeNetwork();
  // The kernel asks again for a neighbour as soon as it may: a TFTP transfer of one second is then long enough to see the bug.
  const soon = "delay_probe 100 retrans 200 ucast_probes 1 mcast_probes 1 app_probes 0 base_reachable 200";
  await sh(`ip ntable change name arp_cache dev ${network.interface} ${soon}`);
  const pool = [`${network.host(0).replace(/0$/, "10")}-${network.host(250)}`];
  const server = await startSmall(t, network, "--mode", "full", "--pool", ...pool, ...more);
  return { network, server };
}

async function withMeasures(t: Stage): Promise<void> {
  const { network, server } = await bramble(t, "--lease-seconds", "600");
  const rack = await makeRack(t, network);
  const started = Date.now();
  const kinds = [...BUGS, { name: "strict about option 43", bugs: STRICT }];
  let served = 0;
  for (const { bugs, name, ...kind } of kinds) {
    // Every kind of bug on the same hundred boards, as the same board boots again and again.
    const boots = await Promise.all(
      Array.from({ length: BOARDS }, async (_, n): Promise<[VirtualPi, SimBoot]> => {
        const pi = boardOf("3B", n, bugs);
        return [pi, await rack.boot(pi, "impair" in kind ? kind.impair : undefined)];
      }),
    );
    const good = boots.filter(([, boot]) => boot.outcome === "kernel");
    const [bad] = boots.filter(([, boot]) => boot.outcome !== "kernel");
    assert.equal(good.length, BOARDS, `${name}: ${bad?.[1].reason}\n${bad?.[1].log.join("\n")}`);
    served += good.length;
    const slowest = Math.max(...boots.map(([, boot]) => boot.ms));
    t.say(
      `${name}: ${good.length} of ${BOARDS} at their kernel, the slowest in ${(slowest / 1000).toFixed(1)} s`,
    );
    const [first] = boots;
    if (first) await rightFiles(server.api, ...first);
    const book = await leases(server.data);
    for (const [pi, { address }] of boots)
      assert.equal(book.get(pi.mac), address, "leased, though it never asks");
  }
  const book = await server.api.boots({ limit: 1_000 });
  assert.equal(book.filter(({ stage }) => stage === "kernel").length, served, "each boot is in the book");
  t.say(`${served} boots in ${((Date.now() - started) / 1000).toFixed(0)} s`);
}

async function withoutMeasures(t: Stage): Promise<void> {
  const { network, server } = await bramble(t, "--quirk-off", ...OFF);
  const rack = await makeRack(t, network);
  // First a board without bugs: it boots, and has its lease from then on.
  const healthy = boardOf("3B", 200);
  await rightFiles(server.api, healthy, await rack.boot(healthy));
  const failed = await Promise.all(
    BUGS.filter(({ bugs }) => !bugs.flush).flatMap(({ bugs, impair, ...bug }, kind) =>
      Array.from({ length: CONTROLS }, async (_, n) => {
        const boot = await rack.boot(boardOf("3B", 201 + kind * CONTROLS + n, bugs), impair);
        return { bug, boot };
      }),
    ),
  );
  for (const { bug, boot } of failed) failsAs(bug, boot);
  t.say(`without the counter-measures ${failed.length} of ${failed.length} end as the specification says`);
}

/** On a busy network other boards' broadcasts free a stuck OFFER: this board is alone. It has a lease, so nobody asks for its address by ARP. */
async function aloneAndStuck(t: Stage): Promise<void> {
  const { network, server } = await bramble(t, "--quirk-off", ...OFF);
  const rack = await makeRack(t, network);
  const healthy = boardOf("3B", 250);
  await rightFiles(server.api, healthy, await rack.boot(healthy));
  for (const bug of BUGS.filter(({ bugs }) => bugs.flush))
    failsAs(bug, await rack.boot({ ...healthy, bugs: bug.bugs }));
}

function failsAs({ name, fails }: Pick<Bug, "name" | "fails">, boot: SimBoot): void {
  const log = boot.log.join("\n");
  assert.equal(boot.outcome, fails.outcome, `${name}: ${boot.reason}\n${log}`);
  assert.match(log, fails.says);
}

/** Row 6 is not a switch of ours: a menu without the three spaces comes from a dnsmasq set up without them. */
async function plainMenu(t: Stage): Promise<void> {
  const network = await makeNetwork();
  const other = await makeHost(t);
  await other.plug(network, "eth0", { address: `${network.host(254)}/24` });
  await dnsmasq(other, network, "--pxe-service=0,Raspberry Pi Boot");
  const rack = await makeRack(t, network);
  const boot = await rack.boot(boardOf("3B", 300, STRICT));
  assert.equal(boot.outcome, "no-dhcp", boot.log.join("\n"));
}
