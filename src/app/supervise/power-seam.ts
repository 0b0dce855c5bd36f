import type { Actor } from "../../fleet/actor.ts";

export type PowerState = "on" | "off" | "searching" | "fault" | "unknown";

/** What supervision needs of the power desk. */
export interface PowerSeam {
  isBound(nodeId: string): boolean;
  /** Ends when the power was seen to be off and on again. POWER_SUPERSEDED: somebody wanted something else since. */
  set(nodeId: string, want: "cycle", more: { by: Actor; why: string }): Promise<unknown>;
  view(nodeId: string): PowerSight;
  /** Is there a link on its port? Undefined: nobody can say. */
  link?(nodeId: string): Promise<boolean | undefined>;
  /** `doing`: what was begun and is not over, also before it is taken up again after a restart. */
  wants?: { of(nodeId: string): { doing: string | null } | undefined };
  on(listener: (nodeId: string, reading: { state: PowerState; detail?: string }) => void): unknown;
}

export interface PowerSight {
  /** Its name. */
  switch?: string;
  /** What it is to be. */
  desired?: "on" | "off" | undefined;
  actual?: PowerState | undefined;
  error?: string | undefined;
  /** It should have power and has none, and is tried again and again; or it is not where we think. */
  alarm?: string | undefined;
  /** An operation is under way. */
  busy?: boolean;
}
