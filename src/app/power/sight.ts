import type { PowerState } from "../../base/power.ts";
import type { Actor } from "../../fleet/actor.ts";

export type Want = "on" | "off" | "cycle";

export interface PowerSight {
  node: string;
  /** What it is to be; absent: nobody has asked for anything yet. */
  desired?: "on" | "off";
  /** What its port was last seen to be. */
  actual: PowerState;
  driver: string;
  switch: string;
  port: string;
  proof: string;
  watts?: number;
  detail?: string;
  /** Of the reading; 0: none yet. */
  atMs: number;
  /** Why the last operation or reading failed. */
  error?: string;
  /** It should have power and has none, and is tried again and again; or it is not where we think. */
  alarm?: string;
  /** An operation is under way. */
  busy: boolean;
}

/** An operation that has ended, by what was observed. */
export interface PowerEnded {
  driver: string;
  op: Want;
  result: "ok" | "failed" | "superseded";
  ms: number;
}

export interface Asked {
  by: Actor;
  why: string;
  /** Ask its system to shut down first. */
  soft?: boolean;
}
