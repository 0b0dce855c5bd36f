// The login phase (RFC 7143 section 6, 11.12, 11.13): who is it, may it, and on which terms.
import { concat } from "../../base/bytes.ts";
import { hex } from "../../base/text.ts";
import { Chap, type ChapSecrets, type ChapTools } from "./chap.ts";
import { defaults, MOST_RECEIVE, negotiate, settle, type Terms } from "./keys.ts";
import { FINAL, IMMEDIATE, NOTHING, OP, pdu, text } from "./pdu.ts";
import { nameOf, parseText } from "./text.ts";

/** Status class and detail (11.13.5). */
const STATUS = {
  INITIATOR: 0x0200,
  AUTHENTICATION: 0x0201,
  FORBIDDEN: 0x0202,
  NOT_FOUND: 0x0203,
  VERSION: 0x0205,
  MISSING: 0x0207,
  SESSION_TYPE: 0x0209,
  NO_SESSION: 0x020a,
  NOT_NOW: 0x020b,
  UNAVAILABLE: 0x0301,
} as const;

/** What find() is answered with. A refusal is worth another try to the initiator, unless it is final. */
export type Found =
  | { chap?: ChapSecrets | undefined }
  | { refused: string; final?: "unknown" | "forbidden" | undefined };
export interface Nexus {
  initiator: string;
  isid: string;
  /** Undefined: discovery. */
  target: string | undefined;
}
export type LoginOrder =
  | { do: "send"; bytes: Uint8Array; status: true }
  | ({ do: "find"; target: string } & Omit<Nexus, "target">)
  | ({ do: "admit" } & Nexus) // everything fits: end the session that this one replaces, then call admitted()
  | { do: "close"; why: string };

const SECURITY = 0;
const OPERATIONAL = 1;
const FULL = 3;
const MOST_TEXT = 16 << 10;
const NOT_OPERATIONAL = new Set([
  "InitiatorName",
  "TargetName",
  "SessionType",
  "AuthMethod",
  "CHAP_A",
  "CHAP_N",
  "CHAP_R",
  "CHAP_I",
  "CHAP_C",
]);

interface Round {
  keys: ReadonlyMap<string, string>;
  transit: boolean;
  next: number;
}

export class Login {
  readonly #tools: ChapTools;
  readonly terms: Terms = defaults();
  #stage = -1;
  #itt = 0;
  #isid = new Uint8Array(6);
  #text: Uint8Array = NOTHING;
  #seen = new Set<string>();
  #nexus: Nexus | undefined;
  #secrets: ChapSecrets | undefined;
  #chap: Chap | undefined;
  #trusted = false;
  #declared = false;
  #round: Round | undefined; // waits for found() or admitted()
  #reply: [string, string][] = [];
  /** Of the first request: commands are counted from there. */
  cmdSN = 0;
  connection = 0;
  ended = false;
  done = false;

  constructor(tools: ChapTools) {
    this.#tools = tools;
  }
  get waiting(): boolean {
    return this.#round !== undefined;
  }
  get nexus(): Nexus | undefined {
    return this.#nexus;
  }

  receive(view: DataView, at: number, data: Uint8Array): LoginOrder[] {
    if ((view.getUint8(at) & 0x3f) !== OP.LOGIN) {
      return this.#stage < 0
        ? this.#close("not an iSCSI login")
        : this.#refuse(STATUS.NOT_NOW, "other than a login during login");
    }
    const flags = view.getUint8(at + 1);
    const transit = (flags & FINAL) !== 0;
    const goesOn = (flags & 0x40) !== 0;
    const stage = (flags >> 2) & 3;
    const next = flags & 3;
    if (this.#stage < 0) {
      this.#isid = new Uint8Array(view.buffer, view.byteOffset + at + 8, 6).slice();
      this.#itt = view.getUint32(at + 16);
      this.connection = view.getUint16(at + 20);
      this.cmdSN = view.getUint32(at + 24);
      if (view.getUint8(at + 3) !== 0) return this.#refuse(STATUS.VERSION, "a version other than 0");
      if (view.getUint16(at + 14) !== 0)
        return this.#refuse(STATUS.NO_SESSION, "one connection is all that a session has");
      this.#stage = stage;
    }
    if (stage !== this.#stage || stage > OPERATIONAL || view.getUint32(at + 16) !== this.#itt)
      return this.#refuse(STATUS.INITIATOR, "a login request of another stage or task");
    if (transit && (goesOn || next <= stage || next === 2))
      return this.#refuse(STATUS.INITIATOR, "a login transit that cannot be");
    if (this.#text.length + data.length > MOST_TEXT)
      return this.#refuse(STATUS.INITIATOR, "too long a login text");
    const whole = this.#text.length === 0 ? data : concat([this.#text, data]);
    if (goesOn) {
      this.#text = whole === data ? data.slice() : whole;
      return [this.#response(this.#stage << 2, [])];
    }
    this.#text = NOTHING;
    const keys = parseText(whole);
    if (!keys) return this.#refuse(STATUS.INITIATOR, "login keys that are not key=value");
    for (const key of keys.keys()) {
      if (this.#seen.has(key)) return this.#refuse(STATUS.INITIATOR, `${key} is negotiated twice`);
      this.#seen.add(key);
    }
    const round = { keys, transit, next };
    return this.#nexus ? this.#go(round) : this.#first(round);
  }

  /** find()'s answer. */
  found(found: Found): LoginOrder[] {
    const round = this.#round;
    if (!round || this.ended) return [];
    this.#round = undefined;
    if ("refused" in found) {
      const status =
        found.final === "unknown"
          ? STATUS.NOT_FOUND
          : found.final === "forbidden"
            ? STATUS.FORBIDDEN
            : STATUS.UNAVAILABLE;
      return this.#refuse(status, found.refused);
    }
    this.#secrets = found.chap;
    this.#trusted = found.chap === undefined;
    return this.#go(round);
  }

  /** The session may begin: the last response, with its handle. Or it may not, for now. */
  admitted(answer: { tsih: number } | { refused: string }): LoginOrder[] {
    if (!this.#round || this.ended) return [];
    this.#round = undefined;
    if ("refused" in answer) return this.#refuse(STATUS.UNAVAILABLE, answer.refused);
    settle(this.terms);
    this.done = true;
    return [this.#response(FINAL | (this.#stage << 2) | FULL, this.#reply.splice(0), { tsih: answer.tsih })];
  }

  #first(round: Round): LoginOrder[] {
    const initiator = nameOf(round.keys.get("InitiatorName") ?? "");
    if (initiator === undefined) return this.#refuse(STATUS.MISSING, "no InitiatorName, or a bad one");
    const type = round.keys.get("SessionType") ?? "Normal";
    const named = round.keys.get("TargetName");
    const isid = hex(this.#isid);
    if (type === "Discovery") {
      this.#nexus = { initiator, isid, target: undefined };
      this.#trusted = true;
      return this.#go(round);
    }
    if (type !== "Normal") return this.#refuse(STATUS.SESSION_TYPE, "a session neither normal nor discovery");
    if (named === undefined) return this.#refuse(STATUS.MISSING, "no TargetName");
    const target = nameOf(named);
    if (target === undefined) return this.#refuse(STATUS.NOT_FOUND, "a TargetName that cannot be");
    this.#nexus = { initiator, isid, target };
    this.#reply.push(["TargetPortalGroupTag", "1"]); // in the first response that follows a TargetName (13.9)
    this.#round = round;
    return [{ do: "find", target, initiator, isid }];
  }

  #go(round: Round): LoginOrder[] {
    let refused: LoginOrder[] | undefined;
    if (this.#stage === SECURITY) refused = this.#secure(round);
    else if (!this.#trusted) refused = this.#refuse(STATUS.AUTHENTICATION, "CHAP is left out");
    if (refused) return refused;
    this.#negotiate(round.keys);
    if (!round.transit || !this.#trusted) return [this.#response(this.#stage << 2, this.#reply.splice(0))];
    if (round.next === FULL) {
      this.#round = round;
      return [{ do: "admit", ...(this.#nexus as Nexus) }];
    }
    const flags = FINAL | (this.#stage << 2) | round.next;
    this.#stage = round.next;
    return [this.#response(flags, this.#reply.splice(0))];
  }

  /** One round of security: chooses the method, or goes on with CHAP. */
  #secure({ keys, transit }: Round): LoginOrder[] | undefined {
    const offers = keys.get("AuthMethod")?.split(",");
    if (offers) {
      const method = this.#secrets ? "CHAP" : "None";
      if (!offers.includes(method))
        return this.#refuse(STATUS.AUTHENTICATION, `the initiator does not offer AuthMethod ${method}`);
      this.#reply.push(["AuthMethod", method]);
      if (this.#secrets) this.#chap = new Chap(this.#secrets, this.#tools);
    }
    if (this.#trusted) return undefined;
    if (!this.#chap) {
      return transit ? this.#refuse(STATUS.AUTHENTICATION, "CHAP is left out") : undefined;
    }
    if (offers && !keys.has("CHAP_A")) return undefined;
    const step = this.#chap.step(keys);
    for (const key of keys.keys()) if (key.startsWith("CHAP_")) this.#seen.delete(key);
    if ("refused" in step) return this.#refuse(STATUS.AUTHENTICATION, step.refused);
    this.#reply.push(...step.say);
    this.#trusted = step.done;
    return undefined;
  }

  #negotiate(keys: ReadonlyMap<string, string>): void {
    const at = { terms: this.terms, discovery: this.#nexus?.target === undefined, login: true };
    for (const [key, value] of keys) {
      if (NOT_OPERATIONAL.has(key)) continue;
      const answer = negotiate(key, value, at);
      if (answer !== undefined) this.#reply.push([key, answer]);
    }
    if (this.#stage !== OPERATIONAL || this.#declared) return;
    this.#declared = true;
    this.#reply.push(["MaxRecvDataSegmentLength", String(MOST_RECEIVE)]);
  }

  #response(
    flags: number,
    pairs: [string, string][],
    more: { tsih?: number; status?: number } = {},
  ): LoginOrder {
    const { bytes, view } = pdu(OP.LOGIN_RESPONSE, flags, this.#itt, text(pairs));
    bytes.set(this.#isid, 8);
    view.setUint16(14, more.tsih ?? 0);
    view.setUint16(36, more.status ?? 0);
    return { do: "send", bytes, status: true };
  }

  #refuse(status: number, why: string): LoginOrder[] {
    const stage = Math.max(this.#stage, 0) & OPERATIONAL;
    return [this.#response(stage << 2, [], { status }), ...this.#close(why)];
  }
  #close(why: string): LoginOrder[] {
    this.ended = true;
    return [{ do: "close", why }];
  }
}

/** Is it the first byte of a login? Anything else is no iSCSI initiator. */
export const looksLikeLogin = (first: number): boolean => (first & ~IMMEDIATE) === OP.LOGIN;
