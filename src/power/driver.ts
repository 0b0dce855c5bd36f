import type {
  DiscoveredPort,
  PowerBudget,
  PowerKind,
  PowerReading,
  PowerSweep,
  PowerTarget,
} from "../base/power.ts";

/** A device that switches power. Calls fail with BrambleErrors, and end early by their signal. */
export interface PowerDriver {
  readonly kind: PowerKind;
  readonly caps: { read: boolean; cycleAtomic: boolean; measure: boolean };
  get(target: PowerTarget, signal: AbortSignal): Promise<PowerReading>;
  /** Idempotent. Ends when the device has taken it, which proves nothing: `get` does. */
  set(target: PowerTarget, on: boolean, signal: AbortSignal): Promise<void>;
  /** Only where the device itself gives the power back after `offMs`, whatever becomes of us. */
  cycle?(target: PowerTarget, offMs: number, signal: AbortSignal): Promise<void>;
  /** Every port with as few questions as it takes. */
  sweep?(signal: AbortSignal): Promise<PowerSweep>;
  /** Undefined: the device does not say. `port`: of the part that feeds it. */
  budget?(target: PowerTarget, signal: AbortSignal): Promise<PowerBudget | undefined>;
  /** Is there a link on the port? Undefined: the device does not say. */
  link?(target: PowerTarget, signal: AbortSignal): Promise<boolean | undefined>;
  /** What hangs on its ports. */
  discover?(signal: AbortSignal): Promise<DiscoveredPort[]>;
  close(): void;
}
