// What a node boots next: a function of its state, an override that a person has set, and nothing else.

import { type BootTreeName, type NodeState, STATES } from "./lifecycle-table.ts";
import type { Node } from "./node.ts";

/** Something else than its state says, set by a person. `rescue`: memory only, no disk of the node attached but where `disks` says so; `ram`: its own image in memory; `custom`: another image or profile, in memory. */
export interface BootOverride {
  boot: "rescue" | "ram" | "custom";
  image?: string;
  profile?: string;
  /** Rescue: the node's clone and volumes are opened to it, and nothing of them is mounted. */
  disks?: true;
  /** Gone with the boot that used it. */
  once: boolean;
  by: string;
  atMs: number;
}

export interface BootAnswer {
  tree: BootTreeName;
  /** Absent: as the node and its profile are set. */
  root?: "ram" | "inventory";
  image?: string;
  profile?: string;
  /** The node's own disks are opened to it, beside its root. */
  disks?: true;
  /** It comes from an override that goes with the boot that uses it: when that was set. */
  onceMs?: number;
  why: string;
}

/** An override counts wherever somebody may boot the node: also where its state gives it nothing, but for these. */
const NEVER: ReadonlySet<NodeState> = new Set(["discovered", "quarantined", "retired"]);

/**
 * Pure. `held`: what its boots may open is just being taken away; until then it gets nothing.
 * States while work of ours goes on give no override a chance: a busy state's boot is the work.
 */
export function bootAnswer(state: NodeState, override: BootOverride | undefined, held = false): BootAnswer {
  const { boot, why, kind } = STATES[state];
  if (held) return { tree: "none", why: "the rights of its last boot are being withdrawn" };
  if (override && kind !== "busy" && !NEVER.has(state)) return overridden(override);
  if (boot === "agent-inventory") return { tree: boot, root: "inventory", why };
  if (boot === "ram-rescue") return { tree: boot, root: "ram", why };
  return { tree: boot, why };
}

function overridden({ boot, image, profile, disks, once, by, atMs }: BootOverride): BootAnswer {
  const why = `${by} has set its ${once ? "next boot" : "boots"} to ${boot}`;
  return {
    ...{ tree: boot === "rescue" ? ("ram-rescue" as const) : ("custom" as const), root: "ram", why },
    ...(image !== undefined && { image }),
    ...(profile !== undefined && { profile }),
    ...(boot === "rescue" && disks && { disks }),
    ...(once && { onceMs: atMs }),
  };
}

/**
 * The node as this boot sees it. A boot that is not its own system's reads the image itself, never its clone: the clone stays as it is.
 * The same object where nothing differs.
 */
export function asBooted(node: Node, { tree, root, image, profile }: BootAnswer): Node {
  if (tree === "deployed" || tree === "none") return node;
  return {
    ...node,
    ephemeral: true,
    ...(root && { root }),
    ...(image !== undefined && { image }),
    ...(profile !== undefined && { profile }),
  };
}
