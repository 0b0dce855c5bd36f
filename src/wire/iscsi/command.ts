// One SCSI command of a session, from its PDU until its answer (RFC 7143 11.3).
import { concat } from "../../base/bytes.ts";
import { lunOf } from "./pdu.ts";

/** An R2T whose data has not all come. */
export interface Burst {
  tag: number;
  at: number;
  end: number;
  dataSN: number;
}

const READS = 0x40;
const WRITES = 0x20;
const CDB = 32;
const EXTENDED_CDB = 1;
const ATTRIBUTES = ["untagged", "simple", "ordered", "head", "aca"] as const;
export type Attribute = (typeof ATTRIBUTES)[number];

export class Command {
  readonly tag: number;
  /** -1: no such LUN can be. */
  readonly lun: number;
  readonly attribute: Attribute;
  readonly reads: boolean;
  readonly writes: boolean;
  /** Bytes that the initiator expects to move (EDTL). */
  readonly expected: number;
  /** 16 bytes or more. */
  readonly cdb: Uint8Array;
  /** Bytes of data-out that its CDB takes, and how many of them the unit is given. */
  takes = 0;
  wanted = 0;
  dataOut: Uint8Array = NOTHING;
  /** What is released when its answer has left. */
  cost = 0;
  /**
   * waiting: for room in memory; gathering: for data-out; begun: in the unit; over: answered, or aborted, and then nothing of it may be
   * answered any more.
   */
  state: "waiting" | "gathering" | "begun" | "over" = "gathering";
  /** Data-In PDUs or R2Ts sent: the next one's number. */
  sent = 0;
  /** Of the data-out: bytes that have come, that were asked for; and whether unsolicited ones still come. */
  got = 0;
  asked = 0;
  unsolicited = false;
  dataSN = 0;
  bursts: Burst[] | undefined;
  /** The unit's name for it, and how many of the unit's orders the disk works on. */
  handle = 0;
  working = 0;

  constructor(view: DataView, at: number, extra: Uint8Array) {
    const flags = view.getUint8(at + 1);
    this.tag = view.getUint32(at + 16);
    this.lun = lunOf(view, at + 8);
    this.attribute = ATTRIBUTES[flags & 7] ?? "simple";
    this.reads = (flags & READS) !== 0;
    this.writes = (flags & WRITES) !== 0;
    this.expected = view.getUint32(at + 20);
    const cdb = new Uint8Array(16); // a copy: costs less than a view
    for (let i = 0; i < 16; i++) cdb[i] = view.getUint8(at + CDB + i);
    this.cdb = extra.length === 0 ? cdb : extended(cdb, extra);
  }
}

/** A CDB that goes on in an additional header segment (11.2.2.3); other segments (bidirectional reads) say nothing to us. */
function extended(cdb: Uint8Array, extra: Uint8Array): Uint8Array {
  let at = 0;
  while (at + 4 <= extra.length) {
    const length = ((extra[at] ?? 0) << 8) | (extra[at + 1] ?? 0);
    if (extra[at + 2] === EXTENDED_CDB && length > 1)
      return concat([cdb, extra.subarray(at + 4, at + 3 + length)]);
    at += (3 + length + 3) & ~3;
  }
  return cdb;
}

const NOTHING = new Uint8Array(0);
