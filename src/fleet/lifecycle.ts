// One step of a node's life: pure. Who calls it saves the state, the event and the effects together, and then performs the effects.
import { BrambleError } from "../base/errors.ts";
import type { Actor } from "./actor.ts";
import type { LifePolicy } from "./life-policy.ts";
import {
  type Effect,
  type LifeEvent,
  type NodeState,
  STATES,
  TRANSITIONS,
  type Transition,
  type Who,
} from "./lifecycle-table.ts";

/** What a step must know of a node. */
export interface LifeFacts {
  state: NodeState;
  /** Whose it is: a tenant's name. */
  owner?: string;
  policy: LifePolicy;
}

/** What comes with an event, for those whose guard asks for it. */
export interface StepArgs {
  /** reserve, adopt: for whom. */
  owner?: string;
  /** inspecting → done. */
  inventoryComplete?: boolean;
  /** cleaning → done: every disk was looked at and is empty. */
  verified?: boolean;
}

export interface Stepped {
  event: LifeEvent;
  from: NodeState;
  to: NodeState;
  effects: readonly Effect[];
  /** Undefined: nobody's. */
  owner: string | undefined;
}

/** `abort` is the fail event of a busy state, asked for by a person. */
export type Ask = LifeEvent | "abort";

/** The rights of the table that an actor has on a node. */
function rightsOf(actor: Actor, owner: string | undefined): readonly Who[] {
  switch (actor.kind) {
    case "admin":
    case "operator":
      return ["operator"];
    case "tenant":
      return owner === undefined || owner === actor.name ? ["tenant"] : [];
    case "viewer":
      return [];
    default:
      return [actor.kind];
  }
}

const fits = (one: Transition, { state, policy }: LifeFacts): boolean =>
  (one.from === state || (one.from === "*" && state !== "retired" && state !== one.to)) &&
  (one.policy ?? policy.name) === policy.name;

/** What may happen to a node from here by this actor's hand. */
export const allowedFrom = (facts: LifeFacts, actor: Actor): LifeEvent[] =>
  TRANSITIONS.filter((one) => fits(one, facts) && mayDo(one, facts, actor)).map((one) => one.event);

/** A tenant may begin with a node only that is its own, or by reserving one that is nobody's. */
function mayDo({ who, event }: Transition, { owner }: LifeFacts, actor: Actor): boolean {
  if (!who.some((one) => rightsOf(actor, owner).includes(one))) return false;
  return actor.kind !== "tenant" || owner === actor.name || event === "reserve";
}

/** The next state and what is to be done. Throws NODE_STATE, FORBIDDEN, BAD_INPUT, NOT_AVAILABLE. */
export function step(facts: LifeFacts, ask: Ask, actor: Actor, args: StepArgs = {}): Stepped {
  const { state } = facts;
  const aborted = ask === "abort";
  const event = aborted ? "fail" : ask;
  const found = TRANSITIONS.find((one) => one.event === event && fits(one, facts));
  if (!found || (aborted && STATES[state].kind !== "busy"))
    throw new BrambleError("NODE_STATE", `a node that is ${state} cannot ${verb(ask)}`, {
      hint: wayOn(facts, actor),
    });
  const mine = actor.kind !== "tenant" || facts.owner === actor.name;
  const mayAbort = aborted && mine && ["admin", "operator", "tenant"].includes(actor.kind);
  if (aborted ? !mayAbort : !mayDo(found, facts, actor))
    throw new BrambleError(
      "FORBIDDEN",
      `${actor.kind} ${actor.name} may not ${verb(ask)} a node that is ${state}`,
      {
        hint:
          facts.owner !== undefined && !mine
            ? "it is another tenant's"
            : `that is for: ${found.who.join(", ")}`,
      },
    );
  guard(facts, found, actor, args);
  const { to } = found;
  return {
    ...{ event, from: state, to, owner: ownerAfter(facts, event, actor, args) },
    effects: [...(found.effects ?? []), ...STATES[to].effects],
  };
}

const verb = (ask: Ask): string => ask.replaceAll("_", "-");

function wayOn(facts: LifeFacts, actor: Actor): string {
  const events = allowedFrom(facts, actor).map(verb);
  if (STATES[facts.state].kind === "busy" && !events.includes("fail")) events.push("abort");
  return events.length > 0
    ? `from here: ${[...new Set(events)].join(", ").replace(/\bfail\b/, "abort")}`
    : "from here it only goes on by itself";
}

/** What must hold beside the state. */
function guard({ state, policy }: LifeFacts, { event, to }: Transition, by: Actor, args: StepArgs): void {
  const refuse = (words: string, hint: string) => {
    throw new BrambleError("NODE_STATE", words, { hint });
  };
  if (event === "done" && state === "inspecting" && !args.inventoryComplete)
    refuse("its inventory is not complete", "the agent tells it when the board boots");
  if (event === "done" && state === "cleaning" && !args.verified)
    refuse("not every disk of it is known to be clean", "bramble event list NODE says what was found");
  if (event === "done" && state === "restoring_firmware" && policy.firmware !== "unchecked")
    throw firmwareRefused("its firmware would have to be checked");
  if (event === "release" && policy.firmware !== "unchecked")
    throw firmwareRefused("after a release its firmware would have to be checked");
  if (event === "identity_conflict" && !policy.quarantineOnMove)
    refuse("the policy does not quarantine who moves", "bramble policy set --quarantine-on-move on");
  const needsOwner = event === "reserve" || (event === "adopt" && to === "deployed");
  if (needsOwner && by.kind !== "tenant" && policy.name === "hosting" && args.owner === undefined)
    throw new BrambleError("BAD_INPUT", "in policy hosting a node is somebody's", { hint: "--owner NAME" });
}

const firmwareRefused = (words: string) =>
  new BrambleError(
    "NOT_AVAILABLE",
    `${words}, and Bramble cannot read or write a board's boot firmware yet`,
    {
      hint: "to release nodes without it: bramble policy set --firmware unchecked",
    },
  );

const KEEPS_NOBODY: ReadonlySet<LifeEvent> = new Set(["unreserve", "accept", "enrol", "retire"]);

function ownerAfter(
  { state, owner }: LifeFacts,
  event: LifeEvent,
  actor: Actor,
  args: StepArgs,
): string | undefined {
  if (event === "reserve") return actor.kind === "tenant" ? actor.name : args.owner;
  if (event === "adopt") return args.owner ?? owner;
  // what comes after a release is no longer its last owner's business
  if (KEEPS_NOBODY.has(event) || (event === "done" && state === "releasing")) return undefined;
  return owner;
}
