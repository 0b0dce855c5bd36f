// What people set of a node beside its state: what it boots next, and that nothing is done to it by itself.
import { type Actor, SYSTEM } from "../../fleet/actor.ts";
import type { BootAnswer, BootOverride } from "../../fleet/boot-answer.ts";
import type { Node, NodeLife } from "../../fleet/node.ts";
import type { Journal } from "../journal.ts";

export interface BesideParts {
  /** Changes something beside the state, in one transaction with its event. */
  amend(
    nodeId: string,
    by: Actor,
    more: { event: string; words: string; version?: number },
    next: (life: NodeLife) => Omit<NodeLife, "version">,
  ): Promise<Node | undefined>;
  journal: Pick<Journal, "flush">;
  /** Until when a state may last that counts from now. */
  until(state: NodeLife["state"], nodeId: string): Pick<NodeLife, "deadlineMs">;
}

export function besideState({ amend, journal, until }: BesideParts) {
  return {
    /** A boot has used its override: gone with it. The boot's own record must stand in the book already. */
    async used(node: Node, { onceMs }: BootAnswer, bootId: string): Promise<void> {
      if (onceMs === undefined || node.override?.atMs !== onceMs) return;
      delete node.override;
      await journal.flush();
      const drop = ({ override, ...life }: NodeLife) =>
        override?.atMs === onceMs ? life : { ...life, ...(override && { override }) };
      await amend(
        node.id,
        SYSTEM,
        { event: "override-used", words: `boot ${bootId} used what was set for the next boot` },
        drop,
      );
    },
    setOverride: (node: Node, by: Actor, override: BootOverride | undefined, version?: number) =>
      amend(
        node.id,
        by,
        {
          event: "override",
          words: override
            ? `${by.name} has set its ${override.once ? "next boot" : "boots"} to ${override.boot}`
            : `${by.name}: it boots what its state says`,
          ...(version !== undefined && { version }),
        },
        ({ override: _, ...life }) => ({ ...life, ...(override && { override }) }),
      ),
    maintain: (node: Node, by: Actor, why: string | undefined, version?: number) =>
      amend(
        node.id,
        by,
        {
          event: "maintenance",
          words: why === undefined ? `${by.name}: maintenance is over` : `${by.name}: in maintenance: ${why}`,
          ...(version !== undefined && { version }),
        },
        ({ maintenance: _, ...life }) => ({
          ...life,
          ...(why !== undefined && { maintenance: why }),
          // no time has run meanwhile
          ...(why === undefined && until(life.state, node.id)),
        }),
      ),
  };
}
