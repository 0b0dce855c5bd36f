// What a person may ask of a node, as verbs; each with the reason where it is not to be had now.
import { BrambleError } from "../base/errors.ts";
import type { Actor } from "./actor.ts";
import { type Ask, type LifeFacts, type StepArgs, step } from "./lifecycle.ts";
import type { NodeState } from "./lifecycle-table.ts";

export const NODE_ACTIONS = [
  "enrol",
  "adopt",
  "inspect",
  "reserve",
  "unreserve",
  "deploy",
  "reinstall",
  "rescue",
  "unrescue",
  "release",
  "clean",
  "abort",
  "mark-broken",
  "repair",
  "quarantine",
  "accept",
  "retire",
  "install-local",
  "wipe-local",
  "restore-firmware",
] as const;
export type NodeAction = (typeof NODE_ACTIONS)[number];

/** Verbs that this Bramble does not have yet, and why. */
const MISSING: { [A in NodeAction]?: string } = {
  "install-local":
    "Bramble cannot install to a board's own disk yet: nodes run from their clones on the network",
  "wipe-local": "Bramble cannot wipe a board's own disk yet: what is on it stays as it is",
  "restore-firmware": "Bramble cannot read or write a board's boot firmware yet",
};

/** The events of a verb from where the node is, in their order; one transaction does them all. Throws NOT_AVAILABLE. */
export function eventsOf(facts: Pick<LifeFacts, "state" | "policy">, action: NodeAction): [Ask, ...Ask[]] {
  const missing = MISSING[action];
  if (missing) throw new BrambleError("NOT_AVAILABLE", missing);
  const home = facts.policy.name === "home";
  switch (action) {
    case "enrol":
      if (facts.state === "enrolled" && home) return ["adopt"];
      return home && facts.state === "discovered" ? ["enrol", "adopt"] : ["enrol"];
    case "deploy":
      return facts.state === "ready" ? ["reserve", "deploy"] : ["deploy"];
    case "retire":
      return [facts.state === "discovered" ? "forget" : "retire"];
    case "mark-broken":
      return ["mark_broken"];
    default:
      return [action as Ask];
  }
}

/** Takes several steps at once; the facts after them. Throws what the first that is refused throws. */
export function steps(facts: LifeFacts, asks: readonly Ask[], actor: Actor, args: StepArgs) {
  let now: LifeFacts = facts;
  return asks.map((ask) => {
    const stepped = step(now, ask, actor, args);
    const { to, owner } = stepped;
    now = { policy: now.policy, state: to, ...(owner !== undefined && { owner }) };
    return stepped;
  });
}

export interface ActionFacts {
  action: NodeAction;
  allowed: boolean;
  /** Where it leads. */
  to?: NodeState;
  /** Why it is not to be had now. */
  why?: string;
}

/** Every verb, for this actor on this node: a page greys out those that are refused, and says why. */
export function actionsOf(facts: LifeFacts, actor: Actor): ActionFacts[] {
  return NODE_ACTIONS.map((action) => {
    try {
      // whom it is for is asked when it is done
      const taken = steps(facts, eventsOf(facts, action), actor, { owner: "?" });
      return { action, allowed: true, to: taken.at(-1)?.to ?? facts.state };
    } catch (error) {
      const { message, hint } = error as BrambleError;
      return { action, allowed: false, why: hint ? `${message} (${hint})` : message };
    }
  });
}
