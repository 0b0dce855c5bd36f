// What the iSCSI tests play with: an initiator's PDUs, and a caller that obeys a session.
import { concat } from "../../base/bytes.ts";
import { crc32c } from "../../base/crc32c.ts";
import { fromHex, hex, latin1 } from "../../base/text.ts";
import { Allowance } from "../nbd/limits.ts";
import type { ChapTools } from "./chap.ts";
import type { Command } from "./command.ts";
import type { Found } from "./login.ts";
import { HEADER, IMMEDIATE, NO_TAG, OP, padded, text } from "./pdu.ts";
import { type Order, Session } from "./session.ts";

export interface Said {
  flags?: number;
  immediate?: boolean;
  tag?: number;
  cmdSN?: number;
  /** Words to set: offset → 32 bits. */
  words?: Record<number, number>;
  data?: Uint8Array;
  extra?: Uint8Array;
  headerDigest?: boolean;
  dataDigest?: boolean;
}

/** A PDU of an initiator, with padding and, where wanted, digests. */
export function said(opcode: number, what: Said = {}): Uint8Array {
  const data = what.data ?? new Uint8Array(0);
  const extra = what.extra ?? new Uint8Array(0);
  const head = new Uint8Array(HEADER + extra.length);
  const view = new DataView(head.buffer);
  head[0] = opcode | (what.immediate ? IMMEDIATE : 0);
  head[1] = what.flags ?? 0x80;
  view.setUint32(4, data.length);
  head[4] = extra.length / 4;
  view.setUint32(16, what.tag ?? 1);
  view.setUint32(24, what.cmdSN ?? 0);
  for (const [at, word] of Object.entries(what.words ?? {})) view.setUint32(Number(at), word);
  head.set(extra, HEADER);
  const body = new Uint8Array(padded(data.length));
  body.set(data);
  const parts: Uint8Array[] = [head];
  if (what.headerDigest) parts.push(digest(head));
  parts.push(body);
  if (what.dataDigest && data.length > 0) parts.push(digest(body));
  return concat(parts);
}
function digest(bytes: Uint8Array): Uint8Array {
  const four = new Uint8Array(4);
  new DataView(four.buffer).setUint32(0, crc32c(bytes), true);
  return four;
}

export const FINAL_LOGIN = 0x87; // T, operational to full feature
export const INITIATOR = "iqn.2026-11.local.bramble:init-pi01";
export const TARGET = "iqn.2026-11.local.bramble:pi01";

export const login = (pairs: Record<string, string>, flags: number, what: Said = {}): Uint8Array =>
  said(OP.LOGIN, {
    flags,
    immediate: true,
    tag: 7,
    words: { 8: 0x80123456, 12: 0x70000000 },
    data: text(Object.entries(pairs)),
    ...what,
  });
/** One request takes it into the full feature phase. */
export const quickLogin = (more: Record<string, string> = {}): Uint8Array =>
  login({ InitiatorName: INITIATOR, TargetName: TARGET, SessionType: "Normal", ...more }, FINAL_LOGIN);

const READ = 0x40;
const WRITE = 0x20;
export interface Wanted extends Said {
  cdb: string;
  read?: number;
  write?: number;
  final?: boolean;
}
export function command(tag: number, cmdSN: number, what: Wanted): Uint8Array {
  const flags =
    (what.final === false ? 0 : 0x80) |
    (what.read === undefined ? 0 : READ) |
    (what.write === undefined ? 0 : WRITE) |
    1;
  const cdb = fromHex(what.cdb.padEnd(32, "0"));
  const view = new DataView(cdb.buffer);
  const words: Record<number, number> = { 20: what.read ?? what.write ?? 0, ...what.words };
  for (let i = 0; i < 16; i += 4) words[32 + i] = view.getUint32(i);
  return said(OP.COMMAND, { ...what, tag, cmdSN, flags, words });
}
export const dataOut = (
  tag: number,
  data: Uint8Array,
  at: { transfer?: number; dataSN?: number; offset?: number; final?: boolean },
): Uint8Array =>
  said(OP.DATA_OUT, {
    tag,
    flags: at.final === false ? 0 : 0x80,
    words: { 20: at.transfer ?? NO_TAG, 24: 0, 36: at.dataSN ?? 0, 40: at.offset ?? 0 },
    data,
  });

/** A PDU of the target. */
export interface Heard {
  opcode: number;
  flags: number;
  tag: number;
  view: DataView;
  data: Uint8Array;
}
export const keysOf = ({ data }: Heard): Record<string, string> =>
  Object.fromEntries(
    latin1(data)
      .split("\0")
      .filter((pair) => pair !== "")
      .map((pair) => {
        const at = pair.indexOf("=");
        return [pair.slice(0, at), pair.slice(at + 1)];
      }),
  );
export const statusOf = ({ view }: Heard): number => view.getUint16(36);

/** No digests, no luck: what tests of anything but CHAP need. */
const PLAIN: ChapTools = {
  digest: () => new Uint8Array(16),
  random: (length) => new Uint8Array(length).fill(9),
};

export interface PeerOptions {
  found?: Found;
  tools?: ChapTools;
  names?: readonly string[];
  bytes?: number;
  dataOutLength?: (cdb: Uint8Array) => number;
  /** Commands wait until answer() is called. */
  slow?: boolean;
}

/** Does what an edge does: puts PDUs together, answers questions, notes everything else. */
export class Peer {
  readonly session: Session;
  readonly log: string[] = [];
  readonly open: Command[] = [];
  readonly #options: PeerOptions;
  #out: Uint8Array = new Uint8Array(0);
  #heard = 0;
  closed: string | undefined;

  constructor(options: PeerOptions = {}) {
    this.#options = options;
    this.session = new Session({
      limits: { requests: 1024, bytes: options.bytes ?? 1 << 24 },
      allowance: new Allowance(1 << 26),
      tools: options.tools ?? PLAIN,
      address: "10.0.0.1:3260",
      dataOutLength: (_lun, cdb) => options.dataOutLength?.(cdb) ?? lengthOf(cdb),
    });
  }
  /** All bytes that have left. */
  get out(): Uint8Array {
    return this.#out;
  }

  say(...chunks: Uint8Array[]): this {
    for (const chunk of chunks) {
      const lent = chunk.slice();
      this.obey(this.session.receive(lent));
      lent.fill(0xee); // what was to be kept was copied
    }
    return this;
  }
  obey(orders: readonly Order[]): void {
    for (const order of orders) {
      if (this.closed !== undefined) throw new Error(`an order after close: ${order.do}`);
      if (order.do === "send") this.#put(order.bytes, order.status);
      else if (order.do === "find")
        this.#note("find", order.target, this.session.found(this.#options.found ?? {}));
      else if (order.do === "admit") this.#note("admit", order.isid, this.session.admitted({ tsih: 5 }));
      else if (order.do === "discover") this.obey(this.session.listed(this.#options.names ?? [TARGET]));
      else if (order.do === "close") this.closed = order.why;
      else if (order.do === "command") {
        const { tag, lun, cdb, dataOut: data, attribute, expected } = order.command;
        this.log.push(`command ${tag} ${lun} ${hex(cdb)} ${attribute} ${expected} ${hex(data)}`);
        this.open.push(order.command);
        if (!this.#options.slow) this.answer(order.command);
      } else if (order.do === "fail") {
        this.log.push(`fail ${order.command.tag}`);
        this.answer(order.command, 2, order.sense);
      } else if (order.do === "manage") {
        this.log.push(`manage ${order.function} ${order.lun} ${order.task}`);
        this.obey(this.session.managed(order.tag, 0));
      } else if (order.do === "logout") {
        this.log.push(`logout ${order.reason}`);
        this.obey(this.session.loggedOut(order.tag, 0));
      } else this.log.push(order.do);
    }
  }
  answer(done: Command, status = 0, sense?: Uint8Array): void {
    const cost = this.session.close(done);
    const { sender } = this.session;
    this.#room(sender.responseLength(sense), (out) =>
      sender.putResponse(out, 0, done, { status, sense, moved: done.takes }),
    );
    this.session.left(cost > 0 ? 1 : 0, cost);
    this.obey(this.session.next());
  }
  /** The PDUs that have come since it was asked last; without digests. */
  heard(): Heard[] {
    const all: Heard[] = [];
    while (this.#heard < this.#out.length) {
      const view = new DataView(this.#out.buffer, this.#heard);
      const length = view.getUint32(4) & 0xffffff;
      const data = this.#out.subarray(this.#heard + HEADER, this.#heard + HEADER + length);
      this.#heard += HEADER + padded(length);
      all.push({ opcode: view.getUint8(0), flags: view.getUint8(1), tag: view.getUint32(16), view, data });
    }
    return all;
  }
  #note(what: string, detail: string, orders: Order[]): void {
    this.log.push(`${what} ${detail}`);
    this.obey(orders);
  }
  #put(bytes: Uint8Array, status: boolean): void {
    const { sender } = this.session;
    this.#room(sender.lengthOf(bytes), (out) => sender.put(out, 0, bytes, status));
  }
  #room(length: number, put: (out: { bytes: Uint8Array; view: DataView }) => void): void {
    const bytes = new Uint8Array(length).fill(0xdd); // a used buffer
    put({ bytes, view: new DataView(bytes.buffer) });
    this.#out = concat([this.#out, bytes]);
  }
}

/** WRITE(10) alone takes data here. */
const lengthOf = (cdb: Uint8Array): number =>
  cdb[0] === 0x2a ? (((cdb[7] ?? 0) << 8) | (cdb[8] ?? 0)) * 512 : 0;
export const write10 = (blocks: number): string =>
  `2a0000000000 00${blocks.toString(16).padStart(4, "0")}00`.replace(" ", "");
