import http from "node:http";
import https from "node:https";
import { BrambleError } from "../../base/errors.ts";

const REDIRECTS = 5;
const IDLE_MS = 30_000;

export interface RequestOptions {
  headers: Record<string, string>;
  signal?: AbortSignal | undefined;
  /** The bytes will be compared with a hash that the user gave: an insecure detour does no harm. */
  verified: boolean;
}

/** A URL for messages and manifests: no password, no signed query. */
export const publicUrl = (url: URL): string => `${url.protocol}//${url.host}${url.pathname}`;

/**
 * GET, following up to 5 redirects; never from https to http unless the bytes are verified later.
 * Network trouble throws Node's own error (worth another try), a refused redirect DOWNLOAD_FAILED.
 */
export async function request(url: URL, options: RequestOptions): Promise<http.IncomingMessage> {
  let at = url;
  for (let hop = 0; hop <= REDIRECTS; hop++) {
    const response = await once(at, options);
    const { location } = response.headers;
    if (![301, 302, 303, 307, 308].includes(response.statusCode ?? 0) || !location) return response;
    response.destroy();
    const next = URL.canParse(location, at.href) ? new URL(location, at) : undefined;
    if (!next || !/^https?:$/.test(next.protocol)) {
      throw failed(url, `is redirected to ${location.slice(0, 200)}, which is no web address`);
    }
    if (at.protocol === "https:" && next.protocol === "http:" && !options.verified) {
      throw failed(
        url,
        `is redirected from https to ${publicUrl(next)}`,
        "give --sha256, so that the bytes can be trusted",
      );
    }
    at = next;
  }
  throw failed(url, `is redirected more than ${REDIRECTS} times`);
}

const once = (url: URL, { headers, signal }: RequestOptions) =>
  new Promise<http.IncomingMessage>((resolve, reject) => {
    const get = url.protocol === "https:" ? https.get : http.get;
    // identity: packed on the way, byte ranges would count other bytes than the file's.
    const all = { "user-agent": "bramble", "accept-encoding": "identity", ...headers };
    const sent = get(url.href, { headers: all, agent: false, ...(signal ? { signal } : {}) }, resolve);
    sent.setTimeout(IDLE_MS, () => sent.destroy(new Error(`no byte for ${IDLE_MS / 1000} s`)));
    sent.on("error", reject);
  });

export const failed = (url: URL, why: string, hint?: string, cause?: unknown): BrambleError =>
  new BrambleError("DOWNLOAD_FAILED", `${publicUrl(url)} ${why}`, {
    ...(hint ? { hint } : {}),
    ...(cause === undefined ? {} : { cause }),
  });

/** What a status other than 200, 206 and 416 means to the user. */
export function refused(url: URL, status: number): BrambleError {
  const hint: Record<number, string> = {
    401: "the server wants a login: write it as https://user:password@host/…, or download the file and add it as a file",
    403: "the server does not give it to us: download it with a browser and add it as a file",
    404: "look at the address: is there a newer release in the folder above it?",
    410: "it is gone: look for a newer release",
    429: "too many requests: wait, then give the same command again; it goes on where it stopped",
  };
  return failed(
    url,
    `: the web server answered ${status} ${http.STATUS_CODES[status] ?? ""}`.trimEnd(),
    hint[status] ??
      (status >= 500 ? "the server has a problem: give the same command again later" : undefined),
  );
}
