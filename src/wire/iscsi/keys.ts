// Operational keys of the login (RFC 7143 section 13): what we answer, and what then holds.
import { numberOf } from "./text.ts";

/** What one session has agreed on. */
export interface Terms {
  headerDigest: boolean;
  dataDigest: boolean;
  /** The longest data segment that the initiator takes. */
  mostSend: number;
  initialR2T: boolean;
  immediateData: boolean;
  maxBurst: number;
  firstBurst: number;
  mostR2T: number;
}

/** The longest data segment that we take. */
export const MOST_RECEIVE = 256 << 10;
/** During login, where nothing is agreed on (13.12). */
export const MOST_LOGIN = 8192;
const MAX_BURST = 1 << 20;
/** What an initiator may send unasked bounds what a full command window holds: 128 × 64 KiB. */
const FIRST_BURST = 64 << 10;
const MOST_R2T = 4;

/** What holds where nothing is said (section 13). */
export const defaults = (): Terms => ({
  headerDigest: false,
  dataDigest: false,
  mostSend: MOST_LOGIN,
  initialR2T: true,
  immediateData: true,
  maxBurst: 262144,
  firstBurst: FIRST_BURST,
  mostR2T: 1,
});

type Rule =
  | { how: "list"; ours: readonly string[]; set?: (terms: Terms, value: string) => void }
  | { how: "and" | "or"; ours: boolean; set?: (terms: Terms, value: boolean) => void }
  | {
      how: "min" | "max";
      ours: number;
      low: number;
      high: number;
      set?: (terms: Terms, value: number) => void;
    }
  | { how: "declared"; low: number; high: number; set: (terms: Terms, value: number) => void }
  | { how: "noted" }
  | { how: "answered"; answer: string };

const MOST_LENGTH = 2 ** 24 - 1;
const DIGESTS = ["CRC32C", "None"]; // both are fine: the initiator's order decides
const OPERATIONAL: { readonly [key: string]: Rule & { normal?: true } } = {
  HeaderDigest: {
    how: "list",
    ours: DIGESTS,
    set: (terms, value) => {
      terms.headerDigest = value === "CRC32C";
    },
  },
  DataDigest: {
    how: "list",
    ours: DIGESTS,
    set: (terms, value) => {
      terms.dataDigest = value === "CRC32C";
    },
  },
  MaxConnections: { how: "min", ours: 1, low: 1, high: 65535, normal: true },
  InitialR2T: {
    how: "or",
    ours: false,
    normal: true,
    set: (terms, value) => {
      terms.initialR2T = value;
    },
  },
  ImmediateData: {
    how: "and",
    ours: true,
    normal: true,
    set: (terms, value) => {
      terms.immediateData = value;
    },
  },
  MaxRecvDataSegmentLength: {
    how: "declared",
    low: 512,
    high: MOST_LENGTH,
    set: (terms, value) => {
      terms.mostSend = value;
    },
  },
  MaxBurstLength: {
    how: "min",
    ours: MAX_BURST,
    low: 512,
    high: MOST_LENGTH,
    normal: true,
    set: (terms, value) => {
      terms.maxBurst = value;
    },
  },
  FirstBurstLength: {
    how: "min",
    ours: FIRST_BURST,
    low: 512,
    high: MOST_LENGTH,
    normal: true,
    set: (terms, value) => {
      terms.firstBurst = value;
    },
  },
  DefaultTime2Wait: { how: "max", ours: 0, low: 0, high: 3600 },
  DefaultTime2Retain: { how: "min", ours: 0, low: 0, high: 3600 }, // a session that is lost is gone: they log in anew
  MaxOutstandingR2T: {
    how: "min",
    ours: MOST_R2T,
    low: 1,
    high: 65535,
    normal: true,
    set: (terms, value) => {
      terms.mostR2T = value;
    },
  },
  DataPDUInOrder: { how: "or", ours: true, normal: true },
  DataSequenceInOrder: { how: "or", ours: true, normal: true },
  ErrorRecoveryLevel: { how: "min", ours: 0, low: 0, high: 2 },
  TaskReporting: { how: "list", ours: ["RFC3720"], normal: true },
  iSCSIProtocolLevel: { how: "min", ours: 1, low: 0, high: 31 },
  InitiatorAlias: { how: "noted" },
  // Markers are no more (13.25): off, where an initiator of RFC 3720's time still asks.
  IFMarker: { how: "answered", answer: "No" },
  OFMarker: { how: "answered", answer: "No" },
  IFMarkInt: { how: "answered", answer: "Irrelevant" },
  OFMarkInt: { how: "answered", answer: "Irrelevant" },
};

/**
 * Answers one operational key of an initiator and notes in `terms` what then holds. Undefined: no answer is due (a declaration).
 * @throws nothing: a value that cannot be is answered by Reject, a key that nobody knows by NotUnderstood (6.2)
 */
export function negotiate(
  key: string,
  value: string,
  at: { terms: Terms; discovery: boolean; login: boolean },
): string | undefined {
  const rule = OPERATIONAL[key];
  if (!rule) return "NotUnderstood";
  if (!at.login && rule.how !== "declared") return "Reject"; // these are for logins only
  if (at.discovery && rule.normal) return "Irrelevant";
  switch (rule.how) {
    case "noted":
      return undefined;
    case "answered":
      return rule.answer;
    case "list": {
      const chosen = value.split(",").find((offer) => rule.ours.includes(offer));
      if (chosen === undefined) return "Reject";
      rule.set?.(at.terms, chosen);
      return chosen;
    }
    case "and":
    case "or": {
      if (value !== "Yes" && value !== "No") return "Reject";
      const said = value === "Yes";
      const result = rule.how === "and" ? said && rule.ours : said || rule.ours;
      rule.set?.(at.terms, result);
      return result ? "Yes" : "No";
    }
  }
  const number = numberOf(value);
  if (number === undefined || number < rule.low || number > rule.high) return "Reject";
  if (rule.how === "declared") {
    rule.set(at.terms, number);
    return undefined;
  }
  const result = rule.how === "min" ? Math.min(number, rule.ours) : Math.max(number, rule.ours);
  rule.set?.(at.terms, result);
  return String(result);
}

/** FirstBurstLength never goes beyond MaxBurstLength (13.14). */
export function settle(terms: Terms): void {
  terms.firstBurst = Math.min(terms.firstBurst, terms.maxBurst);
}
