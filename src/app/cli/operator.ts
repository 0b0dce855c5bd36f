// Where the page and the API listen, and with whose certificate.
import { hostname } from "node:os";
import { BrambleError } from "../../base/errors.ts";
import { fingerprintOf, generatedCertificate, ownCertificate, type Tls } from "../access/certificate.ts";
import type { ServerSettings } from "../server.ts";

interface TlsOptions {
  tls: "auto" | "on" | "off";
  tlsCert?: string;
  tlsKey?: string;
}

/** "10.0.0.1:8440", "myhost"; the port is 8440 unless it is told. BAD_INPUT. */
export function operatorPlace(text: string): { host: string; port: number } {
  const [, host, digits = "8440"] = /^([^:\s]+)(?::(\d{1,5}))?$/.exec(text) ?? [];
  if (host === undefined || Number(digits) > 65_535)
    throw new BrambleError("BAD_INPUT", `${text} is no place to listen on`, {
      hint: "write an address of this machine and a port: 127.0.0.1:8440, or 0.0.0.0:8440 for every address",
    });
  return { host, port: Number(digits) };
}

const isLoopback = (host: string): boolean => /^(127\.|localhost$|\[?::1\]?$)/.test(host);

/** Passwords and tokens cross no network in the clear unless somebody says so. */
export function operatorTls(data: string, host: string, given: TlsOptions): { tls?: Tls } {
  if (given.tlsCert !== undefined || given.tlsKey !== undefined) {
    if (given.tlsCert === undefined || given.tlsKey === undefined)
      throw new BrambleError("BAD_INPUT", "a certificate and its key go together", {
        hint: "--tls-cert FILE --tls-key FILE",
      });
    return { tls: ownCertificate(given.tlsCert, given.tlsKey, Date.now()) };
  }
  if (given.tls === "off" || (given.tls === "auto" && isLoopback(host))) return {};
  const { cert, key } = generatedCertificate(data, Date.now(), isLoopback(host) ? [] : [host]);
  console.log(`TLS with our own key, which browsers do not know; its sha256 is\n  ${fingerprintOf(cert)}`);
  return { tls: { cert, key } };
}

/** A wildcard address is no address to go to: this machine's name is. */
export function pageUrl({ host, tls }: ServerSettings["operator"], port: number): string {
  const name = host === "0.0.0.0" || host === "::" ? hostname() : host;
  return `${tls ? "https" : "http"}://${name}:${port}`;
}
