// Text requests of a session (RFC 7143 11.10, 11.11): SendTargets, and answers longer than one PDU.
import { concat } from "../../base/bytes.ts";
import { negotiate, type Terms } from "./keys.ts";
import { FINAL, NO_TAG, NOTHING, OP, pdu, text } from "./pdu.ts";
import { parseText } from "./text.ts";

const CONTINUES = 0x40;
const MOST_TEXT = 16 << 10;

export class Texts {
  readonly #terms: Terms;
  readonly #discovery: boolean;
  readonly #address: string;
  readonly #target: string | undefined;
  #said: Uint8Array = NOTHING; // of a request that goes on
  #rest: Uint8Array = NOTHING; // of an answer that goes on
  #pairs: [string, string][] = [];
  #wanted = "";
  #tag = NO_TAG;
  #transfer = 1; // the target transfer tag of the exchange

  /** @param what.address how the initiator reached us: `10.0.0.1:3260` or `[fd00::1]:3260` */
  constructor(what: { terms: Terms; discovery: boolean; address: string; target: string | undefined }) {
    this.#terms = what.terms;
    this.#discovery = what.discovery;
    this.#address = what.address;
    this.#target = what.target;
  }

  /** PDUs to answer with; "discover": listed() goes on. */
  receive(view: DataView, at: number, data: Uint8Array): Uint8Array[] | "discover" | "protocol" {
    const flags = view.getUint8(at + 1);
    const tag = view.getUint32(at + 16);
    const transfer = view.getUint32(at + 20);
    if (tag === NO_TAG) return "protocol";
    if (transfer === NO_TAG) {
      this.#said = this.#rest = NOTHING;
      this.#tag = tag;
    } else if (transfer !== this.#transfer || tag !== this.#tag) return "protocol";
    else if (this.#rest.length > 0) return [this.#part()];
    if (this.#said.length + data.length > MOST_TEXT) return "protocol";
    if (flags & CONTINUES) {
      this.#said = concat([this.#said, data]);
      return [this.#response(NOTHING, false)];
    }
    const pairs = parseText(concat([this.#said, data]));
    this.#said = NOTHING;
    if (!pairs) return "protocol";
    this.#pairs = [];
    for (const [key, value] of pairs) {
      if (key === "SendTargets") continue;
      const answer = negotiate(key, value, {
        terms: this.#terms,
        discovery: this.#discovery,
        login: false,
      });
      if (answer !== undefined) this.#pairs.push([key, answer]);
    }
    const wanted = pairs.get("SendTargets");
    if (wanted === undefined) return this.#answer();
    this.#wanted = wanted.toLowerCase();
    return "discover";
  }

  /** SendTargets (appendix C): all of them in a discovery session, else the one that this session has. */
  listed(names: readonly string[]): Uint8Array[] {
    const wanted = this.#wanted;
    const known = this.#discovery ? names : this.#target ? [this.#target] : [];
    if (wanted === "all" && !this.#discovery) this.#pairs.push(["SendTargets", "Reject"]);
    else
      for (const name of known) {
        if (wanted !== "all" && wanted !== "" && wanted !== name) continue;
        this.#pairs.push(["TargetName", name], ["TargetAddress", `${this.#address},1`]);
      }
    return this.#answer();
  }

  #answer(): Uint8Array[] {
    this.#rest = text(this.#pairs.splice(0));
    return [this.#part()];
  }
  #part(): Uint8Array {
    const part = this.#rest.subarray(0, this.#terms.mostSend);
    this.#rest = this.#rest.subarray(part.length);
    return this.#response(part, this.#rest.length === 0);
  }
  #response(data: Uint8Array, final: boolean): Uint8Array {
    const goesOn = !final && data.length > 0;
    const { bytes, view } = pdu(
      OP.TEXT_RESPONSE,
      (final ? FINAL : 0) | (goesOn ? CONTINUES : 0),
      this.#tag,
      data,
    );
    if (!final) this.#transfer = (this.#transfer % 0x7fffffff) + 1;
    view.setUint32(20, final ? NO_TAG : this.#transfer);
    return bytes;
  }
}
