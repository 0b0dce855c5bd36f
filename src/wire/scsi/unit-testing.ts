// For tests: an edge over an array, which does orders when it is told to and in the order that it is told.

import type { Extent } from "../../base/disk.ts";
import { hex } from "../../base/text.ts";
import { LogicalUnit, type Result, type Task, type UnitDo, type UnitFacts } from "./unit.ts";

export const FACTS: UnitFacts = {
  size: 1 << 20,
  blockSize: 512,
  physicalBlock: 4096,
  readOnly: false,
  product: "VOLUME",
  serial: "0123456789abcdef",
  naa: 0x3123_4567_89ab_cdefn,
};

export interface Told {
  status: number;
  /** "KK/AA/QQ" of fixed or descriptor sense data, "" for none. */
  sense: string;
  dataIn: Uint8Array;
  raw: Uint8Array | undefined;
}
type Answer = UnitDo & { do: "answer" };
type Work = Exclude<UnitDo, Answer>;

const bytesOf = (text: string): Uint8Array =>
  Uint8Array.from(text.replace(/\s/g, "").match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));

/** A CDB out of hex, padded as the edge does it. */
export const cdbOf = (text: string): Uint8Array => {
  const out = new Uint8Array(16);
  out.set(bytesOf(text));
  return out;
};

export const senseWords = (sense: Uint8Array | undefined): string => {
  if (!sense) return "";
  const at = (sense[0] as number) & 0x02 ? [1, 2, 3] : [2, 12, 13];
  return at.map((i) => hex(sense.subarray(i, i + 1))).join("/");
};

export class Bench {
  readonly unit: LogicalUnit;
  readonly disk: Uint8Array;
  /** One for each block. */
  readonly kinds: Extent["kind"][];
  readonly answers = new Map<string, Told>(); // by nexus and tag
  readonly pending: Work[] = [];
  readonly done: string[] = []; // orders in words, as they were done
  saved: string | undefined;
  /** What the disk says to the next orders of a kind. */
  readonly faults = new Map<Work["do"], string>();
  #tags = 0;

  constructor(facts: Partial<UnitFacts> = {}, saved = "") {
    this.unit = new LogicalUnit({ ...FACTS, ...facts }, saved);
    this.disk = new Uint8Array(this.unit.facts.size);
    this.kinds = Array.from({ length: this.disk.length / 512 }, () => "hole");
  }

  /** Logs in and hears what every newcomer hears. */
  login(...nexuses: string[]): this {
    for (const nexus of nexuses) {
      this.unit.opened(nexus);
      this.ask(nexus, "00");
    }
    return this;
  }

  begin(
    nexus: string,
    cdb: string,
    more: { dataOut?: Uint8Array; attribute?: Task["attribute"] } = {},
  ): number {
    const tag = ++this.#tags;
    const { dataOut = new Uint8Array(0), attribute = "simple" } = more;
    const given = { cdb: cdbOf(cdb), dataOut: dataOut.slice() };
    const orders = this.unit.begin({ tag, nexus, ...given, attribute });
    this.#tagOf.set(this.unit.begun, `${nexus} ${tag}`);
    // Only what an order shows is still ours to read: the rest of what was handed over is somebody else's now.
    given.cdb.fill(0xff);
    if (!orders.some((order) => order.do === "write")) given.dataOut.fill(0xee);
    this.take(orders);
    return tag;
  }

  told(nexus: string, tag: number): Told | undefined {
    return this.answers.get(`${nexus} ${tag}`);
  }

  /** One command, all of its orders done, and its answer. */
  ask(nexus: string, cdb: string, dataOut?: Uint8Array): Told {
    const tag = this.begin(nexus, cdb, dataOut ? { dataOut } : {});
    this.run();
    const answer = this.told(nexus, tag);
    if (!answer) throw new Error(`no answer to ${cdb}`);
    return answer;
  }

  run(pick: (count: number) => number = () => 0): void {
    while (this.pending.length > 0) this.runOne(pick(this.pending.length));
  }

  runOne(index: number): void {
    const [order] = this.pending.splice(index, 1);
    if (!order) throw new Error("nothing to do");
    const result = this.#perform(order);
    const tag = this.#tagOf.get(order.handle);
    if (order.do === "read" && order.last && tag && !result.error && !this.gone.has(tag))
      this.answers.set(tag, { status: 0, sense: "", dataIn: result.bytes as Uint8Array, raw: undefined });
    this.take(this.unit.done(order.handle, result), tag);
  }

  /** Tasks of which the unit said that they are aborted: no answer may come. */
  readonly gone = new Set<string>();
  readonly #tagOf = new Map<number, string>();

  take(orders: readonly UnitDo[], tag?: string): void {
    for (const order of orders) {
      if (order.do !== "answer") {
        this.pending.push(order);
        continue;
      }
      const key = `${order.nexus} ${order.tag}`;
      if (this.answers.has(key) || this.gone.has(key))
        throw new Error(`a second answer to ${key} after ${tag}`);
      const { status, sense, dataIn = new Uint8Array(0) } = order;
      this.answers.set(key, { status, sense: senseWords(sense), dataIn, raw: sense });
    }
  }

  #perform(order: Work): Result {
    this.done.push(
      order.do === "flush" || order.do === "save"
        ? order.do
        : `${order.do} ${order.offset}+${lengthOf(order)}${keptOf(order)}`,
    );
    const code = this.faults.get(order.do);
    if (code) return { error: { code } };
    switch (order.do) {
      case "read":
        return { bytes: this.disk.slice(order.offset, order.offset + order.length) };
      case "write":
        this.#change(order.offset, order.bytes.length, "data").set(order.bytes);
        return {};
      case "zero":
      case "trim":
        this.#change(order.offset, order.length, "zero").fill(0);
        return {};
      case "status":
        return { extents: this.#extents(order.offset, order.length) };
      case "save":
        this.saved = order.reservations;
        return {};
      case "flush":
        return {};
    }
  }

  #change(offset: number, length: number, kind: Extent["kind"]): Uint8Array {
    if (offset < 0 || offset + length > this.disk.length)
      throw new Error(`outside the unit: ${offset}+${length}`);
    this.kinds.fill(kind, offset / 512, (offset + length) / 512);
    return this.disk.subarray(offset, offset + length);
  }

  #extents(offset: number, length: number): Extent[] {
    const out: Extent[] = [];
    for (let at = offset; at < offset + length; at += 512) {
      const kind = this.kinds[at / 512] as Extent["kind"];
      const last = out.at(-1);
      if (last?.kind === kind) last.length += 512;
      else out.push({ offset: at, length: 512, kind });
    }
    return out;
  }
}

const keptOf = (order: Work): string => (order.do === "zero" && order.keep ? " kept" : "");
const lengthOf = (order: Work): number =>
  order.do === "write" ? order.bytes.length : "length" in order ? order.length : 0;

/** PERSISTENT RESERVE OUT actions. */
export const hexKey = (key: bigint) => key.toString(16).padStart(16, "0");
export const VERB = {
  register: 0,
  reserve: 1,
  release: 2,
  clear: 3,
  preempt: 4,
  preemptAndAbort: 5,
  ignore: 6,
} as const;

/** PERSISTENT RESERVE OUT. */
export function out(
  bench: Bench,
  nexus: string,
  verb: keyof typeof VERB,
  what: { key?: bigint; action?: bigint; type?: number; aptpl?: boolean },
) {
  const { key = 0n, action = 0n, type = 0, aptpl = false } = what;
  const list = `${hexKey(key)}${hexKey(action)}00000000${aptpl ? "01" : "00"}000000`;
  const cdb = `5f 0${VERB[verb]} 0${type} 0000 00000018`;
  return bench.ask(nexus, cdb, bytesOf(list));
}
