// One attempt of one node to boot, from power or its first DISCOVER to what its system reported: facts in, orders out.
import type { Cause, Diagnosis } from "./diagnosis.ts";

/** How far a boot has come. Each word is the last thing that was surely reached. `power`: it is on, nothing was heard yet. */
export type BootStage =
  | "power"
  | "dhcp"
  | "firmware"
  | "kernel"
  | "agent"
  | "root"
  | "switched-root"
  | "booted";
/**
 * `superseded`: the board started anew before this boot had come to an end. `stopped`: it ended as it was asked to
 * (an inventory, a virtual board).
 */
export type Outcome = "booted" | "switched-root" | "stopped" | "failed" | "superseded";

/** What a step proves, for the diagnosis: nobody should have to search its words. */
export type Fact =
  | "answered"
  | "rom3"
  | "relayed"
  | "eeprom-old"
  | "other-server"
  | "address-conflict"
  | "duplicate"
  | "not-ready"
  | "root-refused"
  | "root-opened"
  | "root-closed"
  | "gave-up"
  | "kernel-root";

export interface Step {
  atMs: number;
  kind: "dhcp" | "tftp" | "agent" | "disk" | "server" | "power";
  /** For people: what happened, and why. */
  words: string;
  fact?: Fact;
  path?: string;
  result?: "sent" | "probed" | "missing" | "broken";
  bytes?: number;
  tookMs?: number;
  origin?: string;
}

export interface Boot {
  id: string;
  nodeId: string;
  startedMs: number;
  stage: BootStage;
  /** When each stage was reached first. */
  reached: Partial<Record<BootStage, number>>;
  /** The longest time without a sign of life in each stage, ms. */
  silences: Partial<Record<BootStage, number>>;
  steps: Step[];
  /** A file that is on its way now. */
  fetching?: { path: string; size: number };
  address?: string;
  /** Which try this is since the node was last up; 1: the first. */
  tries?: number;
  /** That gave the node its power then. */
  switch?: string;
  outcome?: Outcome;
  endedMs?: number;
  verdict?: string;
  cause?: Cause;
  todo?: string;
}

export type Do =
  | { do: "open"; boot: Boot }
  | { do: "step"; boot: Boot; step: Step }
  | { do: "close"; boot: Boot }
  /** It was given up, and lives. */
  | { do: "reopen"; boot: Boot };

export interface BootRules {
  /** How long this node may be silent in that stage, ms. */
  deadlineMs(nodeId: string, stage: BootStage): number;
  /** Why it ended, and what to do. `boot` has its outcome and end. */
  diagnose(boot: Boot): Diagnosis;
}

/** A board that asks and asks (the loop of 2.3) must not grow a boot without end. */
const MOST_STEPS = 1_000;
export const STAGES: readonly BootStage[] = [
  "power",
  "dhcp",
  "firmware",
  "kernel",
  "agent",
  "root",
  "switched-root",
  "booted",
];
/** What each stage proves, to stand behind "after". */
export const REACHED: Record<BootStage, string> = {
  power: "its power came on",
  dhcp: "an answer to its DHCP request",
  firmware: "its first boot file",
  kernel: "the kernel, wholly read",
  agent: "the agent's first words",
  root: "the root disk",
  "switched-root": "the hand-over to the image's own system",
  booted: "the booted system",
};
/** These load the boot server: a boot in one of them holds a place among those that may fetch at once. */
const FETCHING: ReadonlySet<BootStage> = new Set(["dhcp", "firmware"]);

export class Boots {
  readonly #open = new Map<string, { boot: Boot; lastMs: number }>();
  /** The last boot of each node, where silence ended it: it may have been slow. */
  readonly #silent = new Map<string, { boot: Boot; lastMs: number }>();
  /** When each node's last boot began that came up. */
  readonly #up = new Map<string, number>();
  readonly #rules: BootRules;

  constructor(rules: BootRules) {
    this.#rules = rules;
  }

  /** The boot that a node is in, if any. */
  current(nodeId: string): Boot | undefined {
    return this.#open.get(nodeId)?.boot;
  }

  get size(): number {
    return this.#open.size;
  }

  /** Boots that have been answered and do not have their kernel yet. */
  get fetching(): number {
    let count = 0;
    for (const { boot } of this.#open.values()) if (FETCHING.has(boot.stage)) count += 1;
    return count;
  }

  inStage(stage: BootStage): Boot[] {
    const found: Boot[] = [];
    for (const { boot } of this.#open.values()) if (boot.stage === stage) found.push(boot);
    return found;
  }

  /** After a restart of ours: a boot goes on where it was, and has the whole time of its stage again. */
  restore(boot: Boot, now: number): void {
    this.#open.set(boot.nodeId, { boot, lastMs: now });
  }

  /**
   * Its power came on, some time after `darkMs`: it should be heard soon. Nothing happens where it was heard, nor where it has come up
   * since: a fast board is up before a slow switch has told that it is on.
   */
  power(nodeId: string, newId: string, now: number, darkMs = now): Do[] {
    const isUp = (this.#up.get(nodeId) ?? Number.NEGATIVE_INFINITY) > darkMs;
    return isUp || this.#open.has(nodeId) ? [] : this.#begin(nodeId, newId, "power", now);
  }

  /**
   * A firmware stage asks for an address. It opens a new boot unless this can still be the same attempt: a repeated
   * DISCOVER before the first file, or bootcode.bin asking again after the ROM has fetched it.
   */
  discover(nodeId: string, newId: string, now: number, second: boolean): { fresh: boolean; orders: Do[] } {
    const held = this.#open.get(nodeId);
    if (held?.boot.stage === "power") {
      return {
        fresh: true,
        orders: this.step(nodeId, { atMs: now, kind: "dhcp", words: "it is heard" }, "dhcp"),
      };
    }
    if (held && (held.boot.stage === "dhcp" || (second && onlyBootcode(held.boot)))) {
      if (now - held.lastMs < this.#rules.deadlineMs(nodeId, "firmware")) return { fresh: false, orders: [] };
    }
    const orders: Do[] = held ? this.#close(held, "superseded", now) : [];
    return { fresh: true, orders: [...orders, ...this.#begin(nodeId, newId, "dhcp", now)] };
  }

  /** It was heard, and must wait: its time begins anew. */
  touch(nodeId: string, now: number): void {
    const held = this.#open.get(nodeId);
    if (held) held.lastMs = now;
  }

  /** Something happened; `reached` moves the boot forward, never back. */
  step(nodeId: string, step: Step, reached?: BootStage): Do[] {
    const held = this.#open.get(nodeId);
    if (!held) return [];
    const { boot } = held;
    noteSilence(held, step.atMs);
    if (reached && STAGES.indexOf(reached) > STAGES.indexOf(boot.stage)) {
      boot.stage = reached;
      boot.reached[reached] = step.atMs;
    }
    if (step.path !== undefined && step.path === boot.fetching?.path) delete boot.fetching;
    const out: Do[] = [];
    if (boot.steps.length < MOST_STEPS) {
      boot.steps.push(step);
      out.push({ do: "step", boot, step });
    }
    return boot.stage === "booted" ? [...out, ...this.#close(held, "booted", step.atMs)] : out;
  }

  /** A file is on its way: a sign of life, and what a silence is about. */
  fetch(nodeId: string, path: string, size: number, now: number): void {
    const held = this.#open.get(nodeId);
    if (!held) return;
    noteSilence(held, now);
    held.boot.fetching = { path, size };
  }

  /** The agent or the system gave up, in its own words. */
  fail(nodeId: string, step: Step): Do[] {
    const out = this.step(nodeId, { ...step, fact: "gave-up" });
    const held = this.#open.get(nodeId);
    return held ? [...out, ...this.#close(held, "failed", step.atMs)] : out;
  }

  /** The timeline honestly ends here: nothing more can report, or nothing more was wanted. */
  end(nodeId: string, outcome: Outcome, now: number, verdict?: string): Do[] {
    const held = this.#open.get(nodeId);
    return held ? this.#close(held, outcome, now, verdict) : [];
  }

  /** A report for a boot that silence had ended: it goes on, where no newer one has begun. */
  revive(nodeId: string, bootId: string, now: number): Do[] {
    const given = this.#silent.get(nodeId);
    if (given?.boot.id !== bootId || this.#open.has(nodeId)) return [];
    const { boot } = given;
    this.#silent.delete(nodeId);
    for (const key of ["outcome", "endedMs", "verdict", "cause", "todo"] as const) delete boot[key];
    this.#open.set(nodeId, given);
    const words = "it was given up, and reports: it goes on";
    return [{ do: "reopen", boot }, ...this.step(nodeId, { atMs: now, kind: "server", words })];
  }

  /** Ends the boots that have made no progress for too long. */
  tick(now: number): Do[] {
    const out: Do[] = [];
    for (const held of [...this.#open.values()]) {
      const { nodeId, stage } = held.boot;
      if (now - held.lastMs < this.#rules.deadlineMs(nodeId, stage)) continue;
      this.#silent.set(nodeId, held);
      out.push(...this.#close(held, "failed", now));
    }
    return out;
  }

  #begin(nodeId: string, id: string, stage: BootStage, now: number): Do[] {
    const boot: Boot = {
      id,
      nodeId,
      startedMs: now,
      stage,
      reached: { [stage]: now },
      silences: {},
      steps: [],
    };
    this.#silent.delete(nodeId);
    this.#open.set(nodeId, { boot, lastMs: now });
    return [{ do: "open", boot }];
  }

  #close({ boot }: { boot: Boot }, outcome: Outcome, now: number, verdict?: string): Do[] {
    this.#open.delete(boot.nodeId);
    boot.outcome = outcome;
    boot.endedMs = now;
    if (outcome === "booted" || outcome === "switched-root") this.#up.set(boot.nodeId, boot.startedMs);
    const { words, cause, todo } = this.#rules.diagnose(boot);
    boot.verdict = verdict ?? words;
    if (cause) boot.cause = cause;
    if (todo) boot.todo = todo;
    return [{ do: "close", boot }];
  }
}

function noteSilence(held: { boot: Boot; lastMs: number }, now: number): void {
  const { silences, stage } = held.boot;
  silences[stage] = Math.max(silences[stage] ?? 0, now - held.lastMs);
  held.lastMs = now;
}

const onlyBootcode = (boot: Boot): boolean =>
  boot.steps.every((step) => step.path === undefined || /^boot(code|sig)\.bin$/.test(step.path));
