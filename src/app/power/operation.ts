// One change of one node's power: ordered, then looked at until it is so. What a device answers to an order proves nothing.
import { BrambleError } from "../../base/errors.ts";
import type { PowerReading } from "../../base/power.ts";

export interface Timings {
  /** Before the first looks; then every `everyMs`. */
  looksMs: readonly number[];
  everyMs: number;
  /** An order that was not seen to be carried out by then has failed. */
  reachMs: number;
  /** Between off and on, where the switch has no setting for it. */
  offMs: number;
  /** Before an `on` that failed is tried again; the last one counts for ever. */
  backOffMs: readonly number[];
  /** For a node to shut down by itself. */
  shutdownMs: number;
  /** A board that was switched on may take so long until its port has a link. */
  linkMs: number;
}

export const TIMINGS: Timings = {
  looksMs: [250, 500, 1_000],
  everyMs: 2_000,
  reachMs: 30_000,
  offMs: 5_000,
  backOffMs: [5_000, 10_000, 20_000, 40_000, 60_000],
  shutdownMs: 60_000,
  linkMs: 60_000,
};

/** The half that is under way, as the book keeps it. */
export type Doing = "set" | "off-half" | "on-half";

export interface Operation {
  timings: Timings;
  /** False: the device cannot be asked, and its answer must do. */
  reads: boolean;
  /** Fails by a newer request, or when we end. */
  read(): Promise<PowerReading>;
  set(on: boolean): Promise<void>;
  /** Where the device does it itself. */
  cycle: ((offMs: number) => Promise<void>) | undefined;
  /** Waits for the board's turn; fails with POWER_BUDGET. */
  beforeOn(): Promise<void>;
  sleep(ms: number): Promise<void>;
  now(): number;
  /** Is in the book when it ends. */
  note(doing: Doing): Promise<void>;
  /** The first failure of an `on` that will be tried again, and each later one. */
  stuckOff(error: BrambleError): Promise<void>;
}

/** `off`, or `on` where it is not on yet. */
export async function switchTo(op: Operation, on: boolean): Promise<void> {
  await op.note("set");
  if (op.reads && (await op.read()).state === (on ? "on" : "off")) return;
  if (on) await op.beforeOn();
  await reach(op, on);
}

/** Off, observed off, a pause, on. From the first order on it never ends with the node dark: `on` is tried again for ever. */
export async function powerCycle(op: Operation, offMs: number): Promise<void> {
  if (op.cycle && op.reads && (await op.read()).state === "on") return byDevice(op, op.cycle, offMs);
  await op.note("off-half");
  try {
    await reach(op, false);
  } catch (error) {
    // the order may have been taken: the power must come back all the same
    await giveBack(op, error as BrambleError);
    throw error;
  }
  await op.sleep(offMs);
  await giveBack(op);
}

async function byDevice(
  op: Operation,
  cycle: (offMs: number) => Promise<void>,
  offMs: number,
): Promise<void> {
  await op.note("off-half");
  try {
    await cycle(offMs);
    await until(op, ({ state }) => state !== "on", "off");
    await op.note("on-half");
    await until(op, ({ state }) => state === "on", "on", offMs);
  } catch (error) {
    await giveBack(op, error as BrambleError);
    throw error;
  }
}

/** The second half: on, for ever. `first`: what went wrong already, which is told before anything is tried. */
export async function giveBack(op: Operation, first?: BrambleError): Promise<void> {
  const { backOffMs } = op.timings;
  await op.note("on-half");
  let failed = first;
  for (let tries = 0; ; tries++) {
    if (failed) {
      if (isOver(failed)) throw failed;
      await op.stuckOff(failed);
      if (tries > 0) await op.sleep(backOffMs[Math.min(tries, backOffMs.length) - 1] ?? 0);
    }
    try {
      await op.beforeOn();
      return await reach(op, true);
    } catch (error) {
      failed = error as BrambleError;
    }
  }
}

/** Somebody wants something else, or we end: that is no failure of the device. */
const isOver = ({ code }: BrambleError): boolean => code === "POWER_SUPERSEDED" || code === "CANCELLED";

async function reach(op: Operation, on: boolean): Promise<void> {
  await op.set(on);
  if (op.reads) await until(op, ({ state }) => state === (on ? "on" : "off"), on ? "on" : "off");
}

async function until(
  op: Operation,
  there: (reading: PowerReading) => boolean,
  wanted: string,
  moreMs = 0,
): Promise<void> {
  const { looksMs, everyMs, reachMs } = op.timings;
  const end = op.now() + reachMs + moreMs;
  for (let look = 0; ; look++) {
    await op.sleep(looksMs[look] ?? everyMs);
    let told: string;
    try {
      const reading = await op.read();
      if (there(reading)) return;
      told = `its port says ${reading.detail ?? reading.state}`;
      if (op.now() >= end) throw timeout(wanted, told, reading);
    } catch (error) {
      const failure = error as BrambleError;
      // an agent that is busy may answer the next time
      if (failure.code !== "POWER_UNREACHABLE" || op.now() >= end) throw failure;
    }
  }
}

function timeout(wanted: string, told: string, { state }: PowerReading): BrambleError {
  const hints: Record<string, string> = {
    searching: "no board that takes power is on that port: cable, PoE HAT, or the wrong port",
    fault: "the port has cut its power: a short, an overload, or a board that takes more than its class",
    on: "the device took the order and did not carry it out: is it the right port, is PoE managed there by something else?",
    off: "the device took the order and did not carry it out: is PoE off for the whole switch?",
    unknown: "look at the device itself",
  };
  return new BrambleError("POWER_TIMEOUT", `it did not go ${wanted}: ${told}`, { hint: hints[state] ?? "" });
}
