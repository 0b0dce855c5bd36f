import { createHash, randomBytes } from "node:crypto";
import { createWriteStream } from "node:fs";
import { mkdir, open, readFile, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { Readable, Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { BrambleError } from "../base/errors.ts";

export interface Wanted {
  url: string;
  path: string;
  sha256: string;
  size: number;
}

/** A whole answer in memory, for small files. Throws DOWNLOAD_FAILED. */
export async function fetchBytes(url: string, limit: number): Promise<Buffer> {
  const response = await get(url);
  const parts: Buffer[] = [];
  let length = 0;
  for await (const chunk of body(response)) {
    parts.push(chunk as Buffer);
    length += (chunk as Buffer).length;
    if (length > limit) throw new BrambleError("DOWNLOAD_FAILED", `${url}: more than ${limit} bytes`);
  }
  return Buffer.concat(parts);
}

/**
 * Streams a file whose hash is known to `path`, which appears whole or not at all. What is there already with the right hash stays.
 * Throws DOWNLOAD_FAILED where it cannot be had, PACKAGES_UNTRUSTED where it is something else.
 */
export async function fetchFile(wanted: Wanted): Promise<void> {
  if (await hasHash(wanted.path, wanted.sha256)) return;
  const response = await get(wanted.url);
  await mkdir(dirname(wanted.path), { recursive: true });
  const partial = `${wanted.path}.${randomBytes(4).toString("hex")}.partial`;
  const hash = createHash("sha256");
  let length = 0;
  const check = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      hash.update(chunk);
      length += chunk.length;
      done(length > wanted.size ? wrong(wanted, "is longer than its index says") : null, chunk);
    },
  });
  try {
    await pipeline(body(response), check, createWriteStream(partial));
    if (hash.digest("hex") !== wanted.sha256) throw wrong(wanted, "has another sha256 than its index says");
    const file = await open(partial, "r+");
    await file.datasync().finally(() => file.close());
    await rename(partial, wanted.path);
  } catch (error) {
    await rm(partial, { force: true });
    throw error instanceof BrambleError ? error : unreachable(wanted.url, error);
  }
}

/** Whether a file is there and holds what its hash says. */
export async function hasHash(path: string, sha256: string): Promise<boolean> {
  const bytes = await readFile(path).catch(() => undefined);
  return bytes !== undefined && createHash("sha256").update(bytes).digest("hex") === sha256;
}

const wrong = (wanted: Wanted, why: string): BrambleError =>
  new BrambleError("PACKAGES_UNTRUSTED", `${wanted.url} ${why}`, {
    hint: "a mirror in the middle of an update? try again, or another mirror",
  });

const unreachable = (url: string, cause: unknown): BrambleError =>
  new BrambleError("DOWNLOAD_FAILED", `${url}: ${cause instanceof Error ? cause.message : String(cause)}`, {
    hint: "is the mirror reachable from here? what is cached already needs no network",
    cause,
  });

async function get(url: string): Promise<Response> {
  const response = await fetch(url, { signal: AbortSignal.timeout(120_000) }).catch((error: unknown) => {
    throw unreachable(url, error instanceof Error && error.cause instanceof Error ? error.cause : error);
  });
  if (response.ok) return response;
  await response.body?.cancel();
  throw new BrambleError("DOWNLOAD_FAILED", `${url}: the mirror answers ${response.status}`);
}

const body = (response: Response): Readable =>
  response.body
    ? Readable.fromWeb(response.body as Parameters<typeof Readable.fromWeb>[0])
    : Readable.from([]);
