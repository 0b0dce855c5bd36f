import assert from "node:assert/strict";
import type { Calls } from "../../src/api/contract.ts";
import {
  type Behaviour,
  dead,
  type Fate,
  failsOften,
  type HangStage,
  hangsAt,
} from "../../src/sim/behaviour.ts";
import type { VirtualPi } from "../../src/sim/board.ts";
import type { RackPi } from "../../src/sim/rack.ts";
import { fleetOf } from "../../src/sim/run-fleet.ts";
import { type Loopback, startLoopback, until } from "../bed/loopback.ts";
import { switchedRack } from "../bed/switched-rack.ts";
import type { Scenario, Stage } from "../scenario.ts";

/** What each fault must be called. */
const CAUSES: Record<HangStage | "loop" | "agent-fails", string> = {
  power: "no-dhcp",
  dhcp: "no-file-request",
  file: "file-timeout",
  firmware: "firmware-stopped",
  kernel: "agent-silent",
  agent: "no-root",
  root: "no-system",
  os: "os-silent",
  loop: "boot-loop",
  "agent-fails": "agent-failed",
};
const STAGES: readonly HangStage[] = ["power", "dhcp", "file", "firmware", "kernel", "agent", "root", "os"];
/** Those with short deadlines: the others are there once each. */
const OFTEN: readonly HangStage[] = ["power", "dhcp", "file", "firmware"];
const POWER_CYCLES = 8;
/** Of boards that fail 80 % of their boots: the dice of each let it come up at try 3 to 9. */
const SEEDS = [1, 4, 16, 18, 25, 41, 55];
const LOOPBACK = { server: "127.0.0.1", dhcpPort: 0, tftpPort: 0 };

interface Patient {
  pi: VirtualPi;
  /** From its second power-on: the first one is good, so that it is a node, and found on its port. */
  behaviour: Behaviour;
}

/** One power-on, and what was done to the board in it. */
interface Life {
  mac: string;
  atMs: number;
  fate: Fate;
}

/** Boards that fail at each stage, most of the time, or for ever: all that can come up do, each failure is called what it was. */
export const scenario: Scenario = {
  name: "supervisor",
  tier: "ci",
  budgetSeconds: 320,
  needs: [],
  assets: [],
  async run(t) {
    const bramble = await startLoopback(t);
    const { commands } = bramble;
    await commands.setSupervision({
      deadlineScale: 0.08,
      backOffSeconds: [0.2, 0.3, 0.5],
      powerCycles: POWER_CYCLES,
    });
    const patients = makePatients();
    const lives = await plugIn(t, bramble, patients);
    const seconds = since(Date.now());
    await Promise.all(patients.map(({ pi }) => commands.setPower({ node: pi.mac, want: "cycle" })));
    await until(
      60,
      async () => (lives.filter(({ fate }) => fate.end !== "up").length >= 20 ? true : undefined),
      () => states(commands),
    );
    const killedMs = Date.now();
    await bramble.killed();
    t.say(`killed ${seconds()} s after their power came, and started again`);

    await until(
      240,
      async () => {
        const nodes = await commands.nodes({});
        const over = nodes.filter(
          (one) => one.boot?.outcome === "booted" || one.supervision?.phase === "failed",
        );
        return over.length === patients.length ? true : undefined;
      },
      () => states(commands),
    );
    t.say(`${patients.length} boards are up or given up ${seconds()} s after their power came`);
    await judgeCauses(t, commands, lives, killedMs);
    await judgeEnds(t, commands, patients);
    await report(t, commands);
  },
};

function makePatients(): Patient[] {
  const behaviours: Omit<Patient, "pi">[] = [
    ...STAGES.map((stage) => ({ behaviour: hangsAt(stage) })),
    { behaviour: (n) => (n === 1 ? { end: "loop" } : { end: "up" }) },
    { behaviour: (n) => (n === 1 ? { end: "agent-fails", words: "no root partition 2" } : { end: "up" }) },
    { behaviour: dead },
    ...SEEDS.map((seed) => ({ behaviour: failsOften(0.8, seed, OFTEN) })),
  ];
  const pis = fleetOf({ count: behaviours.length, models: ["4B", "5", "CM4"], ...LOOPBACK });
  return pis.map((pi, i) => ({ pi, ...(behaviours[i] as Omit<Patient, "pi">) }));
}

/** Every board is up once; then its lives are kept. */
async function plugIn(t: Stage, bramble: Loopback, patients: readonly Patient[]): Promise<Life[]> {
  const lives: Life[] = [];
  const pis = patients.map(
    ({ pi, behaviour }, i): RackPi => ({
      port: i + 1,
      pi,
      behaviour(powerOn) {
        const fate: Fate = powerOn === 1 ? { end: "up" } : behaviour(powerOn - 1);
        if (powerOn > 1) lives.push({ mac: pi.mac, atMs: Date.now(), fate });
        return fate;
      },
    }),
  );
  await switchedRack(t, bramble, pis, { searchMs: 100, states: () => states(bramble.commands) });
  return lives;
}

/** Each failure that was injected was called what it was; but for lives that the kill cut in two. */
async function judgeCauses(
  t: Stage,
  commands: Calls,
  lives: readonly Life[],
  killedMs: number,
): Promise<void> {
  const wrong: string[] = [];
  let judged = 0;
  for (const [i, { mac, atMs, fate }] of lives.entries()) {
    const untilMs = lives.slice(i + 1).find((next) => next.mac === mac)?.atMs ?? Date.now();
    if (fate.end === "up" || (atMs < killedMs + 10_000 && untilMs > killedMs)) continue;
    const cause = CAUSES[fate.end === "hang" ? fate.at : fate.end];
    const boots = (await commands.boots({ node: mac, limit: 100 })).filter(
      ({ startedMs, endedMs = startedMs }) => endedMs > atMs && startedMs < untilMs,
    );
    judged += 1;
    if (!boots.some((boot) => boot.cause === cause))
      wrong.push(`${mac}: ${boots.map((boot) => `${boot.stage} ${boot.cause}`)} instead of ${cause}`);
  }
  t.say(`${judged} failures that were injected, ${wrong.length} of them called something else`);
  assert.deepEqual(wrong, []);
  assert.ok(judged >= 20, "most failures are looked at");
}

/** Whoever can come up is up and says at which try; the dead one is given up with the sentence. */
async function judgeEnds(t: Stage, commands: Calls, patients: readonly Patient[]): Promise<void> {
  const tries: number[] = [];
  for (const { pi, behaviour } of patients) {
    const node = await commands.node({ node: pi.mac });
    if (behaviour !== dead) {
      assert.equal(node.boot?.outcome, "booted", `${node.name}: ${node.boot?.verdict}`);
      assert.equal(node.supervision, undefined);
      const { tries: count = 1, verdict = "" } = node.boot ?? {};
      assert.ok(count > 1, `${node.name} failed, and came up at its first try`);
      assert.match(verdict, new RegExp(`, at try ${count}\\.$`));
      tries.push(count);
      continue;
    }
    assert.equal(node.supervision?.phase, "failed");
    assert.equal(node.supervision?.powerCycles, POWER_CYCLES);
    const { events } = await commands.explain({ node: pi.mac });
    const sentence = events.find(({ kind }) => kind === "failed")?.words ?? "";
    assert.match(
      sentence,
      new RegExp(`given up after \\d+ tries and ${POWER_CYCLES} power cycles: It has power`),
    );
    t.say(`${node.name}: ${sentence}`);
  }
  t.say(`tries until each was up: ${tries.join(" ")}`);
}

async function report(t: Stage, commands: Calls): Promise<void> {
  for (const by of ["model", "switch"] as const)
    for (const { of, boots, firstTry, failed, givenUp, seconds, causes } of await commands.reliability({
      by,
    })) {
      const times = seconds ? `p50 ${seconds.p50.toFixed(2)} s, p95 ${seconds.p95.toFixed(2)} s` : "no times";
      const why = causes.map(({ cause, times: n }) => `${cause} ${n}`).join(", ");
      t.say(
        `${by} ${of}: ${boots} boots, ${Math.round(firstTry * 100)} % at the first try, ${failed} tries failed, ${givenUp} given up, ${times}; ${why}`,
      );
    }
}

async function states(commands: Calls): Promise<string> {
  const nodes = await commands.nodes({});
  return nodes
    .map(
      ({ name, boot, supervision: s }) => `${name} ${boot?.stage} ${boot?.outcome} ${s?.phase} ${s?.tries}`,
    )
    .join("; ");
}

const since = (startedMs: number) => () => ((Date.now() - startedMs) / 1000).toFixed(1);
