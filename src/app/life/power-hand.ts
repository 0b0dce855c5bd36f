import type { Actor } from "../../fleet/actor.ts";

/** What the life cycle needs of the power desk. */
export interface PowerHand {
  /** Something of ours can switch it. */
  isBound(nodeId: string): boolean;
  /** Ends when it was seen to be so. Rejects with POWER_SUPERSEDED where somebody wanted something else meanwhile. */
  set(
    nodeId: string,
    want: "on" | "off" | "cycle",
    how: { by: Actor; why: string; soft?: boolean },
  ): Promise<unknown>;
}
