// Status and sense data: why a command did not end well (SPC-4 4.5; SAM-5 5.3.1).

/** SAM-5 table 33. */
export const STATUS = {
  GOOD: 0x00,
  CHECK_CONDITION: 0x02,
  BUSY: 0x08,
  RESERVATION_CONFLICT: 0x18,
  TASK_SET_FULL: 0x28,
  TASK_ABORTED: 0x40,
} as const;

/** Sense key, additional sense code, qualifier as one number: 0xKKAAQQ (SPC-4 4.5.6, annex F.2). */
export const SENSE = {
  NO_SENSE: 0x000000,
  NOT_READY_STOPPED: 0x020402, // initializing command required: START STOP UNIT
  WRITE_ERROR: 0x030c00,
  READ_ERROR: 0x031100,
  TARGET_FAILURE: 0x044400,
  INVALID_FIELD_IN_IU: 0x050e03,
  PARAMETER_LIST_LENGTH: 0x051a00,
  INVALID_OPCODE: 0x052000,
  LBA_OUT_OF_RANGE: 0x052100,
  INVALID_FIELD_IN_CDB: 0x052400,
  NO_SUCH_UNIT: 0x052500,
  INVALID_FIELD_IN_DATA: 0x052600,
  INVALID_RELEASE: 0x052604,
  SAVING_NOT_SUPPORTED: 0x053900,
  TOO_MANY_TARGETS: 0x052606,
  TARGET_TYPE: 0x052607,
  TOO_MANY_SEGMENTS: 0x052608,
  SEGMENT_TYPE: 0x052609,
  NO_REGISTRATION_ROOM: 0x055504,
  POWER_ON: 0x062900,
  UNIT_RESET: 0x062903,
  MODE_CHANGED: 0x062a01,
  RESERVATIONS_PREEMPTED: 0x062a03,
  RESERVATIONS_RELEASED: 0x062a04,
  REGISTRATIONS_PREEMPTED: 0x062a05,
  CAPACITY_CHANGED: 0x062a09,
  WRITE_PROTECTED: 0x072700,
  SOFTWARE_WRITE_PROTECTED: 0x072702,
  SPACE_FAILED: 0x072707, // the store is full (SBC-3 4.7.3.6)
  COPY_OUT_OF_RANGE: 0x0a0000,
  COPY_UNREACHABLE: 0x0a0d02,
  MISCOMPARE: 0x0e1d00,
} as const;

export interface Sense {
  code: number;
  /** INFORMATION: an LBA or, at a miscompare, an offset into the data (SPC-4 4.5.2.2). */
  information?: number;
  /** FIELD POINTER: the byte of the CDB or of the parameter list that is wrong (SPC-4 4.5.2.4.2). */
  byte?: number;
}

/** Sense-key specific bytes (SPC-4 4.5.2.4), or nothing. */
const specific = (sense: Sense): readonly [number, number] | undefined => {
  if (sense.byte === undefined) return undefined;
  return [sense.code === SENSE.INVALID_FIELD_IN_DATA ? 0x80 : 0xc0, sense.byte];
};

/** Fixed format, 18 bytes (SPC-4 4.5.3), or descriptor format where D_SENSE is set (SPC-4 4.5.2). */
export const encodeSense = (sense: Sense, descriptors: boolean): Uint8Array<ArrayBuffer> =>
  descriptors ? asDescriptors(sense) : asFixed(sense);

function asFixed(sense: Sense): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(18);
  const view = new DataView(out.buffer);
  out[0] = 0x70;
  out[2] = sense.code >>> 16;
  out[7] = 10;
  out[12] = (sense.code >>> 8) & 0xff;
  out[13] = sense.code & 0xff;
  // An LBA that does not fit in 32 bits is left out: VALID stays 0 (SPC-4 4.5.3).
  if (sense.information !== undefined && sense.information <= 0xffff_ffff) {
    out[0] = 0xf0;
    view.setUint32(3, sense.information);
  }
  const more = specific(sense);
  if (more) {
    out[15] = more[0];
    view.setUint16(16, more[1]);
  }
  return out;
}

function asDescriptors(sense: Sense): Uint8Array<ArrayBuffer> {
  const more = specific(sense);
  const out = new Uint8Array(8 + (sense.information === undefined ? 0 : 12) + (more ? 8 : 0));
  const view = new DataView(out.buffer);
  out[0] = 0x72;
  out[1] = sense.code >>> 16;
  out[2] = (sense.code >>> 8) & 0xff;
  out[3] = sense.code & 0xff;
  out[7] = out.length - 8;
  let at = 8;
  if (sense.information !== undefined) {
    out[at + 1] = 0x0a;
    out[at + 2] = 0x80;
    view.setBigUint64(at + 4, BigInt(sense.information));
    at += 12;
  }
  if (more) {
    out[at] = 0x02;
    out[at + 1] = 0x06;
    out[at + 4] = more[0];
    view.setUint16(at + 5, more[1]);
  }
  return out;
}
