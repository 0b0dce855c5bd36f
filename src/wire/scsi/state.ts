// What all commands of one logical unit share, and what a command may answer or order.
import type { Extent } from "../../base/disk.ts";
import type { Modes } from "./modes.ts";
import type { Reservations } from "./reservations.ts";
import { SENSE, type Sense, STATUS } from "./sense.ts";

/** One logical unit, for as long as it exists. */
export interface UnitFacts {
  size: number; // bytes
  blockSize: 512;
  /** The granularity that I/O and UNMAP are best aligned to; writes of one block are not rewritten by larger ones here. */
  physicalBlock: 4096;
  readOnly: boolean;
  product: "CLONE" | "VOLUME";
  /** VPD page 80h; printable ASCII, 20 characters at most. */
  serial: string;
  /** VPD page 83h: 64 bits, the first four of which are 3 (NAA locally assigned, SPC-4 7.8.6.6.4). */
  naa: bigint;
}

export interface Task {
  /** Initiator task tag: unique in its nexus while the task is open. */
  tag: number;
  /** The initiator port's name, `<iqn>,i,0x<ISID in 12 hex digits>` (RFC 7143 4.4.1): registrations are kept by it. */
  nexus: string;
  /** 16 bytes or more, shorter ones padded with zeros. */
  cdb: Uint8Array;
  /** All of the data-out that came: shorter than dataOutLength() where the initiator promised less. */
  dataOut: Uint8Array;
  attribute: "simple" | "ordered" | "head" | "aca" | "untagged";
}

/** What the disk must do for a task. Byte offsets; all inside the unit. */
export type DiskOrder =
  | { do: "read"; handle: number; offset: number; length: number; last: boolean } // last: these bytes are the data-in, and the command ends GOOD with them
  | { do: "write"; handle: number; offset: number; bytes: Uint8Array; flush: boolean } // flush: durable before done()
  | { do: "zero"; handle: number; offset: number; length: number; keep: boolean }
  | { do: "trim"; handle: number; offset: number; length: number }
  | { do: "flush"; handle: number }
  | { do: "status"; handle: number; offset: number; length: number }
  | { do: "save"; handle: number; reservations: string }; // durable before done()

export interface Result {
  bytes?: Uint8Array;
  extents?: readonly Extent[];
  error?: { code: string };
}

/** How a command ends. */
export interface Outcome {
  status: number;
  sense?: Sense;
  dataIn?: Uint8Array;
}
/** A command of several steps: each order is answered before the next. Handles are filled in by the unit. */
export type Steps = Generator<DiskOrder, Outcome, Result>;

/** An I_T nexus: one initiator port that logged in. */
export interface Nexus {
  readonly name: string;
  /** Unit attentions, oldest first, each once (SAM-5 5.14). */
  attentions: number[];
  /** Tasks that are open, or aborted and still with the disk. */
  open: number;
}

export interface State {
  facts: UnitFacts;
  blocks: number;
  readonly modes: Modes;
  readonly nexuses: Map<string, Nexus>;
  /** Who holds RESERVE(6) or (10). */
  reservedBy: string | undefined;
  stopped: boolean;
  reservations: Reservations;
  /** What became of copies, for RECEIVE COPY RESULTS; the oldest go first. */
  readonly copies: { nexus: string; list: number; segments: number; bytes: number }[];
  /** Aborts all tasks of these nexuses. */
  abort(nexuses: readonly string[]): void;
}

export const GOOD: Outcome = { status: STATUS.GOOD };
export const CONFLICT: Outcome = { status: STATUS.RESERVATION_CONFLICT };

export const refuse = (code: number, byte?: number): Outcome => ({
  status: STATUS.CHECK_CONDITION,
  sense: byte === undefined ? { code } : { code, byte },
});
export const badField = (byte: number): Outcome => refuse(SENSE.INVALID_FIELD_IN_CDB, byte);

/** Data-in, cut to the allocation length (SPC-4 4.2.5.6). */
export const give = (dataIn: Uint8Array, most: number): Outcome => ({
  status: STATUS.GOOD,
  dataIn: dataIn.length > most ? dataIn.subarray(0, most) : dataIn,
});

/** A unit attention for all nexuses but one. */
export function attend(state: State, code: number, but?: string): void {
  for (const nexus of state.nexuses.values()) if (nexus.name !== but) attention(nexus, code);
}
export function attention(nexus: Nexus, code: number): void {
  if (!nexus.attentions.includes(code)) nexus.attentions.push(code);
}
