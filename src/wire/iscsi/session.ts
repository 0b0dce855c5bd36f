// One iSCSI initiator's session, seen from the target: facts in, orders out (RFC 7143, error recovery level 0).
import { type Allowance, type Limits, Share } from "../nbd/limits.ts";
import type { ChapTools } from "./chap.ts";
import type { Command } from "./command.ts";
import { Commands } from "./commands.ts";
import { Full, type FullOrder } from "./full.ts";
import { MOST_LOGIN, MOST_RECEIVE } from "./keys.ts";
import { type Found, Login, type LoginOrder, looksLikeLogin, type Nexus } from "./login.ts";
import { NOTHING, REASON } from "./pdu.ts";
import { PduReader, type PduTaker } from "./reader.ts";
import { Sender } from "./sender.ts";

/** What the caller must do now, in order. After `close` there are no more: what was sent may leave, then the line is cut. */
export type Order = LoginOrder | FullOrder;

export interface SessionOptions {
  limits: Limits;
  allowance: Allowance;
  tools: ChapTools;
  /** How the initiator reached us, for SendTargets: `10.0.0.1:3260`, `[fd00::1]:3260`. */
  address: string;
  /** Bytes of data-out that a CDB for this LUN takes; 0 where there is no unit. */
  dataOutLength(lun: number, cdb: Uint8Array): number;
}

/**
 * Holds no socket, clock, file or promise. `send` orders are to be put into what leaves with `sender.put()`, at the moment when they
 * are put there: numbers count in that order. Commands are answered by the caller in any order (sender.putDataIn, putResponse), after
 * close(command); it says with left() when the answers have left.
 */
export class Session {
  readonly #options: SessionOptions;
  readonly #share: Share;
  readonly #login: Login;
  readonly #reader: PduReader;
  readonly sender: Sender;
  #full: Full | undefined;
  #orders: Order[] = [];
  #held: Uint8Array = NOTHING;
  #at = 0; // what of #held is done
  #ended = false;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.#share = new Share(options.limits, options.allowance);
    this.#login = new Login(options.tools);
    const login = this.#login;
    this.sender = new Sender({
      get expCmdSN() {
        return login.cmdSN;
      },
      get maxCmdSN() {
        return login.cmdSN;
      },
    });
    const full = () => this.#ended || this.#login.waiting || this.#full?.leaving === true;
    const taker: PduTaker = {
      get full() {
        return full();
      },
      pdu: (view, at, data, extra) => this.#pdu(view, at, data, extra),
      room: (view, at, length) => this.#full?.commands.room(view, at, length) ?? new Uint8Array(length),
      damaged: (what, view, at) =>
        this.#broken(
          `a ${what} digest that does not fit`,
          what === "data" ? REASON.DATA_DIGEST : REASON.PROTOCOL,
          what === "data" ? view : undefined,
          at,
        ),
      tooLong: (length) => this.#broken(`a data segment of ${length} bytes`, REASON.PROTOCOL, undefined, 0),
    };
    this.#reader = new PduReader(taker, MOST_LOGIN);
  }

  get stage(): "login" | "full" | "ended" {
    return this.#ended ? "ended" : this.#full ? "full" : "login";
  }
  get nexus(): Nexus | undefined {
    return this.#login.nexus;
  }
  /** The longest data segment that the initiator takes, and the longest run of them (11.7.1). */
  get mostSend(): number {
    return this.#login.terms.mostSend;
  }
  get maxBurst(): number {
    return this.#login.terms.maxBurst;
  }
  /** The connection's id, which a logout names. */
  get connection(): number {
    return this.#login.connection;
  }
  /** False while it waits for found() or admitted(). The socket should not be read then. */
  get hungry(): boolean {
    return !this.#ended && !this.#login.waiting && this.#full?.leaving !== true;
  }
  /** Do commands wait until something that is open, here or elsewhere, has ended? */
  get blocked(): boolean {
    return !this.#ended && this.#full?.commands.blocked === true;
  }
  /** Does it wait for bytes of the initiator: the rest of a PDU, or data-out? */
  get awaitsData(): boolean {
    return !this.#ended && (this.#reader.inside || this.#full?.commands.gathering === true);
  }
  /** Commands that are not answered yet. */
  get open(): Iterable<Command> {
    return this.#full?.commands.open.values() ?? [];
  }

  /** Takes whatever the socket gave, cut anywhere. What is kept is copied; data in the orders may be a view of it. */
  receive(chunk: Uint8Array): Order[] {
    if (this.#ended) return [];
    if (this.#at === this.#held.length) {
      if (this.stage === "login" && this.#held.length === 0 && !this.#begun(chunk)) return this.#drain();
      return this.#run(chunk, 0, true);
    }
    const bytes = new Uint8Array(this.#held.length - this.#at + chunk.length);
    bytes.set(this.#held.subarray(this.#at));
    bytes.set(chunk, this.#held.length - this.#at);
    return this.#run(bytes, 0, false);
  }

  found(found: Found): Order[] {
    return this.#then(this.#login.found(found));
  }
  /** The session may begin (or, for now, not): digests and the command window hold from here on. */
  admitted(answer: { tsih: number } | { refused: string }): Order[] {
    const orders = this.#login.admitted(answer);
    if (this.#login.done) this.#begin();
    return this.#then(orders);
  }
  listed(names: readonly string[]): Order[] {
    return this.#full?.listed(names) ?? [];
  }
  managed(tag: number, response: number): Order[] {
    return this.#ended ? [] : (this.#full?.managed(tag, response) ?? []);
  }
  loggedOut(tag: number, response: number): Order[] {
    if (this.#ended) return [];
    return this.#then(this.#full?.loggedOut(tag, response) ?? []);
  }
  ping(): Order[] {
    return this.#ended ? [] : (this.#full?.ping() ?? []);
  }
  askToLogOut(seconds: number): Order[] {
    return this.#ended ? [] : (this.#full?.askToLogOut(seconds) ?? []);
  }

  /** Goes on with commands that had to wait for memory. */
  next(): Order[] {
    if (this.#ended || !this.#full) return [];
    const orders: FullOrder[] = [];
    this.#full.commands.next(orders as never);
    return orders;
  }
  /** The command is over: answered, or aborted. Returns its cost, to be given to left(). */
  close(command: Command): number {
    return this.#full?.commands.close(command) ?? 0;
  }
  /** So many answers have left (or will never), so that their cost is free again. */
  left(commands: number, cost: number): void {
    if (commands > 0) this.#share.release(commands, cost);
  }

  /** The connection is over: nothing is held any more. */
  end(): void {
    this.#ended = true;
    this.#held = NOTHING;
    this.#at = 0;
    this.#share.end();
  }

  /** Is it a login that begins here? A stranger's first byte tells, before anything is held of it. */
  #begun(chunk: Uint8Array): boolean {
    if (this.#reader.inside || this.#login.nexus || chunk.length === 0) return true;
    if (looksLikeLogin(chunk[0] ?? 0)) return true;
    this.#end("not an iSCSI login");
    return false;
  }

  #begin(): void {
    const { terms, nexus, cmdSN } = this.#login;
    const commands = new Commands({
      terms,
      share: this.#share,
      cmdSN,
      dataOutLength: this.#options.dataOutLength,
    });
    const { address } = this.#options;
    const target = nexus?.target;
    this.#full = new Full({ commands, terms, discovery: target === undefined, address, target });
    this.#reader.mostData = MOST_RECEIVE;
    this.#reader.headerDigest = this.sender.headerDigest = terms.headerDigest;
    this.#reader.dataDigest = this.sender.dataDigest = terms.dataDigest;
    this.sender.numbers = commands;
  }

  #pdu(view: DataView, at: number, data: Uint8Array, extra: Uint8Array): void {
    if (this.#full) {
      this.#full.pdu(view, at, data, extra, this.#orders as FullOrder[]);
      this.#ended ||= this.#full.ended;
    } else {
      this.#orders.push(...this.#login.receive(view, at, data));
      this.#ended ||= this.#login.ended;
    }
  }

  #broken(why: string, reason: number, view: DataView | undefined, at: number): void {
    if (this.#full) this.#orders.push(...this.#full.damaged(reason, why, view, at));
    else this.#orders.push({ do: "close", why });
    this.#ended = true;
  }
  #end(why: string): void {
    this.#orders.push({ do: "close", why });
    this.#ended = true;
  }

  /** Orders of an answer, and then those of what was held meanwhile. */
  #then(orders: Order[]): Order[] {
    if (this.#login.ended || this.#full?.ended) this.#ended = true;
    if (this.#ended || this.#at === this.#held.length) return orders;
    return [...orders, ...this.#run(this.#held, this.#at, false)];
  }

  #run(bytes: Uint8Array, at: number, borrowed: boolean): Order[] {
    const p = this.#reader.take(bytes, at);
    if (p === bytes.length || this.#ended) {
      this.#held = NOTHING;
      this.#at = 0;
    } else {
      this.#held = borrowed ? bytes.slice(p) : bytes;
      this.#at = borrowed ? 0 : p;
    }
    return this.#drain();
  }
  #drain(): Order[] {
    const orders = this.#orders;
    this.#orders = [];
    return orders;
  }
}
