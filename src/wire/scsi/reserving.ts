// PERSISTENT RESERVE IN and OUT (SPC-4 6.15, 6.16), RESERVE and RELEASE (SPC-2 7.16, 7.17, 7.21, 7.22).
import { Writer } from "../../base/bytes.ts";
import { toLatin1 } from "../../base/text.ts";
import { u16, u32 } from "./cdb.ts";
import { change, holds, saved, type Verb } from "./reservations.ts";
import { SENSE } from "./sense.ts";
import {
  attention,
  badField,
  CONFLICT,
  GOOD,
  give,
  type Outcome,
  refuse,
  type State,
  type Steps,
  type Task,
} from "./state.ts";

const VERBS: readonly Verb[] = [
  "register",
  "reserve",
  "release",
  "clear",
  "preempt",
  "preempt",
  "registerAndIgnore",
];
const PREEMPT_AND_ABORT = 5;
const LIST = 24;
const [SPEC_I_PT, APTPL] = [0x08, 0x01];

const key = (list: Uint8Array, at: number): bigint =>
  (BigInt(u32(list, at)) << 32n) | BigInt(u32(list, at + 4));

export function* reserveOut(state: State, { cdb, dataOut, nexus }: Task): Steps {
  const action = (cdb[1] as number) & 0x1f;
  const verb = VERBS[action] as Verb;
  if (state.reservedBy !== undefined) return CONFLICT;
  if (verb !== "register" && verb !== "registerAndIgnore" && verb !== "clear" && (cdb[2] as number) >> 4)
    return badField(2); // only LU_SCOPE
  const flags = dataOut[20] ?? 0;
  if (u32(cdb, 5) !== LIST || dataOut.length < LIST) return refuse(SENSE.PARAMETER_LIST_LENGTH);
  if (flags & SPEC_I_PT) return refuse(SENSE.INVALID_FIELD_IN_DATA, 20);
  const now = state.reservations;
  const changed = change(now, {
    verb,
    nexus,
    type: (cdb[2] as number) & 0x0f,
    key: key(dataOut, 0),
    actionKey: key(dataOut, 8),
    aptpl: (flags & APTPL) !== 0,
  });
  if ("status" in changed) return changed;
  const { next, attentions, removed } = changed;
  // Nothing has changed before it is durable; nobody else changes it meanwhile (tasks.ts).
  if (saved(next) !== saved(now)) yield { do: "save", handle: 0, reservations: saved(next) };
  state.reservations = next;
  for (const { nexus: other, code } of attentions) {
    const there = state.nexuses.get(other);
    if (there) attention(there, code);
  }
  if (action === PREEMPT_AND_ABORT) state.abort(removed.filter((other) => other !== nexus));
  return GOOD;
}

const list = (generation: number, body: Uint8Array): Uint8Array =>
  new Writer(8 + body.length).u32(generation).u32(body.length).bytes(body).done();

export function readKeys({ reservations: { generation, keys } }: State, { cdb }: Task): Outcome {
  const w = new Writer(keys.size * 8);
  for (const value of keys.values()) w.u64(value);
  return give(list(generation, w.done()), u16(cdb, 7));
}

/** A reservation of all registrants has no key (SPC-4 6.15.3.3). */
export function readReservation({ reservations: now }: State, { cdb }: Task): Outcome {
  const w = new Writer(16);
  if (now.type !== 0)
    w.u64(now.keys.get(now.holder ?? "") ?? 0n)
      .u32(0)
      .u8(0)
      .u8(now.type)
      .u16(0);
  return give(list(now.generation, w.done()), u16(cdb, 7));
}

/** ATP_C (there is one target port), PTPL_C; all six types; whether APTPL is on (SPC-4 6.15.4). */
export function reportCapabilities({ reservations: { aptpl } }: State, { cdb }: Task): Outcome {
  return give(Uint8Array.of(0, 8, 0x05, aptpl ? 0x81 : 0x80, 0xea, 0x01, 0, 0), u16(cdb, 7));
}

export function readFullStatus({ reservations: now }: State, { cdb }: Task): Outcome {
  const w = new Writer(256);
  for (const [nexus, value] of now.keys) {
    const mine = holds(now, nexus);
    const port = transportId(nexus);
    w.u64(value)
      .u32(0)
      .u8(mine ? 1 : 0)
      .u8(mine ? now.type : 0)
      .u32(0)
      .u16(1)
      .u32(port.length)
      .bytes(port);
  }
  return give(list(now.generation, w.done()), u16(cdb, 7));
}

/** iSCSI, with its ISID: format 01b (SPC-4 7.6.4.6). NUL at the end, length a multiple of 4 and 20 at least. */
function transportId(nexus: string): Uint8Array {
  const length = Math.max(20, Math.ceil((nexus.length + 1) / 4) * 4);
  return new Writer(4 + length)
    .u8(0x45)
    .u8(0)
    .u16(length)
    .bytes(toLatin1(nexus.padEnd(length, "\0")))
    .done();
}

/** Another nexus's RESERVE was a conflict before; registrations are one as well (CRH is 0: SPC-4 5.9.3). */
export function reserve(state: State, { nexus }: Task): Outcome {
  if (state.reservations.keys.size > 0) return CONFLICT;
  state.reservedBy = nexus;
  return GOOD;
}
export function release(state: State, { nexus }: Task): Outcome {
  if (state.reservations.keys.size > 0) return CONFLICT;
  if (state.reservedBy === nexus) state.reservedBy = undefined;
  return GOOD;
}
