import { type FileHandle, open, readFile, rm, stat } from "node:fs/promises";
import type { IncomingMessage } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { BrambleError } from "../../base/errors.ts";
import { errorCode, writeWhole } from "./durable.ts";
import { failed, publicUrl, type RequestOptions, refused, request } from "./request.ts";

/** What makes the partial file's bytes worth keeping: the server's word for this version of the file (RFC 9110 §8.8). */
interface Sidecar {
  url: string;
  validator: string;
  total: number | null;
}

interface DownloadOptions {
  url: URL;
  /** The partial file; its sidecar is `<part>.json`. */
  part: string;
  signal?: AbortSignal | undefined;
  verified: boolean;
  /** Pause before the n-th try in a row that brought nothing; tests shorten it. */
  retryMs?: number;
}

const TRIES = 5;
const sidecarOf = (part: string) => `${part}.json`;

/** Thrown by `chunks()` when the file on the server changed under our hands: what was read so far is void. */
export class Changed extends Error {}

/**
 * A file from the web, kept in `part` while it comes, so that the next try, or the next run, asks only for the rest
 * (RFC 9110 §14: Range with If-Range).
 */
export class Download {
  readonly #options: DownloadOptions;
  #have = 0;
  /** Size of the whole file, as soon as the server said it. */
  total: number | undefined;
  /** Bytes that an earlier run had brought. */
  resumedFrom = 0;

  constructor(options: DownloadOptions) {
    this.#options = options;
  }

  /** The whole file, first what is here already. */
  async *chunks(): AsyncGenerator<Uint8Array> {
    const { part, signal } = this.#options;
    const sidecar = await this.#sidecar();
    const file = await open(part, sidecar ? "r+" : "w+", 0o600);
    try {
      this.#have = sidecar ? (await file.stat()).size : 0;
      this.total = sidecar?.total ?? undefined;
      let given = 0;
      for (let tries = 0; ; ) {
        const before = this.#have;
        try {
          const body = await this.#ask(file, given > 0);
          if (given === 0) this.resumedFrom = this.#have;
          for (; given < this.#have; ) {
            const old = await file.read({
              buffer: Buffer.alloc(1 << 18),
              position: given,
              length: Math.min(1 << 18, this.#have - given),
            });
            if (old.bytesRead === 0) throw new Changed(`${part} shrank`);
            given += old.bytesRead;
            yield old.buffer.subarray(0, old.bytesRead);
          }
          if (!body) return;
          for await (const bytes of body as AsyncIterable<Buffer>) {
            for (let at = 0; at < bytes.length; ) {
              at += (await file.write(bytes, at, bytes.length - at, this.#have + at)).bytesWritten;
            }
            this.#have += bytes.length;
            given += bytes.length;
            yield bytes;
          }
          if (this.total === undefined || this.#have === this.total) return;
          throw new Error(`the connection ended at byte ${this.#have} of ${this.total}`);
        } catch (error) {
          if (signal?.aborted || !worthAnotherTry(error)) throw error;
          tries = this.#have > before ? 1 : tries + 1;
          if (tries >= TRIES) throw this.#givenUp(error);
          await sleep((this.#options.retryMs ?? 500) * 2 ** (tries - 1), undefined, signal ? { signal } : {});
        }
      }
    } finally {
      await file.close();
    }
  }

  /** Forgets what has come so far. */
  async discard(): Promise<void> {
    await rm(this.#options.part, { force: true });
    await rm(sidecarOf(this.#options.part), { force: true });
  }

  /** Asks for the rest; undefined when there is none. `bound`: bytes were handed on already, another version is no use. */
  async #ask(file: FileHandle, bound: boolean): Promise<IncomingMessage | undefined> {
    const { url, signal, verified } = this.#options;
    const headers: RequestOptions["headers"] = {};
    const known = this.#have > 0 ? await this.#sidecar() : undefined;
    if (known) {
      headers["range"] = `bytes=${this.#have}-`;
      headers["if-range"] = known.validator;
    }
    const response = await request(url, { headers, signal, verified });
    const status = response.statusCode ?? 0;
    const [, from, size] =
      /^bytes (?:(\d+)-\d+|\*)\/(\d+)$/.exec(response.headers["content-range"] ?? "") ?? [];
    const { etag } = response.headers;
    const same = etag === undefined || !known?.validator.startsWith('"') || etag === known.validator;
    if (known && status === 206 && Number(from) === this.#have && same) {
      if (size !== undefined) this.total = Number(size);
      return response;
    }
    if (known && status === 416 && Number(size) === this.#have) {
      response.destroy();
      this.total = this.#have;
      return undefined;
    }
    if (status === 200) {
      if (bound) {
        response.destroy();
        throw new Changed(`${publicUrl(url)} cannot be resumed`);
      }
      await this.#restart(file, response);
      return response;
    }
    response.destroy();
    if (status === 206 || status === 416) {
      await this.discard();
      throw new Changed(`${publicUrl(url)} answered ${status} to a question that we did not ask`);
    }
    throw refused(url, status);
  }

  /** A fresh answer with the whole file. */
  async #restart(file: FileHandle, response: IncomingMessage): Promise<void> {
    const { part, url } = this.#options;
    const { etag, "last-modified": modified, "content-length": length } = response.headers;
    this.#have = 0;
    this.total = length === undefined ? undefined : Number(length);
    await rm(sidecarOf(part), { force: true });
    await file.truncate(0);
    const validator = etag && !etag.startsWith("W/") ? etag : modified;
    if (!validator) return;
    const sidecar: Sidecar = { url: publicUrl(url), validator, total: this.total ?? null };
    await writeWhole(sidecarOf(part), JSON.stringify(sidecar), `${sidecarOf(part)}.new`);
  }

  /** Undefined where there is nothing to resume. */
  async #sidecar(): Promise<Sidecar | undefined> {
    const { part } = this.#options;
    try {
      await stat(part);
      const sidecar = JSON.parse(await readFile(sidecarOf(part), "utf8")) as Sidecar;
      return typeof sidecar.validator === "string" ? sidecar : undefined;
    } catch (error) {
      if (error instanceof SyntaxError || errorCode(error) === "ENOENT") return undefined;
      throw error;
    }
  }

  #givenUp(error: unknown): BrambleError {
    if (error instanceof BrambleError) return error;
    const why = error instanceof Error ? error.message : String(error);
    return failed(
      this.#options.url,
      `could not be fetched: ${why || errorCode(error)} (${TRIES} tries, ${this.#have} bytes are kept)`,
      "look at the network, then give the same command again: it goes on where it stopped",
      error,
    );
  }
}

/** Network trouble and a server that is not well; not our disk, not a clear no. */
function worthAnotherTry(error: unknown): boolean {
  if (error instanceof Changed) return false;
  if (error instanceof BrambleError)
    return error.code === "DOWNLOAD_FAILED" && /answered (429|5\d\d)/.test(error.message);
  return !["ENOSPC", "EFBIG", "EDQUOT", "EIO", "EROFS", "EACCES"].includes(errorCode(error) ?? "");
}
