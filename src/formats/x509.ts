// X.509 v3 certificates (RFC 5280) in DER (X.690), written only: a server's own, signed with its own key.
import { toUtf8 } from "../base/text.ts";

/** What goes into a certificate. Dates are ms since 1970. */
export interface CertificateFacts {
  /** Common name; people see it, no program may rely on it. */
  name: string;
  dnsNames: readonly string[];
  /** 4 or 16 bytes each. */
  addresses: readonly Uint8Array[];
  fromMs: number;
  toMs: number;
  /** 8 to 20 random bytes. */
  serial: Uint8Array;
  /** SubjectPublicKeyInfo in DER, as it is. */
  publicKey: Uint8Array;
}

const join = (parts: readonly Uint8Array[]): Uint8Array => {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
};

/** Tag, length (X.690 8.1.3: short form below 128), contents. */
function der(tag: number, ...parts: readonly Uint8Array[]): Uint8Array {
  const body = join(parts);
  const size: number[] = [];
  for (let left = body.length; left > 0; left >>>= 8) size.unshift(left & 255);
  const length = body.length < 128 ? [body.length] : [0x80 | size.length, ...size];
  return join([Uint8Array.from([tag, ...length]), body]);
}

const sequence = (...parts: readonly Uint8Array[]) => der(0x30, ...parts);
const octets = (bytes: Uint8Array) => der(0x04, bytes);
const bits = (bytes: Uint8Array, unused = 0) => der(0x03, Uint8Array.of(unused), bytes);
/** Positive: a leading zero where the first bit is set. */
const integer = (bytes: Uint8Array) =>
  der(0x02, join([Uint8Array.from((bytes[0] ?? 0) & 0x80 ? [0] : []), bytes]));

/** "2.5.29.17": the first two numbers share a byte, the others take seven bits a byte. */
function oid(text: string): Uint8Array {
  const [a = 0, b = 0, ...rest] = text.split(".").map(Number);
  const bytes = rest.flatMap((number) => {
    const groups = [number & 127];
    for (let left = number >>> 7; left > 0; left >>>= 7) groups.unshift((left & 127) | 128);
    return groups;
  });
  return der(0x06, Uint8Array.from([a * 40 + b, ...bytes]));
}

/** RFC 5280 4.1.2.5: UTCTime through 2049, GeneralizedTime after. `iso` is `Date.prototype.toISOString` of the caller. */
const time = (iso: string) => {
  const digits = iso.replace(/\.\d+/, "").replace(/[-:T]/g, "");
  return iso < "2050" ? der(0x17, toUtf8(digits.slice(2))) : der(0x18, toUtf8(digits));
};

const ECDSA_SHA256 = sequence(oid("1.2.840.10045.4.3.2"));
const extension = (id: string, critical: boolean, value: Uint8Array) =>
  sequence(oid(id), ...(critical ? [der(0x01, Uint8Array.of(255))] : []), octets(value));

/**
 * What is to be signed with ECDSA and SHA-256 (RFC 5758), and the certificate when it is.
 * @param iso a time as text: clocks are not this room's.
 */
export function certificate(facts: CertificateFacts, iso: (ms: number) => string) {
  const name = sequence(der(0x31, sequence(oid("2.5.4.3"), der(0x0c, toUtf8(facts.name)))));
  const names = sequence(
    ...facts.dnsNames.map((one) => der(0x82, toUtf8(one))), // [2] dNSName
    ...facts.addresses.map((bytes) => der(0x87, bytes)), // [7] iPAddress
  );
  const extensions = sequence(
    extension("2.5.29.19", true, sequence()), // basicConstraints: no authority
    extension("2.5.29.15", true, bits(Uint8Array.of(0x80), 7)), // keyUsage: digitalSignature
    extension("2.5.29.37", false, sequence(oid("1.3.6.1.5.5.7.3.1"))), // extKeyUsage: serverAuth
    extension("2.5.29.17", false, names), // subjectAltName
  );
  const toSign = sequence(
    der(0xa0, integer(Uint8Array.of(2))), // v3
    integer(facts.serial),
    ECDSA_SHA256,
    name,
    sequence(time(iso(facts.fromMs)), time(iso(facts.toMs))),
    name,
    facts.publicKey,
    der(0xa3, extensions),
  );
  return {
    toSign,
    /** @param signature DER of RFC 3279 2.2.3: SEQUENCE of r and s. */
    signed: (signature: Uint8Array): Uint8Array => sequence(toSign, ECDSA_SHA256, bits(signature)),
  };
}
