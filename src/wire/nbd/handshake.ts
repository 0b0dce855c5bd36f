// The handshake of one NBD client: fixed newstyle options (doc/proto.md "Handshake", "Option types").
import { Reader, Writer } from "../../base/bytes.ts";
import { BrambleError } from "../../base/errors.ts";
import { toUtf8, utf8 } from "../../base/text.ts";
import {
  ALLOCATION,
  ALLOCATION_ID,
  ANSWER,
  CAN,
  HELLO,
  IHAVEOPT,
  INFO,
  MOST_NAME,
  MOST_OPTION,
  MOST_OPTIONS,
  MOST_PAYLOAD,
  NBDMAGIC,
  OPTION,
  OPTION_REPLY,
  PREFERRED_BLOCK,
} from "./protocol.ts";
import type { Export } from "./requests.ts";

export type HandshakeOrder =
  | { do: "send"; bytes: Uint8Array }
  | { do: "find"; name: string } // answered with found()
  | { do: "list" } // answered with listed()
  | { do: "attach" } // the client took the export found last: requests follow
  | { do: "close"; why: string };

/** What an export is to the handshake. */
export interface ExportFacts extends Export {
  /** A flush on one connection covers what every other has been told is written. */
  multiConn: boolean;
}

interface GoQuestion {
  option: typeof OPTION.GO | typeof OPTION.INFO;
  name: string;
  infos: Set<number>;
}
interface ContextQuestion {
  option: typeof OPTION.LIST_META_CONTEXT | typeof OPTION.SET_META_CONTEXT;
  name: string;
  queries: string[];
}
type NamedQuestion = GoQuestion | ContextQuestion | { option: typeof OPTION.EXPORT_NAME; name: string };

export class Handshake {
  #flags: number | undefined; // the client's
  #options = 0;
  #skip = 0;
  #tooBig = 0; // the option that is skipped
  #question: NamedQuestion | { option: typeof OPTION.LIST } | undefined;
  #context: string | undefined; // the export that base:allocation was chosen for
  #chosen: ExportFacts | undefined;
  #status = false;
  #ended = false;
  structured = false;

  /** The export that requests go to now, and whether BLOCK_STATUS was agreed on. */
  get chosen(): { export: ExportFacts; status: boolean } | undefined {
    return this.#chosen && { export: this.#chosen, status: this.#status };
  }
  /** Is an answer of found() or listed() awaited? Nothing is parsed before it. */
  get waiting(): boolean {
    return this.#question !== undefined;
  }

  start(): HandshakeOrder[] {
    return [
      send(
        new Writer(18)
          .u64(NBDMAGIC)
          .u64(IHAVEOPT)
          .u16(HELLO.FIXED_NEWSTYLE | HELLO.NO_ZEROES),
      ),
    ];
  }

  /** Takes whole messages from `at` on; returns where the first one starts that is not here whole. */
  take(bytes: Uint8Array, at: number, orders: HandshakeOrder[]): number {
    let p = at;
    while (!this.#question && !this.#chosen && !this.#ended) {
      const used = this.#one(bytes.subarray(p), orders);
      if (used === 0) break;
      p += used;
    }
    return this.#ended ? bytes.length : p;
  }

  found(facts: ExportFacts | undefined): HandshakeOrder[] {
    const question = this.#question;
    this.#question = undefined;
    const orders: HandshakeOrder[] = [];
    if (!question || question.option === OPTION.LIST) return orders;
    if (question.option === OPTION.EXPORT_NAME) this.#take(question, facts, orders);
    else if (!facts) this.#reply(orders, question.option, ANSWER.ERR_UNKNOWN);
    else if ("infos" in question) this.#inform(question, facts, orders);
    else this.#contexts(question, orders);
    return orders;
  }

  listed(names: readonly string[]): HandshakeOrder[] {
    const orders: HandshakeOrder[] = [];
    this.#question = undefined;
    for (const name of names) {
      const bytes = toUtf8(name);
      const entry = new Writer(4 + bytes.length).u32(bytes.length).bytes(bytes);
      this.#reply(orders, OPTION.LIST, ANSWER.SERVER, entry);
    }
    this.#reply(orders, OPTION.LIST, ANSWER.ACK);
    return orders;
  }

  #one(bytes: Uint8Array, orders: HandshakeOrder[]): number {
    if (this.#skip > 0) return this.#pass(bytes.length, orders);
    const r = new Reader("NBD handshake", bytes);
    if (this.#flags === undefined) {
      if (r.left < 4) return 0;
      this.#flags = r.u32("client flags");
      if (this.#flags & ~(HELLO.FIXED_NEWSTYLE | HELLO.NO_ZEROES))
        this.#close(orders, "unknown client flags");
      return 4;
    }
    if (r.left < 16) return 0;
    if (r.u64("magic") !== IHAVEOPT) return this.#close(orders, "bad option magic");
    const option = r.u32("option");
    const length = r.u32("length");
    if (length > MOST_OPTION) {
      if (option === OPTION.EXPORT_NAME) return this.#close(orders, `export name of ${length} bytes`);
      this.#skip = length;
      this.#tooBig = option;
      return this.#count(orders) ? 16 : 0;
    }
    if (r.left < length) return 0;
    if (this.#count(orders)) this.#option(option, r.view(length, "data"), orders);
    return 16 + length;
  }

  #count(orders: HandshakeOrder[]): boolean {
    this.#options += 1;
    if (this.#options > MOST_OPTIONS) this.#close(orders, `more than ${MOST_OPTIONS} options`);
    return !this.#ended;
  }

  #pass(here: number, orders: HandshakeOrder[]): number {
    const more = Math.min(this.#skip, here);
    this.#skip -= more;
    if (this.#skip === 0) this.#reply(orders, this.#tooBig, ANSWER.ERR_TOO_BIG);
    return more;
  }

  #option(option: number, data: Uint8Array, orders: HandshakeOrder[]): void {
    const answer = (type: number) => this.#reply(orders, option, type);
    switch (option) {
      case OPTION.EXPORT_NAME:
        this.#ask({ option, name: utf8(data) }, orders);
        break;
      case OPTION.ABORT:
        answer(ANSWER.ACK);
        this.#close(orders, "client left");
        break;
      case OPTION.LIST:
        if (data.length > 0) answer(ANSWER.ERR_INVALID);
        else {
          this.#question = { option };
          orders.push({ do: "list" });
        }
        break;
      case OPTION.STRUCTURED_REPLY:
        this.structured ||= data.length === 0;
        answer(data.length > 0 ? ANSWER.ERR_INVALID : ANSWER.ACK);
        break;
      case OPTION.INFO:
      case OPTION.GO:
      case OPTION.LIST_META_CONTEXT:
      case OPTION.SET_META_CONTEXT: {
        const question = read(option, data);
        const sets = option === OPTION.SET_META_CONTEXT;
        if (sets) this.#context = undefined; // each one replaces the last, also when it fails
        if (!question || (sets && !this.structured)) answer(ANSWER.ERR_INVALID);
        else this.#ask(question, orders);
        break;
      }
      default: // STARTTLS and extended headers too: clients go on without
        answer(ANSWER.ERR_UNSUP);
    }
  }

  #ask(question: NamedQuestion, orders: HandshakeOrder[]): void {
    this.#question = question;
    orders.push({ do: "find", name: question.name });
  }

  /** EXPORT_NAME has no way to say no but to hang up. */
  #take({ name }: { name: string }, facts: ExportFacts | undefined, orders: HandshakeOrder[]): void {
    if (!facts) {
      this.#close(orders, "no such export");
      return;
    }
    const head = new Writer(134).u64(BigInt(facts.size)).u16(this.#can(facts));
    if (!((this.#flags ?? 0) & HELLO.NO_ZEROES)) head.zeros(124);
    orders.push(send(head));
    this.#choose(name, facts, orders);
  }

  #inform({ option, name, infos }: GoQuestion, facts: ExportFacts, orders: HandshakeOrder[]): void {
    const size = new Writer(12).u16(INFO.EXPORT).u64(BigInt(facts.size)).u16(this.#can(facts));
    this.#reply(orders, option, ANSWER.INFO, size);
    if (infos.has(INFO.NAME))
      this.#reply(orders, option, ANSWER.INFO, new Writer().u16(INFO.NAME).bytes(toUtf8(name)));
    if (infos.has(INFO.BLOCK_SIZE)) {
      const sizes = new Writer(14).u16(INFO.BLOCK_SIZE).u32(1).u32(PREFERRED_BLOCK).u32(MOST_PAYLOAD);
      this.#reply(orders, option, ANSWER.INFO, sizes);
    }
    this.#reply(orders, option, ANSWER.ACK);
    if (option === OPTION.GO) this.#choose(name, facts, orders);
  }

  #contexts({ option, name, queries }: ContextQuestion, orders: HandshakeOrder[]): void {
    const set = option === OPTION.SET_META_CONTEXT;
    const all = !set && (queries.length === 0 || queries.includes("base:"));
    if (all || queries.includes(ALLOCATION)) {
      if (set) this.#context = name;
      const context = new Writer().u32(set ? ALLOCATION_ID : 0).bytes(toUtf8(ALLOCATION));
      this.#reply(orders, option, ANSWER.META_CONTEXT, context);
    }
    this.#reply(orders, option, ANSWER.ACK);
  }

  #choose(name: string, facts: ExportFacts, orders: HandshakeOrder[]): void {
    this.#chosen = facts;
    this.#status = this.#context === name && this.structured;
    orders.push({ do: "attach" });
  }

  #can(facts: ExportFacts): number {
    return (
      CAN.HAS_FLAGS |
      CAN.FLUSH |
      CAN.FUA |
      (facts.readOnly ? CAN.READ_ONLY : CAN.TRIM | CAN.WRITE_ZEROES) |
      (this.structured ? CAN.DF : 0) |
      (facts.multiConn ? CAN.MULTI_CONN : 0)
    );
  }

  #reply(orders: HandshakeOrder[], option: number, type: number, data = new Writer(0)): void {
    orders.push(
      send(
        new Writer(20 + data.length)
          .u64(OPTION_REPLY)
          .u32(option)
          .u32(type)
          .u32(data.length)
          .bytes(data.done()),
      ),
    );
  }

  #close(orders: HandshakeOrder[], why: string): 0 {
    this.#ended = true;
    orders.push({ do: "close", why });
    return 0;
  }
}

/** The data of INFO, GO and the two META_CONTEXT options, undefined where it contradicts itself. */
function read(
  option: (GoQuestion | ContextQuestion)["option"],
  data: Uint8Array,
): GoQuestion | ContextQuestion | undefined {
  const r = new Reader("NBD option", data);
  const text = (what: string) => {
    const length = r.u32(`${what} length`);
    if (length > MOST_NAME) throw r.bad(what, `${length} bytes`);
    return utf8(r.view(length, what));
  };
  try {
    const name = text("name");
    let question: GoQuestion | ContextQuestion;
    if (option === OPTION.INFO || option === OPTION.GO) {
      const infos = Array.from({ length: r.u16("count") }, () => r.u16("information request"));
      question = { option, name, infos: new Set(infos) };
    } else {
      const count = r.u32("count");
      const queries: string[] = [];
      while (queries.length < count) queries.push(text("query")); // ends at the data's end at the latest
      question = { option, name, queries };
    }
    return r.left === 0 ? question : undefined;
  } catch (error) {
    if (error instanceof BrambleError) return undefined;
    throw error;
  }
}

const send = (w: Writer): HandshakeOrder => ({ do: "send", bytes: w.done() });
