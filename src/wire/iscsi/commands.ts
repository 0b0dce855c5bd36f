// The commands of one session: their window, their order, their data-out (RFC 7143 4.2.2.1, 4.2.5, 11.7, 11.8).
import type { Share } from "../nbd/limits.ts";
import { Command } from "./command.ts";
import type { Terms } from "./keys.ts";
import { before, FINAL, NO_TAG, NOTHING, OP, pdu } from "./pdu.ts";

export type CommandOrder =
  | { do: "send"; bytes: Uint8Array; status: boolean } // session.put() gives it its numbers, when it leaves
  | { do: "command"; command: Command }
  /** Its data-out is not what was asked for: to be ended with CHECK CONDITION and this sense. */
  | { do: "fail"; command: Command; sense: Uint8Array };

/** Commands that a session may have open; as many immediate ones beyond. */
export const WINDOW = 128;
const IMMEDIATE_BEYOND = 16;
/** The most data that one command moves: the unit refuses more (VPD B0). */
const MOST_DATA = 4 << 20;
const OVERHEAD = 128;

export class Commands {
  readonly #terms: Terms;
  readonly #share: Share;
  readonly #dataOutLength: (lun: number, cdb: Uint8Array) => number;
  readonly open = new Map<number, Command>();
  #queue: Command[] = []; // those that wait for memory, oldest first
  #expCmdSN: number;
  #maxCmdSN: number;
  #nextTag = 1;

  constructor(what: {
    terms: Terms;
    share: Share;
    cmdSN: number;
    dataOutLength: (lun: number, cdb: Uint8Array) => number;
  }) {
    this.#terms = what.terms;
    this.#share = what.share;
    this.#dataOutLength = what.dataOutLength;
    this.#expCmdSN = what.cmdSN;
    this.#maxCmdSN = (what.cmdSN + WINDOW - 1) >>> 0;
  }

  get expCmdSN(): number {
    return this.#expCmdSN;
  }
  /** The window never shrinks (4.2.2.1): it stands still while commands are open, and moves on as they end. */
  get maxCmdSN(): number {
    const most = (this.#expCmdSN + Math.max(0, WINDOW - this.open.size) - 1) >>> 0;
    if (before(this.#maxCmdSN, most)) this.#maxCmdSN = most;
    return this.#maxCmdSN;
  }
  /** Do commands wait until something that is open, here or elsewhere, has ended? */
  get blocked(): boolean {
    return this.#queue.length > 0;
  }
  /** Is data-out expected? */
  get gathering(): boolean {
    for (const command of this.open.values()) if (command.state === "gathering") return true;
    return false;
  }

  /** Whose turn is it: this PDU's now, later (an earlier one is missing), or never (outside the window, or a duplicate). */
  turn(cmdSN: number): "now" | "later" | "never" {
    if (cmdSN === this.#expCmdSN) {
      if (before(this.#maxCmdSN, cmdSN)) return "never"; // a full window
      this.#expCmdSN = (cmdSN + 1) >>> 0;
      return "now";
    }
    return before(cmdSN, this.#expCmdSN) || before(this.#maxCmdSN, cmdSN) ? "never" : "later";
  }

  /** A SCSI Command PDU whose turn it is. Returns what is wrong with it, if anything. */
  take(
    view: DataView,
    at: number,
    data: Uint8Array,
    extra: Uint8Array,
    orders: CommandOrder[],
  ): "busy" | "protocol" | "crowded" | undefined {
    const command = new Command(view, at, extra);
    if (command.tag === NO_TAG) return "protocol";
    if (this.open.has(command.tag)) return "busy";
    if (this.open.size >= WINDOW + IMMEDIATE_BEYOND) return "crowded";
    const final = (view.getUint8(at + 1) & FINAL) !== 0;
    const unasked = Math.min(command.expected, this.#terms.firstBurst);
    if (data.length > 0 && (!command.writes || !this.#terms.immediateData || data.length > unasked))
      return "protocol";
    if (!final && (!command.writes || this.#terms.initialR2T)) return "protocol";
    if (command.writes) {
      command.takes = this.#dataOutLength(command.lun, command.cdb);
      command.wanted = Math.min(command.takes, command.expected, MOST_DATA);
    }
    command.unsolicited = !final;
    this.open.set(command.tag, command);
    const holds = command.writes ? command.wanted : command.reads ? Math.min(command.expected, MOST_DATA) : 0;
    command.cost = OVERHEAD + holds;
    const admitted = this.#queue.length === 0 && this.#share.admit(command.cost);
    if (admitted && final && data.length >= command.wanted) {
      command.dataOut = data.length === command.wanted ? data : data.subarray(0, command.wanted);
      command.state = "begun";
      orders.push({ do: "command", command });
      return undefined;
    }
    if (!admitted) {
      command.state = "waiting";
      this.#queue.push(command);
    }
    // While it waits it has room for what comes unasked only, which the window bounds.
    const room = admitted ? command.wanted : Math.min(command.wanted, final ? data.length : unasked);
    if (room > 0) command.dataOut = new Uint8Array(room);
    this.#place(command, 0, data);
    command.asked = data.length;
    if (admitted) this.#goOn(command, orders);
    return undefined;
  }

  /** Where shall the data of this Data-Out PDU go? Undefined: it is of no command that wants it. */
  room(view: DataView, at: number, length: number): Uint8Array | undefined {
    const command = this.open.get(view.getUint32(at + 16));
    const offset = view.getUint32(at + 40);
    return command && command.state !== "begun" && offset + length <= command.dataOut.length
      ? command.dataOut.subarray(offset, offset + length)
      : undefined;
  }

  /**
   * A Data-Out PDU. Data of commands that are over is dropped: they may have been aborted while it was under way. One that is not the next
   * in its sequence ends its command (7.9: at recovery level 0 nothing is asked for again).
   */
  data(view: DataView, at: number, data: Uint8Array, orders: CommandOrder[]): void {
    const command = this.open.get(view.getUint32(at + 16));
    if (!command || command.state === "begun") return;
    if (!this.#next(command, view, at, data)) orders.push({ do: "fail", command, sense: LOST_DATA });
    else if (command.state === "gathering") this.#goOn(command, orders);
  }

  /** Takes data that comes in its turn. */
  #next(command: Command, view: DataView, at: number, data: Uint8Array): boolean {
    const final = (view.getUint8(at + 1) & FINAL) !== 0;
    const target = view.getUint32(at + 20);
    const dataSN = view.getUint32(at + 36);
    const offset = view.getUint32(at + 40);
    if (target === NO_TAG) {
      const most = Math.min(command.expected, this.#terms.firstBurst);
      const fits = command.unsolicited && dataSN === command.dataSN && offset === command.asked;
      if (!fits || offset + data.length > most) return false;
      this.#place(command, offset, data);
      command.asked += data.length;
      command.dataSN += 1;
      command.unsolicited = !final;
    } else {
      const burst = command.bursts?.[0]; // they come in the order asked for (DataSequenceInOrder)
      if (!burst || burst.tag !== target || burst.dataSN !== dataSN || burst.at !== offset) return false;
      if (offset + data.length > burst.end || final !== (offset + data.length === burst.end)) return false;
      this.#place(command, offset, data);
      burst.at += data.length;
      burst.dataSN += 1;
      if (final) command.bursts?.shift();
    }
    return true;
  }

  /** Begins what had to wait, as far as there is room now. */
  next(orders: CommandOrder[]): void {
    for (let command = this.#queue[0]; command; command = this.#queue[0]) {
      if (command.state === "waiting") {
        if (!this.#share.admit(command.cost)) return;
        command.state = "gathering";
        if (command.dataOut.length < command.wanted) {
          const whole = new Uint8Array(command.wanted);
          whole.set(command.dataOut);
          command.dataOut = whole;
        }
        this.#goOn(command, orders);
      }
      this.#queue.shift();
    }
  }

  /** The command is answered, or aborted: it leaves the window. Its cost is the caller's to release; 0 if it had none yet. */
  close(command: Command): number {
    const { cost, state } = command;
    if (this.open.get(command.tag) === command) this.open.delete(command.tag);
    command.state = "over";
    return state === "waiting" || state === "over" ? 0 : cost;
  }

  #place(command: Command, offset: number, data: Uint8Array): void {
    const here = Math.min(data.length, Math.max(0, command.dataOut.length - offset));
    const inPlace =
      data.buffer === command.dataOut.buffer && data.byteOffset === command.dataOut.byteOffset + offset;
    if (here > 0 && !inPlace) command.dataOut.set(data.subarray(0, here), offset);
    command.got += here;
  }

  /** Begins a command whose data is here, or asks for more of it. */
  #goOn(command: Command, orders: CommandOrder[]): void {
    if (command.unsolicited) return;
    if (command.got >= command.wanted) {
      command.bursts = undefined;
      command.state = "begun";
      orders.push({ do: "command", command });
      return;
    }
    command.bursts ??= [];
    while (command.asked < command.wanted && command.bursts.length < this.#terms.mostR2T) {
      const length = Math.min(this.#terms.maxBurst, command.wanted - command.asked);
      const tag = this.#nextTag;
      this.#nextTag = tag >= 0x7fffffff ? 1 : tag + 1;
      const r2t = pdu(OP.R2T, FINAL, command.tag, NOTHING);
      r2t.view.setUint16(8, command.lun < 256 ? command.lun : 0x4000 | command.lun);
      r2t.view.setUint32(20, tag);
      r2t.view.setUint32(36, command.sent++);
      r2t.view.setUint32(40, command.asked);
      r2t.view.setUint32(44, length);
      command.bursts.push({ tag, at: command.asked, end: command.asked + length, dataSN: 0 });
      command.asked += length;
      orders.push({ do: "send", bytes: r2t.bytes, status: false });
    }
  }
}

/** ABORTED COMMAND, PROTOCOL SERVICE CRC ERROR (11.4.7.2), in the fixed format. */
const LOST_DATA = Uint8Array.of(0x70, 0, 0x0b, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x47, 0x05, 0, 0, 0, 0);
