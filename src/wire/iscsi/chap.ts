// CHAP for one login (RFC 7143 12.1.3, RFC 1994): the initiator proves its secret and may ask for proof of ours.
import { concat } from "../../base/bytes.ts";
import { toUtf8 } from "../../base/text.ts";
import { binary, bytesOf, numberOf } from "./text.ts";

export interface Credentials {
  user: string;
  secret: string;
}
export interface ChapSecrets extends Credentials {
  /** What we prove who we are with, to initiators that ask. */
  mutual?: Credentials;
}
/** What the world gives: a digest, and random bytes that nobody can foresee. */
export interface ChapTools {
  digest(algorithm: "md5" | "sha256", bytes: Uint8Array): Uint8Array;
  random(length: number): Uint8Array;
}

/** IANA's numbers (12.1.3). SHA-1 (6) is no better than MD5 in any way that counts here; whoever can has SHA-256. */
const ALGORITHMS: { readonly [number: number]: "md5" | "sha256" } = { 5: "md5", 7: "sha256" };
const CHALLENGE = 32;
const LEAST_CHALLENGE = 8;
const MOST_CHALLENGE = 1024;

/** An answer to the initiator, or why it is refused. */
export type ChapStep = { say: [string, string][]; done: boolean } | { refused: string };

export class Chap {
  readonly #secrets: ChapSecrets;
  readonly #tools: ChapTools;
  #asked: { algorithm: "md5" | "sha256"; id: number; challenge: Uint8Array } | undefined;
  #over = false;

  constructor(secrets: ChapSecrets, tools: ChapTools) {
    this.#secrets = secrets;
    this.#tools = tools;
  }

  /** One round: first CHAP_A, then CHAP_N and CHAP_R. A challenge serves once: after any answer to it this object is done. */
  step(keys: ReadonlyMap<string, string>): ChapStep {
    if (this.#over) return { refused: "CHAP goes on after its end" };
    return this.#asked ? this.#judge(keys, this.#asked) : this.#ask(keys);
  }

  #ask(keys: ReadonlyMap<string, string>): ChapStep {
    const offers = (keys.get("CHAP_A") ?? "").split(",").map(numberOf);
    const chosen = offers.find((offer) => offer !== undefined && ALGORITHMS[offer] !== undefined);
    const algorithm = chosen === undefined ? undefined : ALGORITHMS[chosen];
    if (!algorithm || keys.has("CHAP_R")) {
      this.#over = true;
      return { refused: "no CHAP algorithm in common: MD5 (5) and SHA-256 (7) are spoken here" };
    }
    const id = this.#tools.random(1)[0] ?? 0;
    const challenge = this.#tools.random(CHALLENGE);
    this.#asked = { algorithm, id, challenge };
    return {
      say: [
        ["CHAP_A", String(chosen)],
        ["CHAP_I", String(id)],
        ["CHAP_C", binary(challenge)],
      ],
      done: false,
    };
  }

  #judge(
    keys: ReadonlyMap<string, string>,
    asked: { algorithm: "md5" | "sha256"; id: number; challenge: Uint8Array },
  ): ChapStep {
    this.#over = true;
    const response = bytesOf(keys.get("CHAP_R") ?? "");
    const expected = this.#response(asked.algorithm, asked.id, this.#secrets.secret, asked.challenge);
    const named = same(toUtf8(keys.get("CHAP_N") ?? ""), toUtf8(this.#secrets.user));
    if (!response || !same(response, expected) || !named) return { refused: "wrong CHAP name or response" };
    if (!keys.has("CHAP_I") && !keys.has("CHAP_C")) return { say: [], done: true };
    return this.#prove(keys, asked.algorithm, asked.challenge);
  }

  #prove(keys: ReadonlyMap<string, string>, algorithm: "md5" | "sha256", ours: Uint8Array): ChapStep {
    const mutual = this.#secrets.mutual;
    const id = numberOf(keys.get("CHAP_I") ?? "");
    const challenge = bytesOf(keys.get("CHAP_C") ?? "");
    if (!mutual) return { refused: "mutual CHAP is asked for, and has no secret here" };
    if (id === undefined || id > 255 || !challenge) return { refused: "bad CHAP_I or CHAP_C" };
    if (challenge.length < LEAST_CHALLENGE || challenge.length > MOST_CHALLENGE)
      return { refused: "the CHAP challenge is too short or too long" };
    // Answering our own challenge would hand out what a reflecting attacker needs (12.1.3).
    if (same(challenge, ours)) return { refused: "our own CHAP challenge came back" };
    // A secret for both ways would let one side's proof stand for the other's (12.1.3).
    if (mutual.secret === this.#secrets.secret) return { refused: "the two CHAP secrets are the same" };
    const response = this.#response(algorithm, id, mutual.secret, challenge);
    return {
      say: [
        ["CHAP_N", mutual.user],
        ["CHAP_R", binary(response)],
      ],
      done: true,
    };
  }

  #response(algorithm: "md5" | "sha256", id: number, secret: string, challenge: Uint8Array): Uint8Array {
    return this.#tools.digest(algorithm, concat([Uint8Array.of(id), toUtf8(secret), challenge]));
  }
}

/** Compares in a time that does not tell where they differ. */
function same(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  let difference = 0;
  for (let i = 0; i < a.length; i++) difference |= (a[i] ?? 0) ^ (b[i] ?? 0);
  return difference === 0;
}
