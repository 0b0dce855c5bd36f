// What leaves: PDUs of a target, written straight into the buffer that is sent, with their numbers and digests.
import { crc32cRaw } from "../../base/crc32c.ts";
import type { Command } from "./command.ts";
import { EXP_CMD_SN, FINAL, HEADER, MAX_CMD_SN, OP, padded, STAT_SN } from "./pdu.ts";

/** Where to write: both show the same memory. */
export interface Out {
  bytes: Uint8Array;
  view: DataView;
}
/** The window as it stands when a PDU leaves. */
export interface Numbers {
  readonly expCmdSN: number;
  readonly maxCmdSN: number;
}

const OVERFLOW = 0x04;
const UNDERFLOW = 0x02;
const STATUS = 0x01;

/** StatSN counts in the order in which PDUs leave: put() them in that order, and only then. */
export class Sender {
  numbers: Numbers;
  headerDigest = false;
  dataDigest = false;
  #statSN = 1;

  constructor(numbers: Numbers) {
    this.numbers = numbers;
  }

  /** Bytes before the data. */
  get dataAt(): number {
    return this.headerDigest ? HEADER + 4 : HEADER;
  }
  /** Bytes of a PDU with so much data. */
  length(data: number): number {
    return this.dataAt + padded(data) + (data > 0 && this.dataDigest ? 4 : 0);
  }

  /** Bytes that put() takes for a PDU of pdu(). */
  lengthOf(pdu: Uint8Array): number {
    return pdu[0] === OP.LOGIN_RESPONSE ? padded(pdu.length) : this.length(pdu.length - HEADER);
  }
  /** @param status it reports a status: StatSN goes on */
  put({ bytes, view }: Out, at: number, pdu: Uint8Array, status: boolean): void {
    const login = pdu[0] === OP.LOGIN_RESPONSE; // digests hold from the first PDU after the login (6.3)
    const data = pdu.length - HEADER;
    const dataAt = at + (login ? HEADER : this.dataAt);
    bytes.set(pdu.subarray(0, HEADER), at);
    bytes.set(pdu.subarray(HEADER), dataAt);
    bytes.fill(0, dataAt + data, dataAt + padded(data));
    this.#number(view, at, status);
    if (!login) this.#digests(view, bytes, at, data);
  }

  /**
   * The header of a Data-In PDU; its data lies at `at + dataAt` already. `last`: the status GOOD rides on it (11.7.3).
   * `moved`: what the command gives in all, for the residual.
   */
  putDataIn(
    { bytes, view }: Out,
    at: number,
    command: Command,
    part: { offset: number; length: number; final: boolean; last: boolean; moved: number },
  ): void {
    const { offset, length, final, last } = part;
    const residual = last ? part.moved - command.expected : 0;
    const flags =
      (final ? FINAL : 0) |
      (last ? STATUS : 0) |
      (residual > 0 ? OVERFLOW : 0) |
      (residual < 0 ? UNDERFLOW : 0);
    view.setUint32(at, (OP.DATA_IN << 24) | (flags << 16));
    view.setUint32(at + 4, length);
    view.setUint32(at + 8, 0);
    view.setUint32(at + 12, 0);
    view.setUint32(at + 16, command.tag);
    view.setUint32(at + 20, 0xffffffff);
    this.#number(view, at, last);
    if (!last) view.setUint32(at + STAT_SN, 0);
    view.setUint32(at + 36, command.sent++);
    view.setUint32(at + 40, offset);
    view.setUint32(at + 44, Math.abs(residual));
    const dataAt = at + this.dataAt;
    if (length & 3) bytes.fill(0, dataAt + length, dataAt + padded(length));
    this.#digests(view, bytes, at, length);
  }

  /** Bytes that putResponse() takes. */
  responseLength(sense: Uint8Array | undefined): number {
    return this.length(sense ? sense.length + 2 : 0);
  }
  /** A SCSI Response (11.4). `moved`: bytes that the command has moved, or would have, if there were room for them. */
  putResponse(
    { bytes, view }: Out,
    at: number,
    command: Command,
    answer: { status: number; sense: Uint8Array | undefined; moved: number },
  ): void {
    const { status, sense } = answer;
    const residual = answer.moved - command.expected;
    const flags = FINAL | (residual > 0 ? OVERFLOW : residual < 0 ? UNDERFLOW : 0);
    const length = sense ? sense.length + 2 : 0;
    view.setUint32(at, (OP.RESPONSE << 24) | (flags << 16) | status);
    view.setUint32(at + 4, length);
    view.setUint32(at + 8, 0);
    view.setUint32(at + 12, 0);
    view.setUint32(at + 16, command.tag);
    view.setUint32(at + 20, 0);
    this.#number(view, at, true);
    view.setUint32(at + 36, command.sent);
    view.setUint32(at + 40, 0);
    view.setUint32(at + 44, Math.abs(residual));
    if (sense) {
      const dataAt = at + this.dataAt;
      view.setUint16(dataAt, sense.length);
      bytes.set(sense, dataAt + 2);
      bytes.fill(0, dataAt + length, dataAt + padded(length));
    }
    this.#digests(view, bytes, at, length);
  }

  #number(view: DataView, at: number, status: boolean): void {
    view.setUint32(at + STAT_SN, this.#statSN);
    view.setUint32(at + EXP_CMD_SN, this.numbers.expCmdSN);
    view.setUint32(at + MAX_CMD_SN, this.numbers.maxCmdSN);
    if (status) this.#statSN = (this.#statSN + 1) >>> 0;
  }

  #digests(view: DataView, bytes: Uint8Array, at: number, length: number): void {
    if (this.headerDigest)
      view.setUint32(at + HEADER, ~crc32cRaw(0xffffffff, bytes, at, at + HEADER) >>> 0, true);
    if (!this.dataDigest || length === 0) return;
    const from = at + this.dataAt;
    const to = from + padded(length);
    view.setUint32(to, ~crc32cRaw(0xffffffff, bytes, from, to) >>> 0, true);
  }
}
