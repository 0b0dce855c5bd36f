import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  randomBytes,
  sign,
  X509Certificate,
} from "node:crypto";
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { isIP, isIPv4 } from "node:net";
import { hostname, networkInterfaces } from "node:os";
import { join } from "node:path";
import { parseIpv4 } from "../../base/addresses.ts";
import { BrambleError } from "../../base/errors.ts";
import { certificate } from "../../formats/x509.ts";

export interface Tls {
  cert: string;
  key: string;
}
const DAY_MS = 86_400_000;
const LASTS_MS = 825 * DAY_MS;
/** So long before its end it is made anew, with the same key: who trusts the key goes on to. */
const RENEW_MS = 90 * DAY_MS;

/** A person's own certificate and key, PEM. Throws CERTIFICATE_BAD where they cannot serve. */
export function ownCertificate(certFile: string, keyFile: string, now: number): Tls {
  try {
    const [cert, key] = [readFileSync(certFile, "utf8"), readFileSync(keyFile, "utf8")];
    const read = new X509Certificate(cert);
    if (!read.checkPrivateKey(createPrivateKey(key))) throw new Error("they do not belong together");
    if (Date.parse(read.validTo) <= now) throw new Error(`the certificate was over at ${read.validTo}`);
    return { cert, key };
  } catch (cause) {
    throw new BrambleError("CERTIFICATE_BAD", `${certFile} with ${keyFile}: ${(cause as Error).message}`, {
      hint: "both in PEM, the certificate first and then those of its authorities",
      cause,
    });
  }
}

/** Names and addresses that this machine is reached by. */
function ownNames() {
  const host = hostname();
  const addresses = Object.values(networkInterfaces()).flatMap((all) =>
    (all ?? []).map((one) => one.address),
  );
  return { names: [host, `${host}.local`, "localhost"], addresses: addresses.filter(isIPv4).sort() };
}

/** The data folder's own certificate: made once, renewed with its key when its end or another address comes. */
export function generatedCertificate(
  root: string,
  now: number,
  extra: readonly string[] = [],
): Tls & { isNew: boolean } {
  const folder = join(root, "tls");
  const [certFile, keyFile] = [join(folder, "cert.pem"), join(folder, "key.pem")];
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const own = ownNames();
  const names = [...own.names, ...extra.filter((one) => isIP(one) === 0)];
  const addresses = [...new Set([...own.addresses, ...extra.filter(isIPv4)])];
  const key = existsSync(keyFile)
    ? readFileSync(keyFile, "utf8")
    : generateKeyPairSync("ec", { namedCurve: "P-256" })
        .privateKey.export({ type: "pkcs8", format: "pem" })
        .toString();
  if (existsSync(certFile) && existsSync(keyFile)) {
    const cert = readFileSync(certFile, "utf8");
    const read = new X509Certificate(cert);
    const isGood =
      Date.parse(read.validTo) - now > RENEW_MS &&
      read.checkPrivateKey(createPrivateKey(key)) &&
      names.every((name) => read.checkHost(name) !== undefined) &&
      addresses.every((address) => read.checkIP(address) !== undefined);
    if (isGood) return { cert, key, isNew: false };
  }
  const made = certificate(
    {
      name: `Bramble on ${hostname()}`.slice(0, 64),
      dnsNames: names,
      addresses: addresses.map((address) => bytesOf(parseIpv4(address))),
      fromMs: now - DAY_MS,
      toMs: now + LASTS_MS,
      serial: positive(randomBytes(16)),
      publicKey: createPublicKey(key).export({ type: "spki", format: "der" }),
    },
    (ms) => new Date(ms).toISOString(),
  );
  const bytes = made.signed(sign("sha256", made.toSign, { key, dsaEncoding: "der" }));
  const lines =
    Buffer.from(bytes)
      .toString("base64")
      .match(/.{1,64}/g) ?? [];
  const cert = ["-----BEGIN CERTIFICATE-----", ...lines, "-----END CERTIFICATE-----", ""].join("\n");
  write(keyFile, key, 0o600);
  write(certFile, cert, 0o644);
  return { cert, key, isNew: true };
}

const bytesOf = (address: number): Uint8Array =>
  Uint8Array.of(address >>> 24, (address >>> 16) & 255, (address >>> 8) & 255, address & 255);
/** RFC 5280 4.1.2.2: no zeros in front, and positive. */
const positive = (bytes: Buffer): Buffer => {
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40;
  return bytes;
};

function write(path: string, text: string, mode: number): void {
  writeFileSync(`${path}.new`, text, { mode });
  chmodSync(`${path}.new`, mode);
  renameSync(`${path}.new`, path);
}

/** sha256 of a certificate's public key, in hex: what `bramble login` compares. */
export const fingerprintOf = (cert: string): string =>
  createHash("sha256")
    .update(new X509Certificate(cert).publicKey.export({ type: "spki", format: "der" }))
    .digest("hex");
