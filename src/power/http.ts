// HTTP to devices that switch power: small answers, one deadline, certificates that devices have made themselves.
import { type IncomingMessage, request as overHttp } from "node:http";
import { request as overHttps } from "node:https";
import { BrambleError } from "../base/errors.ts";

export interface DeviceUrl {
  /** http://… or https://…; a path is put before every other. */
  url: string;
  user?: string;
  password?: string;
  /** Takes any certificate: most devices have made their own. */
  insecure?: boolean;
  timeoutMs?: number;
}

export interface HttpAnswer {
  status: number;
  headers: IncomingMessage["headers"];
  text: string;
}

export interface HttpWish {
  method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** Below the device's URL, or a whole URL. */
  path: string;
  headers?: Record<string, string>;
  /** JSON; a string goes as it is. */
  body?: unknown;
  /** Statuses beside 2xx that are no failure. */
  also?: readonly number[];
}

const TIMEOUT_MS = 10_000;
const MOST_BYTES = 4 << 20;

/** One request. POWER_UNREACHABLE, POWER_AUTH (401, 403), POWER_REFUSED (other statuses). No credentials in messages. */
export async function ask(device: DeviceUrl, wish: HttpWish, signal: AbortSignal): Promise<HttpAnswer> {
  const base = device.url.replace(/\/+$/, "");
  const url = new URL(/^https?:/.test(wish.path) ? wish.path : base + wish.path);
  const where = `${wish.method} ${url.origin}${url.pathname}`;
  const answer = await send(device, wish, url, signal).catch((cause: NodeJS.ErrnoException) => {
    if (signal.aborted) throw signal.reason;
    throw new BrambleError("POWER_UNREACHABLE", `${where} failed: ${cause.message || cause.code}`, {
      cause,
      ...(/CERT|SELF_SIGNED|ALTNAME/.test(cause.code ?? "") && {
        hint: "the device has made its own certificate? Set --insecure for it",
      }),
    });
  });
  const { status } = answer;
  if ((status >= 200 && status < 300) || wish.also?.includes(status)) return answer;
  const said = answer.text.replace(/\s+/g, " ").slice(0, 200);
  if (status === 401 || status === 403) {
    throw new BrambleError("POWER_AUTH", `${where} refuses us: ${status}`, {
      hint: "check user and password: bramble switch set NAME --user … --password-file …",
    });
  }
  throw new BrambleError("POWER_REFUSED", `${where} was refused: ${status} ${said}`);
}

/** The answer's JSON. */
export async function askJson<T>(device: DeviceUrl, wish: HttpWish, signal: AbortSignal): Promise<T> {
  const { text } = await ask(device, wish, signal);
  try {
    return JSON.parse(text) as T;
  } catch (cause) {
    throw new BrambleError(
      "POWER_REFUSED",
      `${wish.method} ${wish.path.split("?")[0]} was not answered with JSON`,
      {
        hint: "is that the device's address, and is its API on?",
        cause,
      },
    );
  }
}

function send(device: DeviceUrl, wish: HttpWish, url: URL, signal: AbortSignal): Promise<HttpAnswer> {
  const { user, password, insecure, timeoutMs = TIMEOUT_MS } = device;
  const body =
    wish.body === undefined || typeof wish.body === "string" ? wish.body : JSON.stringify(wish.body);
  const headers: Record<string, string> = {
    accept: "application/json",
    ...(body !== undefined && {
      "content-type": "application/json",
      "content-length": String(Buffer.byteLength(body)),
    }),
    ...(user !== undefined && {
      authorization: `Basic ${Buffer.from(`${user}:${password ?? ""}`).toString("base64")}`,
    }),
    ...wish.headers,
  };
  const deadline = AbortSignal.timeout(timeoutMs);
  const options = {
    method: wish.method,
    headers,
    agent: false as const,
    signal: AbortSignal.any([signal, deadline]),
  };
  return new Promise((resolve, reject) => {
    const fail = (error: Error) =>
      reject(
        deadline.aborted && !signal.aborted ? new Error(`no answer within ${timeoutMs / 1000} s`) : error,
      );
    const take = (response: IncomingMessage) => {
      const chunks: Buffer[] = [];
      let size = 0;
      response.on("data", (chunk: Buffer) => {
        size += chunk.length;
        chunks.push(chunk);
        if (size > MOST_BYTES) response.destroy(new Error("its answer has no end"));
      });
      response.on("error", fail);
      response.on("end", () =>
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          text: Buffer.concat(chunks).toString("utf8"),
        }),
      );
    };
    const asked =
      url.protocol === "https:"
        ? overHttps(url, { ...options, rejectUnauthorized: !insecure }, take)
        : overHttp(url, options, take);
    asked.on("error", fail);
    asked.end(body);
  });
}
