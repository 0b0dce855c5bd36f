// One attempt of one node to boot, from its first DISCOVER to what its system reported: facts in, orders out.

/** How far a boot has come. Each word is the last thing that was surely reached. */
export type BootStage = "dhcp" | "firmware" | "kernel" | "agent" | "root" | "switched-root" | "booted";
/**
 * `superseded`: the board started anew before this boot had come to an end. `stopped`: it ended as it was asked to
 * (an inventory, a virtual board).
 */
export type Outcome = "booted" | "switched-root" | "stopped" | "failed" | "superseded";

export interface Step {
  atMs: number;
  kind: "dhcp" | "tftp" | "agent" | "disk" | "server";
  /** For people: what happened, and why. */
  words: string;
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
  steps: Step[];
  address?: string;
  outcome?: Outcome;
  endedMs?: number;
  verdict?: string;
}

export type Do =
  | { do: "open"; boot: Boot }
  | { do: "step"; boot: Boot; step: Step }
  | { do: "close"; boot: Boot };

/** No progress for this long in a stage ends the boot as failed. Floors from spec pi-boot.md 1.1, 2.1, 2.5 and e2e.md. */
const DEADLINE_MS: Record<BootStage, number> = {
  dhcp: 60_000,
  firmware: 90_000,
  kernel: 180_000,
  agent: 180_000,
  root: 180_000,
  "switched-root": 600_000,
  booted: Number.POSITIVE_INFINITY,
};
/** A board that asks and asks (the loop of 2.3) must not grow a boot without end. */
const MOST_STEPS = 1_000;
const ORDER: readonly BootStage[] = [
  "dhcp",
  "firmware",
  "kernel",
  "agent",
  "root",
  "switched-root",
  "booted",
];

export class Boots {
  readonly #open = new Map<string, { boot: Boot; lastMs: number }>();
  readonly #verdict: (boot: Boot) => string;

  constructor(verdict: (boot: Boot) => string) {
    this.#verdict = verdict;
  }

  /** The boot that a node is in, if any. */
  current(nodeId: string): Boot | undefined {
    return this.#open.get(nodeId)?.boot;
  }

  get size(): number {
    return this.#open.size;
  }

  /** After a restart of ours: a boot goes on where it was, and has the whole time of its stage again. */
  restore(boot: Boot, now: number): void {
    this.#open.set(boot.nodeId, { boot, lastMs: now });
  }

  /**
   * A firmware stage asks for an address. It opens a new boot unless this can still be the same attempt: a repeated
   * DISCOVER before the first file, or bootcode.bin asking again after the ROM has fetched it.
   */
  discover(nodeId: string, newId: string, now: number, second: boolean): Do[] {
    const held = this.#open.get(nodeId);
    if (held && (held.boot.stage === "dhcp" || (second && onlyBootcode(held.boot)))) {
      if (now - held.lastMs < DEADLINE_MS.firmware) return [];
    }
    const out: Do[] = held ? this.#close(held.boot, "superseded", now) : [];
    const boot: Boot = { id: newId, nodeId, startedMs: now, stage: "dhcp", steps: [] };
    this.#open.set(nodeId, { boot, lastMs: now });
    return [...out, { do: "open", boot }];
  }

  /** Something happened; `reached` moves the boot forward, never back. */
  step(nodeId: string, step: Step, reached?: BootStage): Do[] {
    const held = this.#open.get(nodeId);
    if (!held) return [];
    const { boot } = held;
    held.lastMs = step.atMs;
    if (reached && ORDER.indexOf(reached) > ORDER.indexOf(boot.stage)) boot.stage = reached;
    const out: Do[] = [];
    if (boot.steps.length < MOST_STEPS) {
      boot.steps.push(step);
      out.push({ do: "step", boot, step });
    }
    return boot.stage === "booted" ? [...out, ...this.#close(boot, "booted", step.atMs)] : out;
  }

  /** The agent or the system gave up, in its own words. */
  fail(nodeId: string, step: Step): Do[] {
    const out = this.step(nodeId, step);
    const boot = this.current(nodeId);
    return boot ? [...out, ...this.#close(boot, "failed", step.atMs, step.words)] : out;
  }

  /** The timeline honestly ends here: nothing more can report, or nothing more was wanted. */
  end(nodeId: string, outcome: Outcome, now: number, verdict?: string): Do[] {
    const boot = this.current(nodeId);
    return boot ? this.#close(boot, outcome, now, verdict) : [];
  }

  /** Ends the boots that have made no progress for too long. */
  tick(now: number): Do[] {
    const out: Do[] = [];
    for (const { boot, lastMs } of [...this.#open.values()]) {
      if (now - lastMs < DEADLINE_MS[boot.stage]) continue;
      out.push(...this.#close(boot, boot.stage === "switched-root" ? "switched-root" : "failed", now));
    }
    return out;
  }

  #close(boot: Boot, outcome: Outcome, now: number, verdict?: string): Do[] {
    this.#open.delete(boot.nodeId);
    boot.outcome = outcome;
    boot.endedMs = now;
    boot.verdict = verdict ?? this.#verdict(boot);
    return [{ do: "close", boot }];
  }
}

const onlyBootcode = (boot: Boot): boolean =>
  boot.steps.every((step) => step.path === undefined || /^boot(code|sig)\.bin$/.test(step.path));
