// Supervision at work: hears how boots go, has power cycled, gives up with a sentence. What to do is fleet/supervision.ts's.
import { BrambleError } from "../../base/errors.ts";
import { SYSTEM } from "../../fleet/actor.ts";
import type { Boot, Boots, Do, Outcome } from "../../fleet/boots.ts";
import { type Diagnosis, diagnose, type Evidence } from "../../fleet/diagnosis.ts";
import type { Node } from "../../fleet/node.ts";
import {
  hear,
  type SupervisionRules,
  supervise,
  type Watch,
  type WatchFact,
} from "../../fleet/supervision.ts";
import { Deadlines, HISTORY } from "../../fleet/supervision-deadlines.ts";
import type { Core } from "../core.ts";
import { admissions } from "./admissions.ts";
import { pastBoots } from "./history.ts";
import { portLinks } from "./links.ts";
import type { PowerSeam, PowerState } from "./power-seam.ts";
import { readSupervision, type SupervisionSettings } from "./settings.ts";
import { Watches } from "./watches.ts";

export interface SupervisorOptions {
  core: Pick<Core, "book" | "registry" | "journal"> & { power?: PowerSeam };
  boots: Boots;
  /** Carries out what `boots` orders. */
  obey(orders: Do[]): void;
  newId(): string;
  now(): number;
  /** Files that the node's image lacks for its model. */
  lacks(node: Node): readonly string[];
  dhcpMode(node: Node): Evidence["dhcp"];
  /** Its life cycle gives it something to boot. */
  bootsAtAll(node: Node): boolean;
  /** It is given up, with the sentence. */
  failed?(node: Node, words: string): void;
  say(words: string): void;
}

/** What the page of a node says of its supervision. */
export interface SupervisionSight {
  phase: Watch["phase"];
  tries: number;
  powerCycles: number;
  nextMs?: number;
  paused: boolean;
  words?: string;
}

export type Supervisor = ReturnType<typeof supervisor>;

export function supervisor(options: SupervisorOptions) {
  const { core, boots, now } = options;
  const { registry, journal } = core;
  const watches = new Watches(core.book, (error) =>
    options.say(`the watch of a node could not be written: ${String(error)}`),
  );
  const deadlines = new Deadlines();
  const deadlineMs = (nodeId: string, stage: Boot["stage"]): number => deadlines.deadlineMs(nodeId, stage);
  const links = portLinks({ boots, power: core.power, deadlineMs, now });
  /** Of each node, newest first. */
  const before = new Map<string, { outcome: Outcome; stage: Boot["stage"] }[]>();
  const readings = new Map<string, { state: PowerState; detail?: string }>();
  /** When each node was last seen to lose its power. */
  const dark = new Map<string, number>();
  /** Nodes whose power cycle this process has ordered. */
  const cycling = new Set<string>();
  let settings: SupervisionSettings | undefined;
  let closed = false;
  const line = admissions({ registry, boots, bootsAtOnce: () => settings?.bootsAtOnce, now });

  const rules = (): SupervisionRules => ({
    powerCycles: settings?.powerCycles ?? 0,
    backOffMs: (settings?.backOffSeconds ?? []).map((seconds) => seconds * 1000),
  });
  const toBoot = (nodeId: string): Node | undefined => {
    const node = registry.byId(nodeId);
    return node && options.bootsAtAll(node) ? node : undefined;
  };
  /** The power desk is at it: what it has begun it ends, and an alarm is its own to clear. */
  const powerBusy = (nodeId: string): boolean => {
    const sight = isBound(nodeId) ? core.power?.view(nodeId) : undefined;
    return sight !== undefined && (sight.busy === true || sight.alarm !== undefined || begun(nodeId));
  };
  const begun = (nodeId: string): boolean => (core.power?.wants?.of(nodeId)?.doing ?? null) !== null;
  const isBound = (nodeId: string): boolean => core.power?.isBound(nodeId) ?? false;
  const paused = (node: Node | undefined): boolean =>
    settings?.paused !== false || node === undefined || node.maintenance !== undefined;

  function change(nodeId: string, fact: WatchFact): { was: Watch | undefined; is: Watch | undefined } {
    const was = watches.of(nodeId);
    const is = hear(was, nodeId, fact, rules(), now());
    if (is !== was) void watches.set(nodeId, is);
    return { was, is };
  }

  /** Before the book hears of it: an opened boot learns which try it is. */
  function heard(order: Do): void {
    const { boot } = order;
    const node = registry.byId(boot.nodeId);
    if (order.do === "open") {
      boot.tries = change(boot.nodeId, { fact: "began" }).is?.tries ?? 1;
      const at = isBound(boot.nodeId) ? core.power?.view(boot.nodeId).switch : node?.place?.switch;
      if (at) boot.switch = at;
    }
    if (order.do === "reopen") change(boot.nodeId, { fact: "revived" });
    else if (order.do === "close") ended(boot, node);
    if (order.do === "close" || (order.do === "step" && boot.reached.kernel === order.step.atMs))
      line.placeFree();
  }

  function ended(boot: Boot, node: Node | undefined): void {
    const { nodeId, outcome = "failed", verdict: words = "", cause } = boot;
    before.set(nodeId, [{ outcome, stage: boot.stage }, ...(before.get(nodeId) ?? [])].slice(0, HISTORY));
    if (outcome === "booted" || outcome === "switched-root") deadlines.learn(nodeId, boot.silences);
    const { was, is } = change(nodeId, { fact: "ended", outcome, words, ...(cause && { cause }) });
    if (is?.phase !== "failed" || was?.phase === "failed" || !node) return;
    const sentence = `given up after ${count(is.tries, "try", "tries")} and ${count(is.cycles, "power cycle", "power cycles")}: ${words}`;
    if (!was?.gaveUp) {
      journal.bootUpdate(boot.id, { gaveUp: 1 });
      journal.event("failed", nodeId, sentence);
      options.say(`${node.name}: ${sentence}`);
    }
    options.failed?.(node, sentence);
  }

  function evidence(boot: Boot): Evidence {
    const node = registry.byId(boot.nodeId);
    const power = readings.get(boot.nodeId) ?? sight(boot.nodeId);
    const mode = node && options.dhcpMode(node);
    const link = links.of(boot.id);
    return {
      boot,
      before: before.get(boot.nodeId) ?? [],
      ...(power && { power }),
      ...(link && { link }),
      ...(node?.model && { model: node.model }),
      ...(node && { lacks: options.lacks(node) }),
      ...(mode && { dhcp: mode }),
    };
  }
  function sight(nodeId: string): { state: PowerState } | undefined {
    const state = isBound(nodeId) ? core.power?.view(nodeId).actual : undefined;
    return state && { state };
  }

  /** Power came or went. During a power cycle of ours that says nothing new. */
  function powered(nodeId: string, reading: { state: PowerState; detail?: string }): void {
    const was = readings.get(nodeId)?.state;
    readings.set(nodeId, reading);
    if (WITHOUT_POWER.has(reading.state) && !(was && WITHOUT_POWER.has(was))) dark.set(nodeId, now());
    const ours = watches.of(nodeId)?.phase === "cycling";
    if (!toBoot(nodeId)) return;
    if (reading.state === "off" && was !== "off") {
      const [outcome, words] = ours ? (["superseded", CUT] as const) : (["stopped", OFF] as const);
      options.obey(boots.end(nodeId, outcome, now(), words));
      if (!ours) change(nodeId, { fact: "off" });
    } else if (!ours && reading.state === "on" && was !== undefined && WITHOUT_POWER.has(was))
      expectBoot(nodeId);
  }
  /** `sinceMs`: when its power cycle began. */
  const expectBoot = (nodeId: string, sinceMs = 0) =>
    options.obey(boots.power(nodeId, options.newId(), now(), Math.max(dark.get(nodeId) ?? 0, sinceMs)));

  async function cycle(watch: Watch): Promise<void> {
    const { nodeId, cycles, words = "it did not come up" } = watch;
    // in the book first: a kill from here on costs the node one of its power cycles, and never gives it one more
    await watches.set(nodeId, watch);
    const why = `power cycle ${cycles} of ${rules().powerCycles}: ${words}`;
    journal.event("supervision", nodeId, why);
    const begunMs = now();
    try {
      await core.power?.set(nodeId, "cycle", { by: SYSTEM, why });
    } catch (error) {
      const { code, message } = error as { code?: string; message?: string };
      if (code === "POWER_SUPERSEDED" && core.power?.view(nodeId).desired === "off") {
        change(nodeId, { fact: "off" });
        return;
      }
      if (code !== "POWER_SUPERSEDED") {
        journal.event("supervision", nodeId, `its power could not be cycled: ${message}`);
        change(nodeId, { fact: "cycle-failed" });
        return;
      }
    }
    if (!closed) cycled(nodeId, begunMs);
  }
  function cycled(nodeId: string, sinceMs?: number): void {
    change(nodeId, { fact: "cycled" });
    expectBoot(nodeId, sinceMs);
  }

  function tick(): void {
    line.tick();
    links.tick();
    // ordered before a restart of ours: the power desk ends what it had begun
    for (const { nodeId, phase } of [...watches.all()])
      if (phase === "cycling" && !cycling.has(nodeId) && !powerBusy(nodeId)) cycled(nodeId);
    const orders = supervise(watches.all(), now(), {
      canCycle: isBound,
      paused: (nodeId) => paused(toBoot(nodeId)) || powerBusy(nodeId),
      free: line.limit() - boots.fetching - cycling.size,
    });
    for (const { order, watch } of orders) {
      if (order === "wait") {
        void watches.set(watch.nodeId, watch);
        journal.event("supervision", watch.nodeId, `${UNBOUND} ${watch.words ?? ""}`.trim());
        continue;
      }
      cycling.add(watch.nodeId);
      void cycle(watch)
        .catch((error: Error) => journal.event("supervision", watch.nodeId, error.message))
        .finally(() => cycling.delete(watch.nodeId));
    }
  }

  const sightOf = ({ phase, tries, cycles, dueMs, words }: Watch, node: Node): SupervisionSight => ({
    phase,
    tries,
    powerCycles: cycles,
    paused: paused(node),
    ...(dueMs !== undefined && { nextMs: dueMs }),
    ...(words !== undefined && { words }),
  });

  return {
    heard,
    tick,
    deadlineMs,
    diagnose: (boot: Boot): Diagnosis => diagnose(evidence(boot)),
    admit: line.admit,
    useDhcp: line.useDhcp,
    place: line.place,
    waiting: line.waiting,
    limit: line.limit,
    fetching: (): number => boots.fetching,
    sight: (node: Node): SupervisionSight | undefined => {
      const watch = watches.of(node.id);
      return watch && sightOf(watch, node);
    },
    /** Of all nodes that are not up yet, or wait in line. */
    sights(): (SupervisionSight & { node: string; line?: number })[] {
      return [...watches.all()].flatMap((watch) => {
        const node = registry.byId(watch.nodeId);
        const place = line.place(watch.nodeId);
        return node ? [{ node: node.name, ...sightOf(watch, node), ...(place && { line: place }) }] : [];
      });
    },
    /** A person wants it tried anew, power cycle and all. */
    async again(node: Node): Promise<void> {
      if (!isBound(node.id)) throw new BrambleError("NOT_AVAILABLE", UNBOUND);
      const { is } = change(node.id, { fact: "again" });
      await watches.set(node.id, is);
      tick();
    },
    forget(nodeId: string): void {
      deadlines.forget(nodeId);
      before.delete(nodeId);
      readings.delete(nodeId);
      dark.delete(nodeId);
      line.leave(nodeId);
      void watches.set(nodeId, undefined);
    },
    async configure(): Promise<void> {
      settings = await readSupervision(core.book);
      deadlines.scale = settings.deadlineScale;
    },
    /** Before any door opens; open boots are in `boots` already. */
    async restore(): Promise<void> {
      await this.configure();
      await watches.load();
      for (const past of await pastBoots(core.book, HISTORY)) {
        const list = before.get(past.nodeId) ?? [];
        before.set(past.nodeId, [...list, past]);
        if (past.outcome === "booted" || past.outcome === "switched-root")
          deadlines.learn(past.nodeId, past.silences);
      }
      for (const { nodeId, phase } of [...watches.all()]) {
        if (!registry.byId(nodeId)) this.forget(nodeId);
        else if (phase === "booting" && isBound(nodeId) && !boots.current(nodeId)) expectBoot(nodeId);
      }
      core.power?.on(powered);
      line.limits();
    },
    /** Ends when all that was heard stands in the book. */
    settled: (): Promise<void> => watches.settled(),
    async close(): Promise<void> {
      closed = true;
      line.close();
      await watches.settled();
    },
  };
}

/** A switch that did not answer for a while says nothing about its ports: their nodes may have run all the time. */
const WITHOUT_POWER: ReadonlySet<PowerState> = new Set(["off", "searching", "fault"]);

const OFF = "Its power was switched off.";
const CUT = "It was trying by itself when its power was cut by the power cycle that was due.";
const UNBOUND =
  "nothing of ours can switch its power: somebody has to pull its plug, or a switch is to be bound (docs/power.md).";

const count = (n: number, one: string, many: string): string => `${n} ${n === 1 ? one : many}`;
