import { BrambleError } from "../../base/errors.ts";
import type { PowerReading, PowerTarget } from "../../base/power.ts";
import type { Device } from "./devices.ts";
import type { Operation, Timings } from "./operation.ts";

export interface DeviceOperation extends Pick<Operation, "note" | "stuckOff"> {
  device: Device;
  target: PowerTarget;
  /** Of the board. */
  model: string | undefined;
  /** A newer request has come, or we end. */
  signal: AbortSignal;
  /** We end. */
  closing: AbortSignal;
  timings: Timings;
  now(): number;
  /** How long it waits for its turn among all switches, ms. */
  siteTurnMs(now: number): number;
  saw(reading: PowerReading): void;
}

/** W that a board may take when it starts, by its model. */
const reserveOf = (model: string | undefined): number => (/5/.test(model ?? "") ? 12 : 7);

/** An operation on a port of a device: within the device's limits, its readings told. */
export function deviceOperation(parts: DeviceOperation): Operation {
  const { device, target, signal, closing, timings, now } = parts;
  const { driver } = device;
  const sleep = (ms: number) => pause(ms, signal);
  // an order that was sent is waited for, also when a newer request has come: the two must not cross
  const order = async (work: () => Promise<void>) => {
    signal.throwIfAborted();
    await device.call(work);
    signal.throwIfAborted();
  };
  return {
    timings,
    reads: driver.caps.read,
    now,
    sleep,
    async read() {
      const reading = await device.call(() => driver.get(target, signal));
      parts.saw(reading);
      return reading;
    },
    set: (on) => order(() => driver.set(target, on, closing)),
    cycle: driver.cycle && ((offMs) => order(async () => driver.cycle?.(target, offMs, closing))),
    async beforeOn() {
      await budget(parts);
      await sleep(Math.max(device.turnMs(now()), parts.siteTurnMs(now())));
    },
    note: parts.note,
    stuckOff: parts.stuckOff,
  };
}

async function budget({ device, target, model, closing }: DeviceOperation): Promise<void> {
  const said = await device.call(async (driver) => driver.budget?.(target, closing));
  if (!said) return;
  const reserve = Number(device.options.reserveWatts ?? reserveOf(model));
  const left = said.capacityW - said.usedW;
  if (left >= reserve) return;
  throw new BrambleError(
    "POWER_BUDGET",
    `${device.row.name} has ${Math.max(0, Math.floor(left))} W left of ${said.capacityW}, a board may take ${reserve}`,
    { hint: "switch others off, or set what a board takes: bramble switch set NAME --reserve-watts" },
  );
}

/** Ends after `ms`, or fails with the signal's reason. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    const stop = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", stop);
      resolve();
    }, ms);
    signal.addEventListener("abort", stop, { once: true });
  });
}
