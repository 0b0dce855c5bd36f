// Persistent reservations: who is registered, who holds what, and how each request changes that (SPC-4 5.9).
import { BrambleError } from "../../base/errors.ts";
import type { Access } from "./opcodes.ts";
import { SENSE } from "./sense.ts";
import { CONFLICT, type Outcome, refuse } from "./state.ts";

/** SPC-4 table 222. */
const TYPE = { WE: 1, EA: 3, WERO: 5, EARO: 6, WEAR: 7, EAAR: 8 } as const;
const TYPES: ReadonlySet<number> = new Set(Object.values(TYPE));
const MOST_REGISTRATIONS = 64;

/** A value, never changed: a request makes another one. */
export interface Reservations {
  readonly generation: number;
  readonly keys: ReadonlyMap<string, bigint>; // by nexus
  /** 0: nobody holds anything. */
  readonly type: number;
  /** Where the type is not one of all registrants. */
  readonly holder: string | undefined;
  /** Do they outlive a restart? */
  readonly aptpl: boolean;
}

export const NOBODY: Reservations = {
  generation: 0,
  keys: new Map(),
  type: 0,
  holder: undefined,
  aptpl: false,
};

export const ofAll = (type: number): boolean => type === TYPE.WEAR || type === TYPE.EAAR;
const ofRegistered = (type: number): boolean => type >= TYPE.WERO;
const writesOnly = (type: number): boolean => type === TYPE.WE || type === TYPE.WERO || type === TYPE.WEAR;

export const holds = (now: Reservations, nexus: string): boolean =>
  now.type !== 0 && (ofAll(now.type) ? now.keys.has(nexus) : now.holder === nexus);

/** Does a reservation stand in the way of another nexus's command (SPC-4 table 65)? */
export function forbids(now: Reservations, nexus: string, access: Access): boolean {
  if (now.type === 0 || (access !== "read" && access !== "write") || holds(now, nexus)) return false;
  if (ofRegistered(now.type) && now.keys.has(nexus)) return false;
  return access === "write" || !writesOnly(now.type);
}

export type Verb = "register" | "registerAndIgnore" | "reserve" | "release" | "clear" | "preempt";
export interface Request {
  readonly verb: Verb;
  readonly nexus: string;
  readonly type: number;
  readonly key: bigint;
  /** SERVICE ACTION RESERVATION KEY. */
  readonly actionKey: bigint;
  readonly aptpl: boolean;
}
/** The state that follows, and who is told what. `removed`: whose registrations were taken away, not by themselves. */
export interface Change {
  readonly next: Reservations;
  readonly attentions: readonly { nexus: string; code: number }[];
  readonly removed: readonly string[];
}

const quiet = (next: Reservations): Change => ({ next, attentions: [], removed: [] });
const told = (nexuses: Iterable<string>, but: string, code: number): { nexus: string; code: number }[] =>
  [...nexuses].filter((nexus) => nexus !== but).map((nexus) => ({ nexus, code }));

export function change(now: Reservations, request: Request): Change | Outcome {
  if (request.verb === "register" || request.verb === "registerAndIgnore") return register(now, request);
  if (now.keys.get(request.nexus) !== request.key) return CONFLICT; // not registered, or by another key
  if (request.verb === "clear") {
    const next = { ...NOBODY, generation: now.generation + 1, aptpl: now.aptpl };
    return {
      next,
      attentions: told(now.keys.keys(), request.nexus, SENSE.RESERVATIONS_PREEMPTED),
      removed: [],
    };
  }
  if (request.verb === "release") return release(now, request);
  if (!TYPES.has(request.type)) return refuse(SENSE.INVALID_FIELD_IN_CDB, 2);
  return request.verb === "reserve" ? reserve(now, request) : preempt(now, request);
}

/** SPC-4 5.9.7 and, for a key of 0, 5.9.11.3. */
function register(now: Reservations, { verb, nexus, key, actionKey, aptpl }: Request): Change | Outcome {
  const registered = now.keys.get(nexus);
  if (verb === "register" && (registered ?? 0n) !== key) return CONFLICT;
  const keys = new Map(now.keys);
  const next = { ...now, generation: now.generation + 1, keys, aptpl };
  if (actionKey !== 0n) {
    if (registered === undefined && keys.size >= MOST_REGISTRATIONS)
      return refuse(SENSE.NO_REGISTRATION_ROOM);
    keys.set(nexus, actionKey);
    return quiet(next);
  }
  if (registered === undefined) return quiet(now);
  keys.delete(nexus);
  const frees = holds(now, nexus) && (!ofAll(now.type) || keys.size === 0);
  if (!frees) return quiet(next);
  const attentions = ofRegistered(now.type) ? told(keys.keys(), nexus, SENSE.RESERVATIONS_RELEASED) : [];
  return { next: { ...next, type: 0, holder: undefined }, attentions, removed: [] };
}

/** SPC-4 5.9.9: the same once more is well; anything else while somebody holds it is not. */
function reserve(now: Reservations, { nexus, type }: Request): Change | Outcome {
  if (now.type === 0) return quiet({ ...now, type, holder: ofAll(type) ? undefined : nexus });
  return holds(now, nexus) && now.type === type ? quiet(now) : CONFLICT;
}

/** SPC-4 5.9.11.2. */
function release(now: Reservations, { nexus, type }: Request): Change | Outcome {
  if (!holds(now, nexus)) return quiet(now);
  if (now.type !== type) return refuse(SENSE.INVALID_RELEASE);
  const attentions = ofRegistered(type) ? told(now.keys.keys(), nexus, SENSE.RESERVATIONS_RELEASED) : [];
  return { next: { ...now, type: 0, holder: undefined }, attentions, removed: [] };
}

/** SPC-4 5.9.11.4: registrations of a key go; with them, where the key is the holder's, the reservation passes on. */
function preempt(now: Reservations, { nexus, type, actionKey }: Request): Change | Outcome {
  const all = ofAll(now.type);
  const held = now.holder === undefined ? undefined : now.keys.get(now.holder);
  const passes = now.type !== 0 && (all ? actionKey === 0n : held === actionKey);
  if (actionKey === 0n && now.type !== 0 && !all) return refuse(SENSE.INVALID_FIELD_IN_DATA, 8);
  const removed = [...now.keys]
    .filter(([other, key]) => (passes ? other !== nexus : true) && (passes && all ? true : key === actionKey))
    .map(([other]) => other);
  if (removed.length === 0 && !passes) return CONFLICT;
  const keys = new Map(now.keys);
  for (const other of removed) keys.delete(other);
  const next = { ...now, generation: now.generation + 1, keys };
  const attentions = told(removed, nexus, SENSE.REGISTRATIONS_PREEMPTED);
  if (!passes) {
    // All registrants hold it together: with the last of them it ends.
    const over = all && keys.size === 0 ? { type: 0, holder: undefined } : {};
    return { next: { ...next, ...over }, attentions, removed };
  }
  if (type !== now.type) attentions.push(...told(keys.keys(), nexus, SENSE.RESERVATIONS_RELEASED));
  return { next: { ...next, type, holder: ofAll(type) ? undefined : nexus }, attentions, removed };
}

/** What APTPL keeps: text for the `save` order; "" where nothing is to be kept. */
export function saved(now: Reservations): string {
  if (!now.aptpl || now.keys.size === 0) return "";
  const keys = [...now.keys].map(([nexus, key]) => [nexus, key.toString(16)]);
  return JSON.stringify({
    keys,
    type: now.type,
    ...(now.holder === undefined ? {} : { holder: now.holder }),
  });
}

/** Throws FORMAT_VALUE where the text is none of ours. */
export function restored(text: string): Reservations {
  if (text === "") return NOBODY;
  try {
    const { keys, type, holder } = JSON.parse(text) as {
      keys: [string, string][];
      type: number;
      holder?: string;
    };
    const map = new Map(
      keys.slice(0, MOST_REGISTRATIONS).map(([nexus, key]) => [nexus, BigInt(`0x${key}`)] as const),
    );
    const known = type === 0 || (TYPES.has(type) && (ofAll(type) ? map.size > 0 : map.has(holder ?? "")));
    if (!known) throw new Error(`type ${type} held by ${holder ?? "nobody"}`);
    return {
      generation: 0,
      keys: map,
      type,
      holder: ofAll(type) || type === 0 ? undefined : holder,
      aptpl: true,
    };
  } catch (cause) {
    throw new BrambleError("FORMAT_VALUE", "the saved SCSI reservations cannot be read", {
      hint: "remove them: nodes register again",
      cause,
    });
  }
}
