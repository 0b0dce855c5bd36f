// A Debian suite as its mirror describes it: InRelease (signed) → Packages (hash in InRelease) → packages (hash in Packages).
import { createHash } from "node:crypto";
import { join } from "node:path";
import { readCleartextMessage, readKeys, verify } from "openpgp";
import { BrambleError } from "../base/errors.ts";
import { utf8 } from "../base/text.ts";
import { parseStanza, releaseFiles, type Stanza } from "../formats/debian-control.ts";
import { fetchBytes, fetchFile } from "./debian-fetch.ts";
import { type Package, readPackages } from "./debian-packages.ts";

export interface SuiteOptions {
  mirror: string;
  /** "trixie" */
  suite: string;
  arch: "arm64" | "armhf";
  components: string[];
  /** Armoured OpenPGP keys that may sign the suite. */
  keys: string;
  /** Folder for indexes; packages go where `download` is told. */
  cache: string;
  now: Date;
}

/** All packages of a suite by name. Throws PACKAGES_UNTRUSTED, DOWNLOAD_FAILED. */
export async function openSuite(options: SuiteOptions): Promise<Map<string, Package>> {
  const base = `${options.mirror}/dists/${options.suite}`;
  const signed = await fetchBytes(`${base}/InRelease`, 4 * 1024 * 1024);
  const release = parseStanza(await verifiedText(utf8(signed), options.keys));
  checkRelease(release, options);
  const files = releaseFiles(release);
  const packages = new Map<string, Package>();
  for (const component of options.components) {
    const name = `${component}/binary-${options.arch}/Packages.xz`;
    const file = files.get(name);
    if (!file) throw new BrambleError("PACKAGE_UNKNOWN", `${base} lists no ${name}`);
    const path = join(options.cache, `${file.sha256}.xz`);
    // by-hash: a mirror in the middle of an update still has the file that this InRelease means
    const byHash = release.get("acquire-by-hash") === "yes";
    const url = byHash
      ? `${base}/${name.replace(/[^/]+$/, "")}by-hash/SHA256/${file.sha256}`
      : `${base}/${name}`;
    await fetchFile({ url, path, ...file });
    for (const found of await readPackages(path)) packages.set(found.name, found);
  }
  return packages;
}

/** The text that one of `keys` has signed. Throws PACKAGES_UNTRUSTED. */
export async function verifiedText(clearsigned: string, keys: string): Promise<string> {
  const untrusted = (why: string, cause?: unknown) =>
    new BrambleError("PACKAGES_UNTRUSTED", `InRelease: ${why}`, {
      hint: "is this mirror a mirror of Debian? nothing of it was used",
      cause,
    });
  const message = await readCleartextMessage({ cleartextMessage: clearsigned }).catch((error: unknown) => {
    throw untrusted("is not a signed text", error);
  });
  const verificationKeys = await readKeys({ armoredKeys: keys });
  const { data, signatures } = await verify({ message, verificationKeys, format: "utf8" });
  const checked = await Promise.allSettled(signatures.map((signature) => signature.verified));
  if (!checked.some((result) => result.status === "fulfilled")) {
    const failed = checked.find((result) => result.status === "rejected");
    throw untrusted("no good signature by a key of Debian's archive", failed?.reason);
  }
  return data;
}

/** A signed file of another suite, or of last year, is as bad as an unsigned one. */
function checkRelease(release: Stanza, options: SuiteOptions): void {
  const names = [release.get("codename"), release.get("suite")];
  if (!names.includes(options.suite))
    throw new BrambleError(
      "PACKAGES_UNTRUSTED",
      `the mirror's ${options.suite} says it is ${names.join(", ")}`,
    );
  const until = Date.parse(release.get("valid-until") ?? "");
  if (until < options.now.getTime())
    throw new BrambleError(
      "PACKAGES_UNTRUSTED",
      `the mirror's ${options.suite} was valid until ${release.get("valid-until")}`,
      {
        hint: "a mirror that is no longer updated, or this machine's clock is wrong",
      },
    );
}

/** Hash of a text, as hex: for cache names. */
export const sha256Of = (...parts: (string | Uint8Array)[]): string => {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return hash.digest("hex");
};
