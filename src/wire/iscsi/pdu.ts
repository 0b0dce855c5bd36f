// iSCSI PDUs (RFC 7143 section 11): the fields of their 48-byte headers, and those that a target sends.
import { toLatin1 } from "../../base/text.ts";

export const HEADER = 48;
/** "No such tag", in both the initiator's and the target's tags (11.2.1.8). */
export const NO_TAG = 0xffffffff;
export const IMMEDIATE = 0x40;
export const FINAL = 0x80;

/** RFC 7143 11.2.1.2 */
export const OP = {
  NOP_OUT: 0x00,
  COMMAND: 0x01,
  TASK: 0x02,
  LOGIN: 0x03,
  TEXT: 0x04,
  DATA_OUT: 0x05,
  LOGOUT: 0x06,
  SNACK: 0x10,
  NOP_IN: 0x20,
  RESPONSE: 0x21,
  TASK_RESPONSE: 0x22,
  LOGIN_RESPONSE: 0x23,
  TEXT_RESPONSE: 0x24,
  DATA_IN: 0x25,
  LOGOUT_RESPONSE: 0x26,
  R2T: 0x31,
  ASYNC: 0x32,
  REJECT: 0x3f,
} as const;

/** RFC 7143 11.17.1 */
export const REASON = {
  DATA_DIGEST: 0x02,
  SNACK: 0x03,
  PROTOCOL: 0x04,
  UNSUPPORTED: 0x05,
  TOO_MANY_IMMEDIATE: 0x06,
  IN_PROGRESS: 0x07,
  FIELD: 0x09,
} as const;

/** Task management functions (11.5.1) and what is answered (11.6.1). */
export const FUNCTION = {
  ABORT_TASK: 1,
  ABORT_TASK_SET: 2,
  CLEAR_ACA: 3,
  CLEAR_TASK_SET: 4,
  LUN_RESET: 5,
  WARM_RESET: 6,
  COLD_RESET: 7,
  REASSIGN: 8,
} as const;
export const MANAGED = {
  COMPLETE: 0,
  NO_TASK: 1,
  NO_LUN: 2,
  NO_REASSIGN: 4,
  UNSUPPORTED: 5,
} as const;

/** Serial numbers (RFC 1982, 32 bits): is `a` before `b`? */
export const before = (a: number, b: number): boolean => ((a - b) | 0) < 0;

/** Offsets of the numbers that every PDU of a target carries (11.2.2). */
export const STAT_SN = 24;
export const EXP_CMD_SN = 28;
export const MAX_CMD_SN = 32;

const padded = (length: number): number => (length + 3) & ~3;

export { padded };

/** A PDU to send, without its sequence numbers and digests (replies.ts puts those): header, then data without padding. */
export function pdu(opcode: number, flags: number, tag: number, data: Uint8Array = NOTHING): Fields {
  const bytes = new Uint8Array(HEADER + data.length);
  const view = new DataView(bytes.buffer);
  bytes[0] = opcode;
  bytes[1] = flags;
  view.setUint32(4, data.length); // no AHS: the length's high byte stays 0
  view.setUint32(16, tag);
  bytes.set(data, HEADER);
  return { bytes, view };
}
export interface Fields {
  bytes: Uint8Array<ArrayBuffer>;
  view: DataView;
}

/** The number behind an 8-byte LUN: peripheral or flat addressing of one level (SAM-5 4.7), else -1. */
export function lunOf(view: DataView, at: number): number {
  const high = view.getUint16(at);
  if (view.getUint16(at + 2) !== 0 || view.getUint32(at + 4) !== 0) return -1;
  if (high >> 14 === 1) return high & 0x3fff;
  return high <= 0xff ? high : -1;
}

/** Keys and values as text (6.1): `key=value`, each with a NUL behind it. */
export const text = (pairs: Iterable<readonly [string, string]>): Uint8Array<ArrayBuffer> =>
  toLatin1([...pairs].map(([key, value]) => `${key}=${value}\0`).join(""));

const NOTHING = new Uint8Array(0);

export { NOTHING };
