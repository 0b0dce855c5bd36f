import { hostError } from "../clones/host-file.ts";
import type { House } from "./house.ts";
import { oldestOf } from "./house-entry.ts";
import type { HouseTree } from "./tree-hot.ts";

export interface KeepingLimits {
  /** Between two rounds. In mode fast this is what a power cut may cost. */
  roundMs: number;
  /** A tree that nobody used for so long leaves memory. */
  idleMs: number;
  /** Bytes that trees may take in memory; the ones used longest ago leave. */
  memoryBytes: number;
  /** Bytes of journal that a start may have to replay; with half of it checkpoints begin. */
  journalBytes: number;
}

export const LIMITS: KeepingLimits = {
  roundMs: 1000,
  idleMs: 5 * 60_000,
  memoryBytes: 256 << 20,
  journalBytes: 64 << 20,
};

/** In one round, at most: others want the disk, too. */
const MOST_LEAVING = 16;
/** At the end so many leave at once: where they have data to sync that shares the host's syncs. */
const AT_ONCE = 8;
/** A tree that was used in this many rounds does not leave for want of memory. */
const RECENT_ROUNDS = 5;

/** Calls `act` once, later; what comes back takes it back. */
export type Timer = (afterMs: number, act: () => void) => () => void;

export const realTimer: Timer = (afterMs, act) => {
  const timer = setTimeout(act, afterMs).unref();
  return () => clearTimeout(timer);
};

/** What has to be done now and then: trees leave memory, the journal is kept short, mode fast becomes durable. */
export class Housekeeping<T extends HouseTree> {
  readonly #house: House<T>;
  readonly #limits: KeepingLimits;
  readonly #timer: Timer;
  #cancel: (() => void) | undefined;
  #round: Promise<void> | undefined;
  #isOver = false;
  /** The house's clock at the last rounds, the newest last. */
  #clocks: number[] = [];

  constructor(house: House<T>, limits: KeepingLimits, timer: Timer) {
    this.#house = house;
    this.#limits = limits;
    this.#timer = timer;
    this.#next();
  }

  #next(): void {
    if (this.#isOver) return;
    this.#cancel = this.#timer(this.#limits.roundMs, () => {
      this.#round = this.round().finally(() => this.#next());
    });
  }

  /** Never rejects: what fails is told, and tried again in the next round. */
  async round(): Promise<void> {
    const steps = [
      () => this.#repair(),
      () => this.#becomeDurable(),
      () => this.#shorten(),
      () => this.#leave(),
      () => this.#house.dropSegments(),
    ];
    for (const step of steps)
      try {
        await step();
      } catch (error) {
        this.#house.settings.trouble(hostError(error, "trees"));
      }
    this.#clocks.push(this.#house.clock);
    if (this.#clocks.length > this.#idleRounds) this.#clocks.shift();
  }

  get #idleRounds(): number {
    return Math.ceil(this.#limits.idleMs / this.#limits.roundMs);
  }

  async #repair(): Promise<void> {
    for (const entry of this.#house.entries.values())
      if (entry.hot?.keep.data.isSuspect) await this.#house.reload(entry);
  }

  /** All data of fast trees first: what the journal says of it must be true, and one sync of that serves them all. */
  async #becomeDurable(): Promise<void> {
    const { ground, entries } = this.#house;
    const fast = [...entries.values()].filter(({ hot, durability }) => hot && durability === "fast");
    for (const { hot } of fast) if (hot?.keep.data.isDirty) await hot.keep.data.syncAll();
    if (fast.length > 0) await ground.journal.durable();
  }

  /** While the journal is long, the trees that hold its oldest segment are written down. */
  async #shorten(): Promise<void> {
    const { journal } = this.#house.ground;
    while (!this.#isOver && journal.bytes > this.#limits.journalBytes / 2) {
      const end = journal.oldest;
      if (end === undefined) return;
      const holders = [...this.#house.entries.values()].filter(
        (entry) => (oldestOf(entry) ?? end + 1) <= end,
      );
      for (const entry of holders)
        if (entry.hot) await this.#house.checkpoint(entry);
        else await this.#house.putAway(entry);
      this.#house.dropSegments();
      if (journal.oldest === end) return; // somebody has logged meanwhile: next time
    }
  }

  async #leave(): Promise<void> {
    const loaded = [...this.#house.entries.values()]
      .filter(({ hot, runs }) => hot !== undefined || runs.length > 0)
      .sort((a, b) => a.usedAt - b.usedAt);
    const idleSince = this.#clocks.length >= this.#idleRounds ? (this.#clocks[0] as number) : 0;
    const recentSince = this.#clocks.at(-RECENT_ROUNDS) ?? 0;
    let memory = loaded.reduce((sum, { hot }) => sum + (hot ? memoryOf(hot) : 0), 0);
    let left = 0;
    for (const entry of loaded) {
      if (this.#isOver || left >= MOST_LEAVING) return;
      const isIdle = entry.usedAt <= idleSince;
      const isTooMuch = memory > this.#limits.memoryBytes && entry.usedAt <= recentSince;
      if (!isIdle && !isTooMuch) continue;
      const bytes = entry.hot ? memoryOf(entry.hot) : 0;
      left += 1;
      if (await this.#house.putAway(entry, entry.usedAt)) memory -= bytes;
    }
  }

  /** Ends it: all trees leave memory, and nobody can use one any more. What they have of their own is in the journal, for the next one who opens the house. */
  async close(): Promise<void> {
    this.#isOver = true;
    this.#cancel?.();
    await this.#round;
    const loaded = [...this.#house.entries.values()].filter(({ hot }) => hot);
    const work = async () => {
      for (let entry = loaded.pop(); entry; entry = loaded.pop())
        try {
          await this.#house.leave(entry);
        } catch (error) {
          this.#house.settings.trouble(hostError(error, `tree of ${entry.id}`));
        }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
  }
}

const memoryOf = ({ upper, keep }: { upper: { memory: number }; keep: { duplicates: { memory: number } } }) =>
  upper.memory + keep.duplicates.memory + 4096;
