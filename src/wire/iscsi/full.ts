// The full feature phase of one session: what each PDU of an initiator means (RFC 7143 section 11).
import { type CommandOrder, type Commands, WINDOW } from "./commands.ts";
import type { Terms } from "./keys.ts";
import { FINAL, HEADER, IMMEDIATE, lunOf, NO_TAG, OP, pdu, REASON } from "./pdu.ts";
import { Texts } from "./texts.ts";

export type FullOrder =
  | CommandOrder
  /** SendTargets: answer with listed(). */
  | { do: "discover" }
  /** Task management: answer with managed(), when nothing of what it ended works any more. */
  | { do: "manage"; tag: number; function: number; lun: number; task: number }
  /** Everything of the session is to be ended; then loggedOut(). */
  | { do: "logout"; tag: number; reason: number; connection: number }
  | { do: "pong" }
  | { do: "close"; why: string };

interface Early {
  view: DataView;
  data: Uint8Array;
  extra: Uint8Array;
}

export class Full {
  readonly commands: Commands;
  readonly #terms: Terms;
  readonly #discovery: boolean;
  readonly #texts: Texts;
  readonly #early = new Map<number, Early>();
  #pings = 0;
  leaving = false; // a logout has come: no more after it
  ended = false;

  constructor(what: {
    commands: Commands;
    terms: Terms;
    discovery: boolean;
    address: string;
    target: string | undefined;
  }) {
    this.commands = what.commands;
    this.#terms = what.terms;
    this.#discovery = what.discovery;
    this.#texts = new Texts(what);
  }

  pdu(view: DataView, at: number, data: Uint8Array, extra: Uint8Array, orders: FullOrder[]): void {
    const first = view.getUint8(at);
    const opcode = first & 0x3f;
    if (this.leaving) return; // nothing may follow a logout (11.14)
    if (opcode === OP.DATA_OUT) {
      this.commands.data(view, at, data, orders as CommandOrder[]);
      return;
    }
    const immediate = (first & IMMEDIATE) !== 0;
    const counted = opcode <= OP.LOGOUT && opcode !== OP.LOGIN;
    if (counted && !immediate) {
      const cmdSN = view.getUint32(at + 24);
      const turn = this.commands.turn(cmdSN);
      if (turn === "never") return; // silently (4.2.2.1)
      if (turn === "later") {
        this.#keep(cmdSN, view, at, data, extra);
        return;
      }
    }
    this.#handle(opcode, view, at, data, extra, orders);
    if (counted && !immediate && this.#early.size > 0) this.#catchUp(orders);
  }

  /** The names of the targets that this initiator may see. */
  listed(names: readonly string[]): FullOrder[] {
    return this.#texts.listed(names).map(send);
  }
  managed(tag: number, response: number): FullOrder[] {
    const { bytes } = pdu(OP.TASK_RESPONSE, FINAL, tag);
    bytes[2] = response;
    return [send(bytes)];
  }
  loggedOut(tag: number, response: number): FullOrder[] {
    const { bytes } = pdu(OP.LOGOUT_RESPONSE, FINAL, tag);
    bytes[2] = response; // Time2Wait and Time2Retain are 0: come back at once, nothing is kept
    this.ended = response === LOGGED_OUT;
    this.leaving = this.ended;
    return this.ended ? [send(bytes), { do: "close", why: "logged out" }] : [send(bytes)];
  }
  /** Asks whether the initiator is there: `pong` is its answer. */
  ping(): FullOrder[] {
    const { bytes, view } = pdu(OP.NOP_IN, FINAL, NO_TAG);
    this.#pings = (this.#pings + 1) & 0xffffff;
    view.setUint32(20, this.#pings);
    return [{ do: "send", bytes, status: false }]; // its StatSN is shown and not used up (11.19.1)
  }
  /** Asks for a logout: event 1 (11.9.1). */
  askToLogOut(seconds: number): FullOrder[] {
    const { bytes, view } = pdu(OP.ASYNC, FINAL, NO_TAG);
    bytes[36] = 1;
    view.setUint16(42, seconds);
    return [send(bytes)];
  }

  /** A data or header digest was wrong, or a PDU too long: at level 0 the session ends (7.8, 7.9). */
  damaged(reason: number, why: string, view: DataView | undefined, at: number): FullOrder[] {
    const orders: FullOrder[] = [];
    if (view) this.#fault(reason, why, view, at, orders);
    else this.#close(why, orders);
    return orders;
  }

  #handle(
    opcode: number,
    view: DataView,
    at: number,
    data: Uint8Array,
    extra: Uint8Array,
    orders: FullOrder[],
  ): void {
    const tag = view.getUint32(at + 16);
    const discovers = opcode === OP.TEXT || opcode === OP.LOGOUT || opcode === OP.NOP_OUT;
    if (this.#discovery && !discovers) {
      this.#fault(REASON.PROTOCOL, "a command in a discovery session", view, at, orders);
      return;
    }
    switch (opcode) {
      case OP.COMMAND: {
        const wrong = this.commands.take(view, at, data, extra, orders as CommandOrder[]);
        if (wrong === "crowded") this.#reject(REASON.TOO_MANY_IMMEDIATE, view, at, orders);
        else if (wrong === "busy") this.#fault(REASON.IN_PROGRESS, "a tag that is in use", view, at, orders);
        else if (wrong) this.#fault(REASON.PROTOCOL, "data that was not agreed on", view, at, orders);
        return;
      }
      case OP.NOP_OUT:
        this.#nop(view, at, data, tag, orders);
        return;
      case OP.TASK:
        orders.push({
          do: "manage",
          tag,
          function: view.getUint8(at + 1) & 0x7f,
          lun: lunOf(view, at + 8),
          task: view.getUint32(at + 20),
        });
        return;
      case OP.TEXT: {
        const answer = this.#texts.receive(view, at, data);
        if (answer === "discover") orders.push({ do: "discover" });
        else if (answer === "protocol") this.#fault(REASON.PROTOCOL, "a bad text request", view, at, orders);
        else orders.push(...answer.map(send));
        return;
      }
      case OP.LOGOUT:
        this.leaving = true;
        orders.push({
          do: "logout",
          tag,
          reason: view.getUint8(at + 1) & 0x7f,
          connection: view.getUint16(at + 20),
        });
        return;
      case OP.SNACK: // recovery level 0 has none (11.16)
        this.#reject(REASON.SNACK, view, at, orders);
        return;
      case OP.LOGIN:
        this.#fault(REASON.PROTOCOL, "a login in a session", view, at, orders);
        return;
      default:
        this.#reject(REASON.UNSUPPORTED, view, at, orders);
    }
  }

  #nop(view: DataView, at: number, data: Uint8Array, tag: number, orders: FullOrder[]): void {
    if (view.getUint32(at + 20) !== NO_TAG) orders.push({ do: "pong" });
    if (tag === NO_TAG) return;
    const echo = data.subarray(0, this.#terms.mostSend);
    const { bytes } = pdu(OP.NOP_IN, FINAL, tag, echo);
    new DataView(bytes.buffer).setUint32(20, NO_TAG);
    orders.push(send(bytes));
  }

  #keep(cmdSN: number, view: DataView, at: number, data: Uint8Array, extra: Uint8Array): void {
    if (this.#early.size >= WINDOW || this.#early.has(cmdSN)) return;
    const head = new Uint8Array(view.buffer, view.byteOffset + at, HEADER).slice();
    this.#early.set(cmdSN, { view: new DataView(head.buffer), data: data.slice(), extra: extra.slice() });
  }
  #catchUp(orders: FullOrder[]): void {
    for (;;) {
      const cmdSN = this.commands.expCmdSN;
      const early = this.#early.get(cmdSN);
      if (!early || this.ended || this.leaving || this.commands.turn(cmdSN) !== "now") return;
      this.#early.delete(cmdSN);
      const { view, data, extra } = early;
      this.#handle(view.getUint8(0) & 0x3f, view, 0, data, extra, orders);
    }
  }

  #reject(reason: number, view: DataView, at: number, orders: FullOrder[]): void {
    const header = new Uint8Array(view.buffer, view.byteOffset + at, HEADER);
    const { bytes } = pdu(OP.REJECT, FINAL, NO_TAG, header);
    bytes[2] = reason;
    orders.push(send(bytes));
  }
  /** A Reject, and the end of the session: at recovery level 0 there is no other way back to sense (7.1.4). */
  #fault(reason: number, why: string, view: DataView, at: number, orders: FullOrder[]): void {
    this.#reject(reason, view, at, orders);
    this.#close(why, orders);
  }
  #close(why: string, orders: FullOrder[]): void {
    this.ended = true;
    orders.push({ do: "close", why });
  }
}

export const LOGGED_OUT = 0;
const send = (bytes: Uint8Array): FullOrder & { do: "send" } => ({ do: "send", bytes, status: true });
